"""The handshake line and the choice of a version, against go-plugin's behaviour."""

import base64
import json
import ssl
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from goplugin_py.errors import (
    CoreVersionMismatch,
    HandshakeError,
    LocalProtocolError,
    MalformedHandshake,
    MultiplexUnsupported,
    NetRPCUnsupported,
    VersionMismatch,
)
from goplugin_py.wire.address import Address
from goplugin_py.wire.handshake import (
    MIN_CERTIFICATE_LENGTH,
    Handshake,
    atoi,
    choose_version,
    parse_versions,
)

VECTORS = Path(__file__).resolve().parent.parent / "vectors"

PLUGIN = Address.unix("/tmp/plugin1")
USUAL = "1|1|unix|/tmp/plugin1|grpc|"
# As long as go-plugin's, and with bits left over at the end of its base64.
CERTIFICATE = bytes(range(256)) + bytes(range(256)) + bytes(82)
BASE64 = base64.b64encode(CERTIFICATE).decode().rstrip("=")

int64 = st.integers(-(1 << 63), (1 << 63) - 1)
# Whatever the wire can deliver: bytes that may not be UTF-8.
wire_text = st.binary().map(lambda data: data.decode(errors="surrogateescape"))
socket_paths = wire_text.filter(
    lambda path: path and "\0" not in path and "|" not in path and "\n" not in path
)
addresses = socket_paths.map(Address.unix) | st.builds(
    Address.tcp, st.ip_addresses().map(str), st.integers(1, 65535)
)
handshakes = st.builds(
    Handshake,
    app_version=int64,
    address=addresses,
    protocol=st.sampled_from(["grpc", "netrpc"]),
    # Shorter ones look like no certificate.
    certificate=st.just(b"") | st.binary(min_size=MIN_CERTIFICATE_LENGTH * 3 // 4),
    multiplex=st.none() | st.booleans(),
)
interesting_fields = st.sampled_from(
    ["", "1", "+1", "2", "-", "unix", "tcp", "/tmp/p", ":0", "[::1]:7", "grpc", "true"]
)
lines_of_fields = st.lists(interesting_fields | wire_text, max_size=9).map("|".join)


# The line


def test_reads_all_fields() -> None:
    """go-plugin: Client.Start."""
    handshake = Handshake.parse(f"1|5|tcp|127.0.0.1:1234|grpc|{BASE64}|true")
    assert handshake == Handshake(
        app_version=5,
        address=Address.tcp("127.0.0.1", 1234),
        protocol="grpc",
        certificate=CERTIFICATE,
        multiplex=True,
    )


def test_a_short_old_line_means_net_rpc() -> None:
    """go-plugin: Client.Start defaults to ProtocolNetRPC."""
    handshake = Handshake.parse("1|2|unix|/tmp/plugin1")
    assert handshake == Handshake(app_version=2, address=PLUGIN, protocol="netrpc")


@pytest.mark.parametrize("around", ["{}\n", "{}\r\n", " \t{}", "\u00a0{}\u00a0 \n"])
def test_white_space_round_the_line_is_no_matter(around: str) -> None:
    """go-plugin: Client.Start, strings.TrimSpace."""
    assert Handshake.parse(around.format(USUAL)) == Handshake.parse(USUAL)


@pytest.mark.parametrize("character", ["\x1c", "\x1f", "\u200b", "\ufeff"])
def test_what_go_does_not_trim_belongs_to_the_field(character: str) -> None:
    """Go: unicode.IsSpace, which leaves out what str.strip takes for space."""
    with pytest.raises(MalformedHandshake, match="core protocol version"):
        Handshake.parse(character + USUAL)


@pytest.mark.parametrize("certificate", [b"", CERTIFICATE, CERTIFICATE[:-1]])
@pytest.mark.parametrize("multiplex", [None, False, True])
def test_writes_six_fields_and_the_seventh_only_if_it_is_due(
    certificate: bytes, multiplex: bool | None
) -> None:
    """go-plugin: Serve; base64.RawStdEncoding has no padding."""
    handshake = Handshake(3, PLUGIN, certificate=certificate, multiplex=multiplex)
    fields = handshake.format().split("|")
    assert fields[:5] == ["1", "3", "unix", "/tmp/plugin1", "grpc"]
    assert "=" not in fields[5]
    assert base64.b64decode(fields[5] + "==") == certificate
    assert fields[6:] == ([] if multiplex is None else [str(multiplex).lower()])


@given(handshakes)
@example(Handshake(1, Address.unix(" leading and trailing ")))
@example(Handshake(1, Address.unix("/tmp/\udcff\r\t\u00a0")))
@example(Handshake(0, Address.tcp("::1", 1), certificate=CERTIFICATE))
def test_what_is_written_reads_back(handshake: Handshake) -> None:
    line = handshake.format()
    assert "\n" not in line
    assert Handshake.parse(line + "\n") == handshake


@pytest.mark.parametrize("path", ["/tmp/a|b/plugin1", "/tmp/a\nb/plugin1"])
def test_a_path_that_would_break_the_line_is_refused(path: str) -> None:
    """go-plugin prints it, and its host then misreads the fields."""
    handshake = Handshake(1, Address.unix(path))
    with pytest.raises(LocalProtocolError, match="choose a directory"):
        handshake.format()


@given(lines_of_fields | wire_text | st.text(st.characters()))
@example("9" * 5000 + "|1|unix|/tmp/p")
@example("1|" + "0" * 5000 + "1|unix|/tmp/p")
@example("1|1|unix|/tmp/p|grpc|" + "\u00e9" * 60)
@example("1|1|unix|/tmp/p|grpc|" + "A" * 53)
def test_any_text_is_a_handshake_or_a_typed_error(line: str) -> None:
    outcome: Handshake | HandshakeError
    try:
        outcome = Handshake.parse(line)
    except HandshakeError as error:
        outcome = error
    if isinstance(outcome, Handshake):
        assert outcome.core_version == 1
        assert outcome.address.text in line
    else:
        assert type(outcome) in (MalformedHandshake, CoreVersionMismatch)
        assert outcome.line == line


# What a host refuses (go-plugin: Client.Start)


@pytest.mark.parametrize(
    ("line", "kind", "text"),
    [
        pytest.param("", MalformedHandshake, "an empty line", id="empty"),
        pytest.param(" \t", MalformedHandshake, "an empty line", id="blank"),
        pytest.param(
            "hello", MalformedHandshake, "printed .* to stdout first", id="text"
        ),
        pytest.param("1|1|unix", MalformedHandshake, "handshake line", id="3 fields"),
        pytest.param(
            "x|1|unix|/tmp/p|grpc|",
            MalformedHandshake,
            "the core protocol version is not a number: 'x'",
            id="core no number",
        ),
        pytest.param(
            "2|1|unix|/tmp/p|grpc|",
            CoreVersionMismatch,
            "version 2, this host speaks 1: rebuild it",
            id="core 2",
        ),
        pytest.param(
            "1|z|unix|/tmp/p|grpc|",
            MalformedHandshake,
            "the application protocol version is not a number: 'z'",
            id="version no number",
        ),
        pytest.param(
            "1|7|unix|/tmp/p|grpc|",
            VersionMismatch,
            "version 7, this host offers: 1, 3; update",
            id="version unknown",
        ),
        pytest.param(
            "1|1|udp|127.0.0.1:1|grpc|",
            MalformedHandshake,
            "'udp' is neither unix nor tcp",
            id="network unknown",
        ),
        pytest.param(
            "1|1|tcp|nohostport|grpc|",
            MalformedHandshake,
            "missing port in tcp address 'nohostport'",
            id="no port",
        ),
        pytest.param(
            "1|1|unix||grpc|",
            MalformedHandshake,
            "not a usable unix address",
            id="no path",
        ),
        pytest.param(
            "1|1|unix|/tmp/p", NetRPCUnsupported, "net/rpc .* version 1", id="4 fields"
        ),
        pytest.param(
            "1|3|unix|/tmp/p|netrpc|",
            NetRPCUnsupported,
            "net/rpc .* version 3, .* offer another version",
            id="net/rpc",
        ),
        pytest.param(
            "1|1|unix|/tmp/p|GRPC|",
            MalformedHandshake,
            "unsupported plugin protocol 'GRPC'",
            id="protocol unknown",
        ),
        pytest.param(
            f"{USUAL}{BASE64}=", MalformedHandshake, "base64 padding", id="padding"
        ),
        pytest.param(
            USUAL + "*" * 51, MalformedHandshake, "not base64", id="certificate"
        ),
        pytest.param(
            USUAL + "A" * 53, MalformedHandshake, "not base64", id="impossible length"
        ),
        pytest.param(
            USUAL,
            MultiplexUnsupported,
            "broker_multiplex=False.*go-plugin 1.6",
            id="no seventh field",
        ),
        pytest.param(
            f"{USUAL}|false", MultiplexUnsupported, "does not offer", id="seventh false"
        ),
        pytest.param(
            f"{USUAL}|yes",
            MultiplexUnsupported,
            "does not offer",
            id="seventh no boolean",
        ),
    ],
)
def test_a_refusal_is_typed_and_tells_what_to_do(
    line: str, kind: type[HandshakeError], text: str
) -> None:
    """go-plugin: the errors of Client.Start."""
    with pytest.raises(HandshakeError, match=text) as caught:
        Handshake.parse(line).check({3, 1}, line, multiplex=True)
    assert type(caught.value) is kind
    assert caught.value.line == line
    assert f"line: {line[:300]!r}"[:-1] in str(caught.value)


def test_a_version_mismatch_carries_both_sides() -> None:
    """go-plugin: Client.checkProtoVersion."""
    with pytest.raises(VersionMismatch) as caught:
        Handshake(7, PLUGIN).check({3, 1})
    assert (caught.value.plugin, caught.value.host) == (7, (1, 3))


def test_huge_fields_do_not_flood_the_message() -> None:
    """go-plugin quotes them whole."""
    huge = "x" * 60_000
    for line in (
        f"{huge}|1|unix|/tmp/p|grpc|",
        f"1|{huge}|unix|/tmp/p|grpc|",
        f"1|1|{huge}|/tmp/p|grpc|",
        f"1|1|tcp|{huge}|grpc|",
        f"1|1|unix|/tmp/p|{huge}|",
    ):
        with pytest.raises(MalformedHandshake) as caught:
            Handshake.parse(line).check({1}, line)
        assert len(str(caught.value)) < 1000


def test_what_a_host_did_not_ask_for_is_no_matter() -> None:
    """go-plugin: Client.Start reads the seventh field only if it asked."""
    for seventh in ("", "|true", "|false", "|yes", "|true|more"):
        Handshake.parse(USUAL + seventh).check({1})


def test_a_short_sixth_field_is_no_certificate() -> None:
    """go-plugin: Client.Start, `len(parts[5]) > 50`."""
    assert Handshake.parse(USUAL + "x" * 50).certificate == b""
    assert Handshake.parse(USUAL + "A" * 51).certificate == bytes(38)
    with pytest.raises(MalformedHandshake):  # Go counts bytes
        Handshake.parse(USUAL + "x" * 48 + "\u200b")


# Recorded from go-plugin's host

ACCEPTED_HERE = None

# The errors of a Go host, by how they begin, and ours. The first that fits counts.
OUR_ERRORS: list[tuple[str, type[HandshakeError] | None]] = [
    ("Unrecognized remote plugin message", MalformedHandshake),
    ("error parsing core protocol version", MalformedHandshake),
    ("incompatible core API version", CoreVersionMismatch),
    ("Error parsing protocol version", MalformedHandshake),
    ("incompatible API version", VersionMismatch),
    ("unknown address type", MalformedHandshake),
    ("address ", MalformedHandshake),
    ('unsupported plugin protocol "netrpc"', NetRPCUnsupported),
    ("unsupported plugin protocol", MalformedHandshake),
    ("error parsing server cert: illegal base64", MalformedHandshake),
    # X.509 is left to the TLS context, which refuses what Go refuses: see below.
    ("error parsing server cert: x509", ACCEPTED_HERE),
    ("client requested gRPC broker multiplexing", MultiplexUnsupported),
    ("error parsing ", MultiplexUnsupported),  # "…" as a boolean
]

# Accepted by Go and refused here, on purpose.
STRICTER = {
    # Nothing can be dialled at these.
    'address "unix" ""',
    'address "tcp" ""',
    'address "tcp" "127.0.0.1:"',
    'address "tcp" "127.0.0.1:0"',
    # Listeners have numbers; Go looks the name up in /etc/services.
    'address "tcp" "127.0.0.1:http"',
    # Go's base64 skips it; nobody sends it.
    "certificate with a carriage return inside",
}

# No line reaches the parser: whoever reads stdout decides.
WITHOUT_A_LINE = {
    "no newline, stdout open",
    "nothing, end of file",
    "nothing, stdout open",
    "line too long",
}

# OpenSSL takes what follows a certificate for no concern of its own.
LENIENT_TLS = {"certificate and one byte"}

# Go resolves a host name when it reads the line, we when we dial.
RESOLVED_BY_GO = {"localhost:1234": "127.0.0.1:1234"}


def load(name: str) -> list[dict[str, Any]]:
    vectors: list[dict[str, Any]] = json.loads((VECTORS / name).read_text())
    return vectors


def expand(text: Any) -> str:
    """Expand a text of the vectors (README.md there)."""
    if isinstance(text, list):
        return "".join(map(expand, text))
    return text if isinstance(text, str) else text["text"] * text["times"]


ACCEPT_VECTORS = [
    pytest.param(vector, id=f"{vector['name']}-{number}")
    for number, vector in enumerate(load("handshake_accept.json"))
    if vector["name"] not in WITHOUT_A_LINE
]


def our_error(vector: dict[str, Any]) -> type[HandshakeError] | None:
    """Return what `Handshake` is to raise where Go did what the vector says."""
    if vector["ok"]:
        if vector["accepted"]["protocol"] == "netrpc":
            return NetRPCUnsupported  # the host of the vector allows it
        return MalformedHandshake if vector["name"] in STRICTER else ACCEPTED_HERE
    if vector["panic"]:
        return ACCEPTED_HERE  # a certificate for a host without TLS
    return next(ours for text, ours in OUR_ERRORS if vector["error"].startswith(text))


def shake(vector: dict[str, Any]) -> Handshake:
    line = expand(vector["stdout"]).partition("\n")[0]
    host = vector["host"]
    handshake = Handshake.parse(line)
    handshake.check(host["versions"], line, multiplex=host["broker_multiplex"])
    return handshake


@pytest.mark.parametrize("vector", ACCEPT_VECTORS)
def test_agrees_with_a_recorded_go_host(vector: dict[str, Any]) -> None:
    """go-plugin: Client.Start, run on every line of handshake_accept.json."""
    expected = our_error(vector)
    if expected:
        with pytest.raises(HandshakeError) as caught:
            shake(vector)
        assert type(caught.value) is expected
        return
    handshake = shake(vector)
    if vector["ok"]:
        accepted = vector["accepted"]
        text = handshake.address.text
        assert handshake.app_version == accepted["version"]
        assert handshake.address.network == accepted["network"]
        assert RESOLVED_BY_GO.get(text, text) == accepted["address"]
        assert handshake.protocol == accepted["protocol"]
        if vector["host"]["auto_mtls"]:
            assert bool(handshake.certificate) == accepted["trusts_certificate"]


@pytest.mark.parametrize(
    "vector",
    [
        vector
        for vector in ACCEPT_VECTORS
        if "x509" in (vector.values[0]["error"] or "")  # type: ignore[index]
        and vector.values[0]["name"] not in LENIENT_TLS  # type: ignore[index]
    ],
)
def test_tls_refuses_the_certificates_that_go_refuses(vector: dict[str, Any]) -> None:
    """go-plugin: Client.loadServerCert, x509.ParseCertificate."""
    certificate = shake(vector).certificate
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    with pytest.raises(ssl.SSLError):
        context.load_verify_locations(cadata=certificate)


def test_the_exceptions_name_vectors_that_exist() -> None:
    names = {vector["name"] for vector in load("handshake_accept.json")}
    assert names >= STRICTER | WITHOUT_A_LINE | LENIENT_TLS


@pytest.mark.parametrize("vector", load("handshake_emit.json"))
def test_writes_what_a_recorded_go_plugin_prints(vector: dict[str, Any]) -> None:
    """go-plugin: Serve."""
    environment = vector["environment"]
    handshake = Handshake(
        app_version=1,
        address=Address.unix("ADDRESS"),
        certificate=CERTIFICATE if environment.get("PLUGIN_CLIENT_CERT") else b"",
        multiplex=True if environment.get("PLUGIN_MULTIPLEX_GRPC") else None,
    )
    assert vector["line"].replace("CERTIFICATE", BASE64) == handshake.format() + "\n"


# Numbers and versions


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0),
        ("+1", 1),
        ("-1", -1),
        ("007", 7),
        ("9223372036854775807", (1 << 63) - 1),
        ("-9223372036854775808", -(1 << 63)),
        ("0" * 100 + "1", 1),
    ],
)
def test_reads_numbers_as_go_does(text: str, number: int) -> None:
    """Go: strconv.Atoi."""
    assert atoi(text) == number


@pytest.mark.parametrize(
    "text",
    [
        *("", "+", "-", "x", " 1", "1 ", "1\n", "1_0", "0x1", "1.0", "1e3", "--1"),
        *("\u0661", "\uff11", "9223372036854775808", "9" * 5000),
    ],
)
def test_refuses_what_is_no_number_for_go(text: str) -> None:
    """Go: strconv.Atoi."""
    with pytest.raises(ValueError):  # noqa: PT011  (int()'s own text at 4300 digits)
        atoi(text)


@given(st.lists(int64))
def test_reads_every_version_of_a_list(versions: list[int]) -> None:
    """go-plugin: protocolVersion."""
    assert parse_versions(",".join(map(str, versions))) == (versions, [])


@given(st.text(st.characters()) | st.text("0123456789+-, _x"))
@example("9" * 5000 + ",1")
def test_any_list_of_versions_is_read(text: str) -> None:
    """go-plugin: protocolVersion skips what is no number."""
    versions, invalid = parse_versions(text)
    assert len(versions) + len(invalid) == (text.count(",") + 1 if text else 0)
    assert all(item in text for item in invalid)


def go_choice(own: Iterable[int], offered: Iterable[int]) -> int | None:
    """Choose like protocolVersion of go-plugin's server.go, loop by loop."""
    chosen = None
    for version in sorted(own, reverse=True):
        chosen = version
        for client_version in sorted(offered, reverse=True):
            if client_version == chosen:
                return chosen
    return chosen


@given(st.sets(st.integers(0, 9), min_size=1), st.lists(st.integers(0, 9)))
def test_chooses_a_version_as_go_does(own: set[int], offered: list[int]) -> None:
    """go-plugin: protocolVersion."""
    assert choose_version(own, offered) == go_choice(own, offered)


@pytest.mark.parametrize(
    ("own", "offered", "chosen"),
    [
        ([2, 3], [9], 2),
        ([2, 3], [3, 2], 3),
        ([3, 2], [2, 4], 2),
        ([3, 2], [], 2),
        ([0, 1], [0], 0),
    ],
)
def test_chooses_the_highest_in_common_or_else_its_lowest(
    own: list[int], offered: Collection[int], chosen: int
) -> None:
    """go-plugin: protocolVersion leaves the complaint to the host."""
    assert choose_version(own, offered) == chosen


@pytest.mark.parametrize("vector", load("plugin_versions.json"))
def test_chooses_what_a_recorded_go_plugin_chose(vector: dict[str, Any]) -> None:
    """go-plugin: protocolVersion, with what it complains of on stderr."""
    versions, invalid = parse_versions(vector["offered"] or "")
    assert choose_version(vector["own"], versions) == vector["chosen"]
    complaints = [f'server sent invalid plugin version "{item}"' for item in invalid]
    assert "".join(complaints) == vector["stderr"]
