"""What a plugin prints on stdout, for a host: `Client.Start` and `Handshake`."""

import base64
import functools
import json
import re
import ssl
from datetime import UTC, datetime
from ipaddress import ip_address
from random import Random
from typing import Any

from goplugin_py.errors import (
    CoreVersionMismatch,
    ExitedEarly,
    HandshakeError,
    LaunchError,
    MalformedHandshake,
    MultiplexUnsupported,
    NetRPCUnsupported,
    TLSRefused,
    VersionMismatch,
)
from goplugin_py.net import sockets
from goplugin_py.process.output import FirstLine
from goplugin_py.wire.address import MAX_PATH, Address
from goplugin_py.wire.certificates import Identity, generate
from goplugin_py.wire.handshake import MAX_LINE_LENGTH, Handshake
from interop.fixtures import VECTORS
from interop.fuzz.judge import from_base64
from interop.fuzz.mutation import NUMBERS, mutated, sometimes
from interop.fuzz.subject import Case, Divergence, Subject, Verdict

# As both sides of the comparison put it.
DIES = "dies"


# As a Go plugin has printed it; the same in each run, so that a seed gives the same.
CERTIFICATE: bytes = json.loads((VECTORS / "certificates.json").read_text())[0][
    "field"
].encode()


@functools.cache
def identity() -> Identity:
    """Return our own certificate, which no verdict depends on."""
    return generate(datetime.now(UTC))


HOSTS = [
    {"versions": [1], "mtls": False, "mux": False},
    {"versions": [2, 3], "mtls": False, "mux": False},
    {"versions": [1], "mtls": False, "mux": True},
    {"versions": [1], "mtls": True, "mux": False},
]
ADDRESSES = [
    *(b"unix|/tmp/plugin1", b"unix|relative", b"unix|@abstract", b"unix|"),
    *(b"tcp|127.0.0.1:1234", b"tcp|localhost:7", b"tcp|[::1]:65535", b"tcp|:80"),
    *(b"tcp|127.0.0.1:http", b"tcp|127.0.0.1:0", b"tcp|127.0.0.1", b"tcp|::1:7"),
    *(b"udp|127.0.0.1:7", b"unixgram|/tmp/plugin1", b"tcp|[fe80::1%lo]:7"),
]
PROTOCOLS = [b"grpc", b"netrpc", b"GRPC", b"", b"http"]
BOOLEANS = b"1 t T true TRUE True 0 f F false FALSE False tRUE yes".split()


def make(random: Random) -> Case:
    host = random.choice(HOSTS)
    fields = [_field(random, *options) for options in _options(host)]
    if random.random() < 0.3:
        fields = _rearranged(random, fields)
    line = sometimes(random, 0.2, b"|".join(fields))
    ending = random.choice([b"\n"] * 8 + [b"", b"\r\n", b"\nmore\n", b"\n\n"])
    return {"host": host, "stdout": line + ending}


def _options(host: dict[str, Any]) -> list[list[bytes]]:
    """Return for each field what is usual, and what else it may be."""
    own = CERTIFICATE
    certificates = [b"", own, own[:50], own[:51], own + b"==", _followed(b"x")]
    usual_certificate = own if host["mtls"] else b""
    usual_mux = [b"true"] if host["mux"] else []
    return [
        [b"1", *NUMBERS],
        [b"%d" % max(host["versions"]), b"2", *NUMBERS],
        [ADDRESSES[0], *ADDRESSES],
        [b"grpc", *PROTOCOLS],
        [usual_certificate, *certificates],
        *([each, *BOOLEANS] for each in usual_mux),
    ]


def _field(random: Random, usual: bytes, *others: bytes) -> bytes:
    value = usual if random.random() < 0.8 else random.choice(others)
    return sometimes(random, 0.05, value)


def _rearranged(random: Random, fields: list[bytes]) -> list[bytes]:
    place = random.randrange(len(fields))
    left, field, right = fields[:place], fields[place], fields[place + 1 :]
    new: list[list[bytes]] = [
        [],
        [field, field],
        [b"", field],
        [mutated(random, field)],
    ]
    return [*left, *random.choice(new), *right]


def ours(case: Case) -> Verdict:
    host = case["host"]
    first = FirstLine()
    first.feed(case["stdout"])
    first.finish()
    try:
        return _accepted(_handshake(first, host), host["mtls"])
    except LaunchError as exc:
        return {"refused": type(exc)}


def _handshake(first: FirstLine, host: dict[str, Any]) -> Handshake:
    """Do as `Launch` does with the line."""
    if first.text is None:
        raise ExitedEarly("")
    if first.is_overlong:
        raise MalformedHandshake("")
    handshake = Handshake.parse(first.text)
    handshake.check(host["versions"], first.text, multiplex=host["mux"])
    return handshake


def _accepted(handshake: Handshake, mtls: bool) -> Verdict:
    if bool(handshake.certificate) != mtls:
        raise TLSRefused("")
    if mtls:
        try:
            sockets.client_context(identity(), handshake.certificate)
        except (ssl.SSLError, ValueError) as exc:
            raise MalformedHandshake("") from exc
    return {
        "version": handshake.app_version,
        "address": _comparable(handshake.address),
        "trusts": mtls,
    }


def _comparable(address: Address) -> tuple[str, object]:
    if address.network == "unix":
        return "unix", address.text.encode(errors="surrogateescape")
    return "tcp", place(*address.host_port)


def place(host: str, port: int) -> tuple[str, int]:
    """Return a host and a port as Go prints what it has resolved."""
    known = {"": "127.0.0.1", "localhost": "127.0.0.1"}
    name = known.get(host.lower(), host)
    try:
        return str(ip_address(name)), port
    except ValueError:
        return name, port


# The errors of a Go host, by how they begin, and ours. The first that fits counts.
ERRORS: list[tuple[str, type[LaunchError]]] = [
    ("Unrecognized remote plugin message: \nFailed to read any lines", ExitedEarly),
    ("Unrecognized remote plugin message", MalformedHandshake),
    ("error parsing core protocol version", MalformedHandshake),
    ("incompatible core API version", CoreVersionMismatch),
    ("Error parsing protocol version", MalformedHandshake),
    ("incompatible API version", VersionMismatch),
    ('unsupported plugin protocol "netrpc"', NetRPCUnsupported),
    ("unsupported plugin protocol", MalformedHandshake),
    ("error parsing server cert", MalformedHandshake),
    ("client requested gRPC broker multiplexing", MultiplexUnsupported),
    ('error parsing "', MultiplexUnsupported),  # as a boolean
    ("", MalformedHandshake),  # many sorts of addresses
]


def go(case: Case, answer: Any) -> Verdict:
    if answer["dies"]:
        return DIES
    if answer["error"]:
        error = answer["error"]
        return {
            "refused": next(ours for text, ours in ERRORS if error.startswith(text))
        }
    address = from_base64(answer["address"])
    where: object = address
    if answer["network"] == "tcp":
        text = address.decode(errors="surrogateescape")
        host, _, port = text.rpartition(":")
        where = place(host.strip("[]"), int(port))
    return {
        "version": answer["version"],
        "address": (answer["network"], where),
        "trusts": answer["trusts"],
    }


def refused(verdict: Verdict, *kinds: type[HandshakeError | LaunchError]) -> bool:
    return isinstance(verdict, dict) and verdict.get("refused") in kinds


PLAIN, _, MUX, MTLS = HOSTS


def _is_accepted(verdict: Verdict) -> bool:
    return isinstance(verdict, dict) and "refused" not in verdict


def _looks_up(case: Case, go: Verdict, ours: Verdict) -> bool:
    if not _is_accepted(ours) or ours["address"][0] != "tcp":
        return False
    host, _ = ours["address"][1]
    return refused(go, MalformedHandshake) and not is_literal(host)


def is_literal(host: str) -> bool:
    """Whether the host is no name that would have to be looked up."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _nowhere(case: Case, go: Verdict, ours: Verdict) -> bool:
    if not _is_accepted(go) or not refused(ours, MalformedHandshake):
        return False
    network, where = go["address"]
    if network == "tcp":
        return where[1] == 0 or b"%d" % where[1] not in case["stdout"]
    return not where or b"\0" in where or len(where) > MAX_PATH


def _followed(data: bytes) -> bytes:
    """Return the certificate with something behind it."""
    certificate = base64.b64decode(CERTIFICATE + b"==")
    return base64.b64encode(certificate + data).rstrip(b"=")


def _is_damaged(case: Case, go: Verdict, ours: Verdict) -> bool:
    is_whole = CERTIFICATE in re.split(rb"[|\s]", case["stdout"])
    differ = _is_accepted(go) != _is_accepted(ours)
    return case["host"]["mtls"] and differ and not is_whole


def _two_faults(case: Case, go: Verdict, ours: Verdict) -> bool:
    # Ours looks at the address before the other fields, and at TLS last.
    after_the_address = (VersionMismatch, NetRPCUnsupported, MultiplexUnsupported)
    before_tls = (TLSRefused, MultiplexUnsupported)
    return (refused(go, *after_the_address) and refused(ours, MalformedHandshake)) or (
        refused(go, MalformedHandshake) and refused(ours, *before_tls)
    )


DIVERGENCES = (
    Divergence(
        "certificate for a host without TLS",
        "Go's host dies of it; ours says that the plugin has TLS and the host has not.",
        {"host": PLAIN, "stdout": b"1|1|unix|/p|grpc|" + CERTIFICATE + b"\n"},
        lambda case, go, ours: go == DIES and not _is_accepted(ours),
    ),
    Divergence(
        "no certificate for a host with AutoMTLS",
        "Go accepts it and fails at the first call; ours refuses a link without TLS.",
        {"host": MTLS, "stdout": b"1|1|unix|/p|grpc|\n"},
        lambda case, go, ours: (
            _is_accepted(go)
            and case["host"]["mtls"]
            and not go["trusts"]
            and refused(ours, TLSRefused)
        ),
    ),
    Divergence(
        "name of a host that is not known",
        "Go looks it up when it reads the line, ours when it connects.",
        {"host": PLAIN, "stdout": b"1|1|tcp|nowhere.invalid:7|grpc|\n"},
        _looks_up,
    ),
    Divergence(
        "address at which nobody can listen",
        "An empty or too long path, a NUL, port 0 or the name of a service: "
        "Go fails when it connects.",
        {"host": PLAIN, "stdout": b"1|1|tcp|127.0.0.1:0|grpc|\n"},
        _nowhere,
    ),
    Divergence(
        "more than one fault",
        "Both refuse the line; they look at its fields in another order.",
        {"host": PLAIN, "stdout": b"1|7|udp|127.0.0.1:7|grpc|\n"},
        _two_faults,
    ),
    Divergence(
        "line that is too long",
        "Go says that there was no line; ours tells what is wrong with it.",
        {"host": PLAIN, "stdout": b"x" * MAX_LINE_LENGTH},
        lambda case, go, ours: (
            refused(go, ExitedEarly)
            and refused(ours, MalformedHandshake)
            and len(case["stdout"]) >= MAX_LINE_LENGTH
        ),
    ),
    Divergence(
        "damaged certificate",
        "Go's base64 skips a carriage return, and OpenSSL what follows a certificate; "
        "of damaged DER each reads what the other does not. No plugin sends it.",
        {"host": MTLS, "stdout": b"1|1|unix|/p|grpc|" + _followed(b"\0") + b"\n"},
        _is_damaged,
    ),
)

SUBJECT = Subject(
    name="handshake",
    make=make,
    ours=ours,
    go=go,
    mutable="stdout",
    divergences=DIVERGENCES,
)
