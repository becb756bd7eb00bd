"""The relay: bytes, ends, failures and limits, between plain sockets and TLS."""

import contextlib
import errno
import functools
import gc
import logging
import os
import random
import select
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NoReturn

import pytest

from goplugin_py.net import dial as dial_module
from goplugin_py.net import link as link_module
from goplugin_py.net.dial import dial_to
from goplugin_py.net.link import BUFFER_SIZE
from goplugin_py.net.loop import Loop
from goplugin_py.net.relay import Relay
from goplugin_py.net.sockets import (
    address_of,
    client_context,
    listen_tcp,
    listen_unix,
    server_context,
)
from goplugin_py.wire.address import Address
from goplugin_py.wire.certificates import HOST_NAME
from goplugin_py.wire.tls import TLSCodec
from tests.peers import (
    WAIT,
    connect,
    has_ended,
    identity_of,
    receive,
    receive_all,
    run_python,
    until,
)

# All that stands between a writer and a reader that does not read: two relays with a
# read, its ciphertext and its plain text each, and the buffers of six sockets, which
# a system may make as large as 6 MiB for TCP.
MOST_IN_TRANSIT = {"unix": 4 << 20, "tcp": 16 << 20}
NO_TIME = 0.1
RESET = struct.pack("ii", 1, 0)


@functools.cache
def host_context(own: str = "host", trusts: str = "plugin") -> ssl.SSLContext:
    return client_context(identity_of(own), identity_of(trusts).certificate)


@functools.cache
def plugin_context(own: str = "plugin", trusts: str = "host") -> ssl.SSLContext:
    return server_context(identity_of(own), identity_of(trusts).certificate)


def nameless_context() -> ssl.SSLContext:
    """A client without a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=identity_of("plugin").certificate)
    context.set_alpn_protocols(["h2"])
    return context


class Relays:
    """Makes relays of either side on one loop, and closes them."""

    def __init__(self, loop: Loop, directory: str) -> None:
        self.loop = loop
        self.directory = directory
        self.made: list[Relay] = []

    def listen(self, network: str = "unix") -> socket.socket:
        listener = listen_unix(self.directory) if network == "unix" else listen_tcp(())
        listener.settimeout(WAIT)
        return listener

    def host(
        self, target: Address, context: ssl.SSLContext | None = None
    ) -> tuple[Relay, str]:
        """Start a host's relay to a target; return it with its socket's path."""
        listener = self.listen()
        path = address_of(listener).text

        def codec() -> TLSCodec:
            return TLSCodec(
                context or host_context(), server_side=False, server_hostname=HOST_NAME
            )

        return self._start(listener, target, codec, wire_is_dialled=True), path

    def plugin(
        self,
        target: Address,
        network: str = "unix",
        *,
        listener: socket.socket | None = None,
    ) -> tuple[Relay, Address]:
        """Start a plugin's relay to a target; return it with its address."""
        listener = listener or self.listen(network)
        address = address_of(listener)

        def codec() -> TLSCodec:
            return TLSCodec(plugin_context(), server_side=True)

        return self._start(listener, target, codec, wire_is_dialled=False), address

    def _start(
        self,
        listener: socket.socket,
        target: Address,
        codec: Callable[[], TLSCodec],
        *,
        wire_is_dialled: bool,
    ) -> Relay:
        dial = dial_to(self.loop, target)
        relay = Relay(self.loop, listener, dial, codec, wire_is_dialled=wire_is_dialled)
        relay.start()
        self.made.append(relay)
        return relay

    def close(self) -> None:
        for relay in self.made:
            relay.close()


@pytest.fixture
def relays(loop: Loop, directory: str) -> Iterator[Relays]:
    relays = Relays(loop, directory)
    yield relays
    relays.close()


class Tunnel:
    """A host's and a plugin's relay, joined by TLS, with plain sockets at both ends.

    `near` is where grpcio's channel would be, `far` where its server would be.
    """

    def __init__(self, relays: Relays, wire: str = "unix", end: str = "unix") -> None:
        self._listener = relays.listen(end)
        self.plugin, self.address = relays.plugin(address_of(self._listener), wire)
        self.host, self.path = relays.host(self.address)
        self._ends: list[socket.socket] = []

    def connect(self) -> tuple[socket.socket, socket.socket]:
        near = connect(self.path)
        self._ends.append(near)
        return near, self.accept()

    def accept(self) -> socket.socket:
        far, _ = self._listener.accept()
        far.settimeout(WAIT)
        self._ends.append(far)
        return far

    def close(self) -> None:
        for sock in (self._listener, *self._ends):
            sock.close()


@pytest.fixture(params=["unix", "tcp"])
def tunnel(relays: Relays, request: pytest.FixtureRequest) -> Iterator[Tunnel]:
    """A tunnel over each kind of wire."""
    tunnel = Tunnel(relays, request.param)
    yield tunnel
    tunnel.close()


@pytest.fixture
def target(relays: Relays) -> Iterator[socket.socket]:
    """Where a relay dials: a listener of the test's own."""
    with relays.listen() as listener:
        yield listener


def send_in_pieces(sock: socket.socket, data: bytes, sizes: Iterator[int]) -> None:
    view = memoryview(data)
    while view:
        size = next(sizes)
        sock.sendall(view[:size])
        view = view[size:]
    sock.shutdown(socket.SHUT_WR)


def push_until_full(sock: socket.socket) -> int:
    """Write until there is no room for a while; return how much fitted."""
    sock.setblocking(False)
    pushed = 0
    chunk = bytes(64 * 1024)
    while select.select([], [sock], [], 0.3)[1]:
        pushed += sock.send(chunk)
    sock.settimeout(WAIT)
    return pushed


def exchange(near: socket.socket, far: socket.socket, data: bytes = b"ping") -> None:
    """See that a link carries bytes both ways."""
    for source, sink in ((near, far), (far, near)):
        source.sendall(data)
        assert receive(sink, len(data)) == data


# Bytes


@pytest.mark.parametrize("seed", range(8))
def test_bytes_arrive_intact_both_ways_however_they_are_cut(
    tunnel: Tunnel, seed: int
) -> None:
    chance = random.Random(seed)
    near, far = tunnel.connect()
    sent = [chance.randbytes(chance.randrange(3 << 20)) for _ in range(2)]

    def sizes(most: int) -> Iterator[int]:
        while True:
            yield chance.randrange(1, most)

    with ThreadPoolExecutor(4) as pool:
        ways = [(near, far, sent[0], 1 << 18), (far, near, sent[1], 1 << 14)]
        received = [pool.submit(receive_all, sink) for _, sink, _, _ in ways]
        for source, _, data, most in ways:
            pool.submit(send_in_pieces, source, data, sizes(most)).result(WAIT)
        assert [future.result(WAIT) for future in received] == sent


@pytest.mark.parametrize(
    "size", [1, 16 * 1024, BUFFER_SIZE - 1, BUFFER_SIZE, BUFFER_SIZE + 1]
)
def test_a_message_of_any_size_comes_through_at_once(tunnel: Tunnel, size: int) -> None:
    near, far = tunnel.connect()
    data = random.Random(size).randbytes(size)
    with ThreadPoolExecutor(1) as pool:
        for source, sink in ((near, far), (far, near)):
            received = pool.submit(receive, sink, size)
            source.sendall(data)
            assert received.result(WAIT) == data


def test_the_wire_shows_nothing_of_what_is_said(
    relays: Relays, target: socket.socket
) -> None:
    _, path = relays.host(address_of(target))
    with connect(path) as near:
        wire, _ = target.accept()
        with wire, plugin_context().wrap_socket(wire, server_side=True) as peer:
            near.sendall(b"secret")
            assert peer.recv(16) == b"secret"
            assert peer.selected_alpn_protocol() == "h2"
            assert peer.version() == "TLSv1.3"


def test_many_links_share_one_thread(tunnel: Tunnel, loop: Loop) -> None:
    threads = set(threading.enumerate())
    links = [tunnel.connect() for _ in range(100)]
    for number, (near, _) in enumerate(links):
        near.sendall(b"%d" % number)
    for number, (_, far) in enumerate(links):
        assert receive(far, len(b"%d" % number)) == b"%d" % number
    for near, far in reversed(links):
        exchange(near, far)
    assert set(threading.enumerate()) <= threads
    assert [thread.name for thread in threading.enumerate()].count(loop._name) == 1


# Back-pressure


@pytest.mark.parametrize("end", ["near", "far"])
def test_a_reader_that_does_not_read_stops_the_writer(
    tunnel: Tunnel, end: str, request: pytest.FixtureRequest
) -> None:
    """What is in transit stays bounded, and all of it arrives in the end."""
    near, far = tunnel.connect()
    writer, reader = (near, far) if end == "near" else (far, near)
    pushed = push_until_full(writer)
    assert pushed < MOST_IN_TRANSIT[request.node.callspec.params["tunnel"]]
    writer.shutdown(socket.SHUT_WR)
    assert len(receive_all(reader)) == pushed


def test_a_blocked_direction_holds_up_neither_the_other_nor_other_links(
    tunnel: Tunnel,
) -> None:
    near, far = tunnel.connect()
    pushed = push_until_full(near)
    far.sendall(b"still here")
    assert receive(near, 10) == b"still here"
    exchange(*tunnel.connect())
    assert len(receive(far, pushed)) == pushed


def test_a_link_that_was_blocked_goes_on_in_both_directions(tunnel: Tunnel) -> None:
    near, far = tunnel.connect()
    pushed = [push_until_full(sock) for sock in (near, far)]
    assert [len(receive(far, pushed[0])), len(receive(near, pushed[1]))] == pushed
    exchange(near, far)


# Ends


def test_the_end_of_our_direction_reaches_the_peer_which_may_go_on(
    tunnel: Tunnel,
) -> None:
    near, far = tunnel.connect()
    near.sendall(b"last words")
    near.shutdown(socket.SHUT_WR)
    assert receive_all(far) == b"last words"
    far.sendall(b"x" * 100_000)
    assert len(receive(near, 100_000)) == 100_000
    far.close()
    assert receive_all(near) == b""


def test_the_end_of_the_peers_direction_reaches_us_and_we_may_go_on(
    tunnel: Tunnel,
) -> None:
    near, far = tunnel.connect()
    exchange(near, far)
    far.sendall(b"last words")
    far.shutdown(socket.SHUT_WR)
    assert receive_all(near) == b"last words"
    near.sendall(b"x" * 100_000)
    assert len(receive(far, 100_000)) == 100_000
    near.close()
    assert receive_all(far) == b""


def test_a_relay_knows_whether_it_is_used_and_whether_it_ever_was(
    tunnel: Tunnel,
) -> None:
    relay = tunnel.plugin
    assert (relay.is_in_use, relay.was_used) == (False, False)
    near, far = tunnel.connect()
    exchange(near, far)
    assert (relay.is_in_use, relay.was_used) == (True, True)
    near.close()
    far.close()
    until(lambda: not relay.is_in_use)
    assert relay.was_used


def test_a_link_that_ended_in_order_leaves_no_failure_and_no_thread(
    tunnel: Tunnel, relays: Relays, loop: Loop
) -> None:
    near, far = tunnel.connect()
    exchange(near, far)
    near.close()
    assert receive_all(far) == b""
    far.close()
    until(lambda: not tunnel.host._links and not tunnel.plugin._links)
    assert tunnel.host.failure is None
    assert tunnel.plugin.failure is None
    relays.close()
    until(lambda: not loop.is_running)


def test_a_half_open_link_ends_after_a_while(
    tunnel: Tunnel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """gRPC never uses one."""
    monkeypatch.setattr(link_module, "LINGER_TIMEOUT", NO_TIME)
    near, far = tunnel.connect()
    exchange(near, far)
    near.shutdown(socket.SHUT_WR)
    assert receive_all(far) == b""
    assert has_ended(near)
    until(lambda: not tunnel.host._links)
    assert str(tunnel.host.failure) in ("closing took too long", "None")


def test_a_reset_is_carried_over(relays: Relays) -> None:
    tunnel = Tunnel(relays, "tcp", end="tcp")
    near, far = tunnel.connect()
    exchange(near, far)
    far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    far.close()
    assert has_ended(near)
    assert isinstance(tunnel.plugin.failure, ConnectionResetError)
    assert isinstance(tunnel.host.failure, ConnectionResetError)
    tunnel.close()


def test_a_peer_that_dies_in_mid_sentence_is_a_failure(
    relays: Relays, target: socket.socket
) -> None:
    """A killed plugin says no goodbye."""
    relay, path = relays.host(address_of(target))
    with connect(path) as near:
        wire, _ = target.accept()
        peer = plugin_context().wrap_socket(wire, server_side=True)
        peer.sendall(b"half a sen")
        assert receive(near, 10) == b"half a sen"
        peer.close()
        assert has_ended(near)
    assert isinstance(relay.failure, ssl.SSLEOFError)


def test_a_user_that_hangs_up_ends_the_link_though_much_is_on_its_way(
    tunnel: Tunnel,
) -> None:
    near, far = tunnel.connect()
    push_until_full(far)
    near.close()
    with pytest.raises(OSError, match=r"(?i)pipe|reset"):
        far.sendall(bytes(64 << 20))
    until(lambda: not tunnel.host._links and not tunnel.plugin._links)


# Handshakes


def test_a_stalled_client_holds_up_no_one_and_is_hung_up_on(
    tunnel: Tunnel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link_module, "HANDSHAKE_TIMEOUT", 1.0)
    family = socket.AF_UNIX if tunnel.address.network == "unix" else socket.AF_INET
    with socket.socket(family) as stalled:
        stalled.settimeout(WAIT)
        stalled.connect(
            tunnel.address.text
            if tunnel.address.network == "unix"
            else tunnel.address.host_port
        )
        tunnel.accept()
        exchange(*tunnel.connect())
        assert has_ended(stalled)
    assert isinstance(tunnel.plugin.failure, TimeoutError)
    assert str(tunnel.plugin.failure) == "the TLS handshake took too long"


def test_a_stalled_server_ends_the_connection_in_time(
    relays: Relays, target: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link_module, "HANDSHAKE_TIMEOUT", NO_TIME)
    relay, path = relays.host(address_of(target))
    with connect(path) as near:
        wire, _ = target.accept()
        with wire:
            assert has_ended(near)
    assert isinstance(relay.failure, TimeoutError)


def test_a_handshake_may_trickle_in(relays: Relays, target: socket.socket) -> None:
    """Byte by byte, as a slow or hostile network delivers it."""
    _, address = relays.plugin(address_of(target))
    client = TLSCodec(host_context(), server_side=False, server_hostname=HOST_NAME)
    with connect(address.text) as wire:
        far, _ = target.accept()
        with far:
            while not client.handshake():
                for byte in client.data_to_send():
                    wire.sendall(bytes([byte]))
                client.receive_data(wire.recv(1))
            client.send_data(b"hello")
            wire.sendall(client.data_to_send())
            assert receive(far, 5) == b"hello"


GARBAGE = [
    b"GET / HTTP/1.1\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\x16\x03\x01\xff\xff" + bytes(0xFFFF),
    bytes(BUFFER_SIZE),
]


@pytest.mark.parametrize("garbage", GARBAGE, ids=range(4))
def test_a_client_that_speaks_no_tls_is_hung_up_on(
    relays: Relays, target: socket.socket, garbage: bytes
) -> None:
    relay, address = relays.plugin(address_of(target))
    with connect(address.text) as wire:
        far, _ = target.accept()
        with far, contextlib.suppress(ConnectionError):
            wire.sendall(garbage)
            receive_all(wire)  # perhaps an alert, in any case the end
    until(lambda: relay.failure)
    assert isinstance(relay.failure, ssl.SSLError)


@pytest.mark.parametrize("garbage", GARBAGE, ids=range(4))
def test_a_server_that_speaks_no_tls_ends_the_connection(
    relays: Relays, target: socket.socket, garbage: bytes
) -> None:
    relay, path = relays.host(address_of(target))
    with connect(path) as near:
        wire, _ = target.accept()
        with wire:
            with contextlib.suppress(ConnectionError):
                wire.sendall(garbage)
            assert has_ended(near)
    assert isinstance(relay.failure, ssl.SSLError)


def test_a_server_that_hangs_up_instead_of_shaking_hands_is_a_tls_failure(
    relays: Relays, target: socket.socket
) -> None:
    relay, path = relays.host(address_of(target))
    with connect(path) as near:
        wire, _ = target.accept()
        wire.recv(1 << 16)
        wire.close()
        assert has_ended(near)
    assert isinstance(relay.failure, ssl.SSLError)


def test_a_wrong_server_is_refused_and_the_failure_says_why(
    relays: Relays, target: socket.socket
) -> None:
    plugin, address = relays.plugin(address_of(target))
    host, path = relays.host(address, host_context("host", trusts="stranger"))
    with connect(path) as near:
        far, _ = target.accept()
        with contextlib.suppress(BrokenPipeError):
            near.sendall(b"for the right ears only")
        with far:
            assert has_ended(near)
            assert has_ended(far)
    assert isinstance(host.failure, ssl.SSLCertVerificationError)
    assert "CERTIFICATE_VERIFY_FAILED" in str(host.failure)
    # The server is told, by an alert.
    assert "alert" in str(plugin.failure)


@pytest.mark.parametrize(
    ("make_context", "alert"),
    [
        (lambda: host_context("stranger"), "alert"),
        (nameless_context, "CERTIFICATE_REQUIRED"),
    ],
    ids=["stranger", "nameless"],
)
def test_a_wrong_client_is_refused_and_told_why(
    relays: Relays,
    target: socket.socket,
    make_context: Callable[[], ssl.SSLContext],
    alert: str,
) -> None:
    """TLS 1.3 tells a client only after it takes the handshake to be done."""
    plugin, address = relays.plugin(address_of(target), "tcp")
    host, path = relays.host(address, make_context())
    with connect(path) as near:
        far, _ = target.accept()
        with contextlib.suppress(BrokenPipeError):
            near.sendall(b"let me in")
        with far:
            assert has_ended(far)
            assert has_ended(near)
    assert isinstance(plugin.failure, ssl.SSLError)
    assert isinstance(host.failure, ssl.SSLError)
    assert alert in str(host.failure)


def test_a_context_for_the_other_role_is_a_failure_and_no_hang(
    relays: Relays, target: socket.socket
) -> None:
    relay, path = relays.host(address_of(target), plugin_context())
    with connect(path) as near:
        assert has_ended(near)
    assert isinstance(relay.failure, ssl.SSLError)


def test_a_failure_is_forgotten_once_a_connection_was_good(
    relays: Relays, target: socket.socket
) -> None:
    relay, path = relays.host(address_of(target))
    with connect(path) as near:
        target.accept()[0].close()
        assert has_ended(near)
    assert relay.failure is not None
    with connect(path) as near:
        wire, _ = target.accept()
        with plugin_context().wrap_socket(wire, server_side=True) as peer:
            near.close()
            assert peer.recv(1) == b""
            peer.unwrap().close()
    until(lambda: not relay._links)
    assert relay.failure is None


# Dialling


def nowhere(directory: str, kind: str) -> Address:
    if kind == "unix":
        return Address.unix(f"{directory}/nothing")
    with listen_tcp(()) as taken:  # free again in a moment
        _, port = address_of(taken).host_port
    return Address.tcp("127.0.0.1" if kind == "ipv4" else "::1", port)


@pytest.mark.parametrize("kind", ["unix", "ipv4", "ipv6"])
def test_a_target_that_is_not_there_ends_the_connection(
    relays: Relays, directory: str, kind: str
) -> None:
    relay, path = relays.host(nowhere(directory, kind))
    with connect(path) as near:
        assert has_ended(near)
    assert isinstance(relay.failure, OSError)
    assert relay.failure.errno in (
        errno.ENOENT,
        errno.ECONNREFUSED,
        errno.EADDRNOTAVAIL,
        errno.EAFNOSUPPORT,
    )


def test_a_lack_of_descriptors_ends_the_connection(
    relays: Relays, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(_target: Address) -> NoReturn:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(dial_module, "_connect", refused)
    relay, path = relays.host(Address.unix("/nowhere/socket"))
    with connect(path) as near:
        assert has_ended(near)
    assert isinstance(relay.failure, OSError)
    assert relay.failure.errno == errno.EMFILE


@pytest.fixture
def full(relays: Relays) -> Iterator[tuple[socket.socket, socket.socket]]:
    """A unix listener whose backlog is full, and the connection that fills it."""
    with relays.listen() as listener:
        listener.listen(0)
        with connect(address_of(listener).text) as first:
            yield listener, first


def test_a_full_backlog_is_tried_again(
    relays: Relays, full: tuple[socket.socket, socket.socket]
) -> None:
    """A unix socket reports it as EAGAIN, where TCP would wait."""
    listener, _ = full
    _, path = relays.host(address_of(listener))
    with connect(path) as near:
        until(lambda: relays.made[0]._pending)
        listener.accept()[0].close()
        wire, _ = listener.accept()
        with plugin_context().wrap_socket(wire, server_side=True) as peer:
            near.sendall(b"at last")
            assert peer.recv(16) == b"at last"


def test_a_target_that_never_accepts_is_given_up(
    relays: Relays,
    full: tuple[socket.socket, socket.socket],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dial_module, "CONNECT_TIMEOUT", NO_TIME)
    relay, path = relays.host(address_of(full[0]))
    with connect(path) as near:
        assert has_ended(near)
    assert isinstance(relay.failure, TimeoutError)
    assert "did not accept in time" in str(relay.failure)


def test_closing_a_relay_ends_the_dialling_too(
    relays: Relays, full: tuple[socket.socket, socket.socket]
) -> None:
    relay, path = relays.host(address_of(full[0]))
    with connect(path) as near:
        until(lambda: relay._pending)
        relay.close()
        assert has_ended(near)
    assert isinstance(relay.failure, ConnectionAbortedError)


# Accepting


class Refusing(socket.socket):
    """A listener that fails to accept, once."""

    has_failed = False

    def accept(self) -> tuple[socket.socket, object]:
        if not self.has_failed:
            self.has_failed = True
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return super().accept()


def test_a_relay_accepts_again_after_descriptors_ran_out(
    relays: Relays, target: socket.socket, caplog: pytest.LogCaptureFixture
) -> None:
    listener = Refusing(fileno=relays.listen().detach())
    _, address = relays.plugin(address_of(target), listener=listener)
    with caplog.at_level(logging.WARNING, "goplugin.relay"):
        wire = connect(address.text)
        far, _ = target.accept()
    assert "could not accept: [Errno 24]" in caplog.text
    with far, host_context().wrap_socket(wire, server_hostname=HOST_NAME) as sock:
        sock.sendall(b"hello")
        assert receive(far, 5) == b"hello"


STRANGER = """
import socket, sys
with socket.socket(socket.AF_UNIX) as sock:
    sock.settimeout(5)
    sock.connect(sys.argv[1])
    print(sock.recv(1))
"""


def test_another_process_may_not_use_our_end_of_a_hosts_relay(
    relays: Relays, target: socket.socket, caplog: pytest.LogCaptureFixture
) -> None:
    _, path = relays.host(address_of(target))
    assert run_python(STRANGER, path)[0] == "b''\n"
    assert "refused a connection from another process" in caplog.text
    target.setblocking(False)
    with pytest.raises(BlockingIOError):
        target.accept()


def test_another_process_may_use_a_plugins_relay(
    relays: Relays, target: socket.socket
) -> None:
    relay, address = relays.plugin(address_of(target))
    with ThreadPoolExecutor(1) as pool:
        stranger = pool.submit(run_python, STRANGER, address.text)
        target.accept()[0].close()
        relay.close()
        stranger.result()


# Closing


def sockets_of_this_process() -> set[str]:
    gc.collect()
    found = set()
    for name in os.listdir("/proc/self/fd"):
        try:
            found.add(os.readlink(f"/proc/self/fd/{name}"))
        except FileNotFoundError:  # the one that listed them
            continue
    return {name for name in found if name.startswith("socket:")}


def test_closing_a_relay_ends_its_links_and_leaves_nothing(
    loop: Loop, directory: str
) -> None:
    before = sockets_of_this_process()
    relays = Relays(loop, directory)
    tunnel = Tunnel(relays)
    links = [tunnel.connect() for _ in range(10)]
    for near, far in links:
        exchange(near, far)
    tunnel.host.close()
    for near, far in links:
        assert has_ended(near)
        assert has_ended(far)
    with pytest.raises(ConnectionRefusedError):
        connect(tunnel.path)
    relays.close()
    tunnel.close()
    until(lambda: not loop.is_running)
    until(lambda: sockets_of_this_process() <= before)


def test_a_relay_may_be_closed_twice_and_before_it_began(relays: Relays) -> None:
    relay, _ = relays.host(Address.unix("/nonexistent"))
    relay.close()
    relay.close()
    assert relay.failure is None


def test_a_relay_may_be_closed_on_the_loops_thread(
    relays: Relays, loop: Loop, tunnel: Tunnel
) -> None:
    near, far = tunnel.connect()
    loop.run(tunnel.host.close, WAIT)
    assert has_ended(near)
    assert has_ended(far)


# Fork

FORK = """
import os, signal, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # of forking beside threads
from goplugin_py.net.loop import Loop
from tests.net.test_relay import Relays, Tunnel, exchange, has_ended
from tests.peers import socket_directory

with socket_directory() as directory:
    loop = Loop()
    relays = Relays(loop, directory)
    tunnel = Tunnel(relays)
    near, far = tunnel.connect()
    exchange(near, far)
    alive, tell = os.pipe()
    if not (pid := os.fork()):
        signal.alarm(5)
        near.close()  # what a test holds is its own business
        far.close()
        for relay in relays.made:
            assert relay._listener and relay._listener.fileno() == -1
        relays.close()  # harmless
        again = Tunnel(Relays(loop, directory))
        exchange(*again.connect())
        os.write(tell, b"fresh")
        signal.pause()  # until the parent is done
    assert os.read(alive, 5) == b"fresh"
    exchange(near, far)
    exchange(*tunnel.connect())
    relays.close()
    assert has_ended(near) and has_ended(far)  # though the child lives
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    tunnel.close()
"""


def test_a_forked_child_can_make_relays_and_does_not_disturb_its_parents() -> None:
    run_python(FORK)
