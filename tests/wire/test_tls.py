"""The TLS codec: two of them joined in memory, and one facing hostile bytes."""

import functools
import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goplugin_py.wire.certificates import Identity, generate
from goplugin_py.wire.tls import TLSCodec

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]
MAX_RECORD = 16 * 1024  # RFC 8446, section 5.1


@functools.cache
def identity_of(name: str) -> Identity:
    """The same certificate for the same name: making one is slow."""
    return generate(datetime.now(UTC))


class Contexts:
    """Makes contexts as both sides of go-plugin's AutoMTLS have them."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def client(
        self, own: str | None = "host", trusts: str = "plugin"
    ) -> ssl.SSLContext:
        return self._context(ssl.PROTOCOL_TLS_CLIENT, own, trusts)

    def server(self, own: str = "plugin", trusts: str = "host") -> ssl.SSLContext:
        return self._context(ssl.PROTOCOL_TLS_SERVER, own, trusts)

    def _context(self, protocol: int, own: str | None, trusts: str) -> ssl.SSLContext:
        context = ssl.SSLContext(protocol)
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=identity_of(trusts).certificate)
        context.set_alpn_protocols(["h2"])
        if own is not None:
            identity = identity_of(own)
            path = self._directory / f"{own}.pem"
            path.write_text(identity.certificate_pem + identity.key_pem)
            context.load_cert_chain(path)
        return context


class Pair(NamedTuple):
    client: TLSCodec
    server: TLSCodec

    def sides(self, role: str) -> tuple[TLSCodec, TLSCodec]:
        """Return the side with this role, and the other one."""
        return self if role == "client" else (self.server, self.client)


Feed = Callable[[TLSCodec, bytes], None]


def whole(codec: TLSCodec, data: bytes) -> None:
    """Deliver everything at once."""
    codec.receive_data(data)
    codec.handshake()


def byte_by_byte(codec: TLSCodec, data: bytes) -> None:
    """Deliver single bytes, and let the codec look at each."""
    for i in range(len(data)):
        whole(codec, data[i : i + 1])


def shake_hands(pair: Pair, feed: Feed = whole) -> Pair:
    """Carry bytes to and fro until both sides are silent."""
    pair.client.handshake()
    silent = False
    while not silent:
        silent = True
        for near, far in (pair, reversed(pair)):
            if data := near.data_to_send():
                feed(far, data)
                silent = False
    return pair


def read(codec: TLSCodec, size: int = 1 << 20) -> bytes:
    """Read once."""
    buffer = bytearray(size)
    return bytes(buffer[: codec.read_into(memoryview(buffer))])


def carry(source: TLSCodec, target: TLSCodec) -> None:
    """Carry everything over at once."""
    target.receive_data(source.data_to_send())


@pytest.fixture(scope="module")
def contexts(tmp_path_factory: pytest.TempPathFactory) -> Contexts:
    return Contexts(tmp_path_factory.mktemp("identities"))


@pytest.fixture(scope="module", params=VERSIONS, ids=lambda version: version.name)
def connect(contexts: Contexts, request: pytest.FixtureRequest) -> Callable[[], Pair]:
    """Make connections that are about to shake hands, for either version."""
    client, server = contexts.client(), contexts.server()
    client.minimum_version = client.maximum_version = request.param

    def pair() -> Pair:
        return Pair(
            TLSCodec(client, server_side=False, server_hostname="localhost"),
            TLSCodec(server, server_side=True),
        )

    return pair


@pytest.fixture
def pair(connect: Callable[[], Pair]) -> Pair:
    """A connection that is open on both sides."""
    return shake_hands(connect())


both_roles = pytest.mark.parametrize("role", ["client", "server"])


# Handshake


@pytest.mark.parametrize("feed", [whole, byte_by_byte])
def test_a_handshake_opens_both_sides(connect: Callable[[], Pair], feed: Feed) -> None:
    """go-plugin: AutoMTLS; grpc-go expects the protocol h2 since 1.67."""
    pair = connect()
    assert not pair.client.is_open
    assert not pair.server.is_open
    shake_hands(pair, feed)
    for codec in pair:
        assert codec.is_open
        assert codec.handshake()
        assert not codec.is_closed_by_peer
        assert codec._tls.selected_alpn_protocol() == "h2"
        peer = codec._tls.getpeercert() or {}
        assert peer["subjectAltName"] == (("DNS", "localhost"),)


def test_the_server_waits_for_the_client(connect: Callable[[], Pair]) -> None:
    server = connect().server
    assert not server.handshake()
    assert server.data_to_send() == b""


def test_data_that_trails_the_clients_last_flight_is_kept(
    connect: Callable[[], Pair],
) -> None:
    """grpc-go sends its preface as soon as the handshake is done."""
    client, server = connect()
    while not client.handshake():
        carry(client, server)
        if not server.handshake():
            carry(server, client)
        elif client.handshake():
            break
        else:  # TLS 1.2: the server is done first
            carry(server, client)
    client.send_data(b"preface")
    carry(client, server)
    assert server.handshake()
    assert read(server) == b"preface"


def test_data_that_trails_the_servers_last_flight_is_kept(
    connect: Callable[[], Pair],
) -> None:
    """Settings and, in TLS 1.3, session tickets follow at once."""
    client, server = connect()
    while not server.handshake():
        client.handshake()
        carry(client, server)
        if not server.handshake():
            carry(server, client)
    server.send_data(b"settings")
    carry(server, client)
    assert client.handshake()
    assert read(client) == b"settings"


# Data


@both_roles
@pytest.mark.parametrize("size", [1, 1000, MAX_RECORD, 300_000])
def test_data_is_read_with_buffers_of_any_size(
    pair: Pair, role: str, size: int
) -> None:
    sender, receiver = pair.sides(role)
    sent = bytes(range(256)) * 4 * (300 if size > 1 else 1)
    sender.send_data(sent)
    carry(sender, receiver)
    received = b""
    while len(received) < len(sent):
        chunk = read(receiver, size)
        assert len(chunk) == min(size, len(sent) - len(received))
        received += chunk
    assert received == sent
    assert read(receiver) == b""


@both_roles
def test_many_records_fill_one_buffer(pair: Pair, role: str) -> None:
    sender, receiver = pair.sides(role)
    for number in range(100):
        sender.send_data(b"%03d" % number)
    carry(sender, receiver)
    assert read(receiver) == b"".join(b"%03d" % number for number in range(100))


@both_roles
def test_a_record_in_parts_is_read_when_it_is_whole(pair: Pair, role: str) -> None:
    sender, receiver = pair.sides(role)
    sender.send_data(b"hello")
    data = sender.data_to_send()
    for i in range(len(data) - 1):
        receiver.receive_data(data[i : i + 1])
        assert read(receiver) == b""
    receiver.receive_data(data[-1:])
    assert read(receiver) == b"hello"


def test_views_of_buffers_are_taken(pair: Pair) -> None:
    client, server = pair
    client.send_data(memoryview(b"__hello__")[2:-2])
    server.receive_data(memoryview(client.data_to_send()))
    assert read(server) == b"hello"


def test_no_data_makes_no_record(pair: Pair) -> None:
    pair.client.send_data(b"")
    assert pair.client.data_to_send() == b""


chunks = st.lists(st.binary(max_size=200), max_size=5)
cuts = st.lists(st.integers(1, 100), max_size=20)


@settings(max_examples=30)
@given(to_server=chunks, to_client=chunks, cuts=cuts, size=st.integers(1, 300))
def test_data_arrives_however_the_wire_cuts_it(
    connect: Callable[[], Pair],
    to_server: list[bytes],
    to_client: list[bytes],
    cuts: list[int],
    size: int,
) -> None:
    pair = shake_hands(connect())
    for role, sent in (("client", to_server), ("server", to_client)):
        sender, receiver = pair.sides(role)
        for chunk in sent:
            sender.send_data(chunk)
        sender.send_eof()
        wire, received = sender.data_to_send(), b""
        for cut in [*cuts, len(wire)]:
            receiver.receive_data(wire[:cut])
            wire = wire[cut:]
            while data := read(receiver, size):
                received += data
        assert received == b"".join(sent)
        assert receiver.is_closed_by_peer


# Ends


@both_roles
def test_either_side_may_end_while_the_other_goes_on(pair: Pair, role: str) -> None:
    """RFC 8446, section 6.1: each direction is closed on its own."""
    first, second = pair.sides(role)
    first.send_data(b"last words")
    first.send_eof()
    carry(first, second)
    assert read(second) == b"last words"
    assert second.is_closed_by_peer
    assert read(second) == b""

    second.send_data(b"x" * 40_000)
    carry(second, first)
    assert read(first) == b"x" * 40_000
    assert not first.is_closed_by_peer

    second.send_eof()
    carry(second, first)
    assert read(first) == b""
    assert first.is_closed_by_peer


@both_roles
def test_nothing_can_be_sent_after_the_end(pair: Pair, role: str) -> None:
    codec, _ = pair.sides(role)
    codec.send_eof()
    with pytest.raises(ssl.SSLError):
        codec.send_data(b"more")


@both_roles
def test_ending_twice_says_goodbye_once(pair: Pair, role: str) -> None:
    codec, _ = pair.sides(role)
    codec.send_eof()
    assert codec.data_to_send()
    codec.send_eof()
    assert codec.data_to_send() == b""


@both_roles
@pytest.mark.parametrize("already_read", [0, 3])
def test_ending_keeps_what_has_arrived(
    pair: Pair, role: str, already_read: int
) -> None:
    """OpenSSL takes data that SSL_shutdown meets for a failure."""
    codec, peer = pair.sides(role)
    sent = bytes(range(256)) * 100
    peer.send_data(sent)
    carry(peer, codec)
    received = read(codec, already_read) if already_read else b""

    codec.send_eof()
    peer.send_data(b"later")
    peer.send_eof()
    carry(peer, codec)
    codec.send_eof()  # has the peer's goodbye before it
    while not codec.is_closed_by_peer:
        chunk = read(codec, 1000)
        assert len(chunk) == 1000 or len(received) + len(chunk) == len(sent) + 5
        received += chunk
    assert received == sent + b"later"

    carry(codec, peer)
    assert read(peer) == b""
    assert peer.is_closed_by_peer


@both_roles
def test_the_wire_may_end_after_a_goodbye(pair: Pair, role: str) -> None:
    codec, peer = pair.sides(role)
    peer.send_data(b"last words")
    peer.send_eof()
    carry(peer, codec)
    codec.receive_eof()
    assert read(codec) == b"last words"
    assert codec.is_closed_by_peer
    assert read(codec) == b""


@both_roles
@pytest.mark.parametrize("sent", [b"", b"last words"])
@pytest.mark.parametrize("cut", [0, 1])
def test_a_wire_that_ends_without_goodbye_is_a_failure(
    pair: Pair, role: str, sent: bytes, cut: int
) -> None:
    """RFC 8446, section 6.1: else anybody on the way could truncate the data."""
    codec, peer = pair.sides(role)
    peer.send_data(sent)
    carry(peer, codec)
    peer.send_data(b"cut off")
    codec.receive_data(peer.data_to_send()[:-1] if cut else b"")
    codec.receive_eof()
    if sent:
        assert read(codec) == sent
    for _ in range(2):
        with pytest.raises(ssl.SSLEOFError):
            read(codec)
    assert not codec.is_closed_by_peer


@both_roles
def test_a_wire_that_ends_within_the_handshake_is_a_failure(
    connect: Callable[[], Pair], role: str
) -> None:
    codec, _ = connect().sides(role)
    assert not codec.handshake()
    codec.receive_eof()
    with pytest.raises(ssl.SSLError):
        codec.handshake()
    assert not codec.is_open


# Refusals


def refusal(codec: TLSCodec) -> ssl.SSLError:
    """Return why a side fails, in its handshake or when it reads the alert."""
    try:
        codec.handshake()
        read(codec)
    except ssl.SSLError as exc:
        return exc
    pytest.fail("nothing was refused")


def shake_until_refused(near: TLSCodec, far: TLSCodec) -> ssl.SSLError:
    """Shake hands until `near` fails; return why."""
    while True:
        far.handshake()
        carry(far, near)
        try:
            near.handshake()
        except ssl.SSLError as exc:
            return exc
        carry(near, far)


@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: version.name)
@pytest.mark.parametrize("name", ["127.0.0.1", "unused", "plugin.localhost"])
def test_the_certificate_is_good_for_localhost_only(
    contexts: Contexts, version: ssl.TLSVersion, name: str
) -> None:
    """go-plugin: generateCert; `unused` is what grpc-go asks for by default."""
    context = contexts.client()
    context.maximum_version = version
    client = TLSCodec(context, server_side=False, server_hostname=name)
    server = TLSCodec(contexts.server(), server_side=True)
    error = shake_until_refused(client, server)
    assert isinstance(error, ssl.SSLCertVerificationError)
    carry(client, server)
    assert "bad certificate" in str(refusal(server)).lower()


@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: version.name)
def test_a_server_with_another_certificate_is_refused(
    contexts: Contexts, version: ssl.TLSVersion
) -> None:
    """go-plugin: Client.loadServerCert trusts the certificate of the line alone."""
    context = contexts.client(trusts="somebody else")
    context.maximum_version = version
    client = TLSCodec(context, server_side=False, server_hostname="localhost")
    server = TLSCodec(contexts.server(), server_side=True)
    error = shake_until_refused(client, server)
    assert isinstance(error, ssl.SSLCertVerificationError)
    assert not client.is_open
    carry(client, server)  # the alert
    assert "UNKNOWN_CA" in str(refusal(server)).upper().replace(" ", "_")
    assert not server.is_open


@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: version.name)
@pytest.mark.parametrize("own", ["somebody else", None], ids=["wrong", "missing"])
def test_a_client_without_the_right_certificate_is_refused(
    contexts: Contexts, version: ssl.TLSVersion, own: str | None
) -> None:
    """go-plugin: Serve, RequireAndVerifyClientCert."""
    context = contexts.client(own=own)
    context.maximum_version = version
    client = TLSCodec(context, server_side=False, server_hostname="localhost")
    server = TLSCodec(contexts.server(), server_side=True)
    shake_until_refused(server, client)
    assert not server.is_open
    carry(server, client)  # the alert
    assert "alert" in str(refusal(client)).lower()
    # In TLS 1.3 the client had nothing more to wait for.
    assert client.is_open == (version is ssl.TLSVersion.TLSv1_3)


def test_no_version_in_common_is_refused(contexts: Contexts) -> None:
    """go-plugin: MinVersion TLS 1.2."""
    old, new = contexts.client(), contexts.server()
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    new.minimum_version = ssl.TLSVersion.TLSv1_3
    client = TLSCodec(old, server_side=False, server_hostname="localhost")
    server = TLSCodec(new, server_side=True)
    shake_until_refused(server, client)
    carry(server, client)
    assert "protocol version" in str(refusal(client)).lower()


# Hostile bytes


@both_roles
@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", id="HTTP/2 preface"),
        pytest.param(bytes.fromhex("000012040000000000") + bytes(18), id="settings"),
        pytest.param(bytes(12) * 2, id="yamux"),
        pytest.param(b"1|1|unix|/tmp/plugin1|grpc|\n", id="handshake line"),
        pytest.param(b"\xff" * 100, id="noise"),
    ],
)
def test_a_peer_without_tls_is_refused(
    connect: Callable[[], Pair], role: str, data: bytes
) -> None:
    """One side has TLS and the other has not."""
    codec, _ = connect().sides(role)
    codec.handshake()
    hello = codec.data_to_send()
    assert bool(hello) == (role == "client")
    codec.receive_data(data)
    with pytest.raises(ssl.SSLError):
        codec.handshake()
    assert not codec.is_open
    codec.data_to_send()


@settings(max_examples=50)
@given(data=st.binary(max_size=300), header=st.sampled_from([b"", b"\x16\x03\x01"]))
@both_roles
def test_any_bytes_are_waited_on_or_an_ssl_error(
    connect: Callable[[], Pair], role: str, data: bytes, header: bytes
) -> None:
    codec, _ = connect().sides(role)
    codec.handshake()
    codec.receive_data(header + data)
    try:
        assert not codec.handshake()
    except ssl.SSLError:
        assert not codec.is_open
    codec.data_to_send()


@both_roles
def test_a_forged_record_is_refused_after_the_good_ones(pair: Pair, role: str) -> None:
    codec, peer = pair.sides(role)
    peer.send_data(b"good")
    good = peer.data_to_send()
    peer.send_data(b"forged")
    forged = bytearray(peer.data_to_send())
    forged[-1] ^= 1
    codec.receive_data(good + bytes(forged))
    assert read(codec) == b"good"
    for _ in range(2):
        with pytest.raises(ssl.SSLError, match=r"(?i)bad.record.mac"):
            read(codec)
    carry(codec, peer)  # the alert
    with pytest.raises(ssl.SSLError, match=r"(?i)alert.bad.record.mac"):
        read(peer)


@both_roles
def test_ending_after_a_failure_hands_over_what_came_before(
    pair: Pair, role: str
) -> None:
    codec, peer = pair.sides(role)
    peer.send_data(b"good")
    codec.receive_data(peer.data_to_send() + b"\xff" * 100)
    with pytest.raises(ssl.SSLError):
        codec.send_eof()
    assert read(codec) == b"good"
    with pytest.raises(ssl.SSLError):
        read(codec)
