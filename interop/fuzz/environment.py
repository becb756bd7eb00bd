"""What a host tells a plugin by its environment: `Serve` and `PluginEnviron`."""

import json
import os
import ssl
from random import Random
from typing import Any

from goplugin_py.net import sockets
from goplugin_py.wire.environ import (
    CLIENT_CERT,
    MAX_PORT,
    MIN_PORT,
    MULTIPLEX_GRPC,
    PROTOCOL_VERSIONS,
    UNIX_SOCKET_DIR,
    PluginEnviron,
)
from goplugin_py.wire.handshake import choose_version
from interop.fixtures import VECTORS
from interop.fuzz.handshake import BOOLEANS, identity
from interop.fuzz.judge import from_base64
from interop.fuzz.mutation import NUMBERS, mutated, sometimes
from interop.fuzz.subject import Case, Divergence, Subject, Verdict

COOKIE, COOKIE_VALUE = "JUDGE_COOKIE", b"a cookie"
BY_HAND = "not started by a host"
# As a Go host has set it.
PEM: bytes = json.loads((VECTORS / "certificates.json").read_text())[1]["pem"].encode()
OTHER_PEMS = [
    *(PEM.strip(), PEM * 2, PEM.replace(b"\n", b"\r\n"), PEM.replace(b"\n", b"")),
    *(b"text before\n" + PEM, PEM + b"text after", PEM.replace(b"-----B", b"----B")),
    *(PEM.replace(b"CERTIFICATE", each) for each in (b"PRIVATE KEY", b"certificate")),
    *(PEM.replace(b"-\nM", b"-\nheader: 1\n\nM"), PEM[:-40], PEM[:200], b" ", b"x"),
]


def make(random: Random) -> Case:
    own = random.choice(["1", "2,3", "0,1,5", "1,5,10"])
    usual = {
        COOKIE: COOKIE_VALUE,
        PROTOCOL_VERSIONS: _versions(random),
        MIN_PORT: b"10000",
        MAX_PORT: b"25000",
    }
    if random.random() < 0.3:
        usual[MULTIPLEX_GRPC] = random.choice([*BOOLEANS, b"", *NUMBERS])
    if random.random() < 0.3:
        usual[CLIENT_CERT] = random.choice([PEM, PEM, *OTHER_PEMS])
    if random.random() < 0.2:
        usual[UNIX_SOCKET_DIR] = random.choice([b".", b"./.", b"", b"nowhere"])
    name = random.choice(list(usual))
    usual[name] = sometimes(random, 0.3, usual[name])
    return _case(own, usual)


def _versions(random: Random) -> bytes:
    numbers = [b"0", b"1", b"2", b"3", b"5", b"10", b"9", *NUMBERS]
    versions = b",".join(random.choices(numbers, k=random.randint(0, 4)))
    return mutated(random, versions) if random.random() < 0.3 else versions


def _case(own: str, environment: dict[str, bytes]) -> Case:
    # No variable can have a NUL.
    clean = {name: value.replace(b"\0", b"") for name, value in environment.items()}
    return {
        "own": own,
        "environment": clean,
        "certificate": clean.get(CLIENT_CERT, b""),
    }


def request(case: Case) -> Case:
    environment = dict(case["environment"])
    if CLIENT_CERT in environment:
        environment[CLIENT_CERT] = case["certificate"]
    return {"own": case["own"], "environment": environment}


def ours(case: Case) -> Verdict:
    environment = {
        name: os.fsdecode(value) for name, value in request(case)["environment"].items()
    }
    if environment.get(COOKIE) != os.fsdecode(COOKIE_VALUE):
        return BY_HAND
    environ = PluginEnviron.parse(environment)
    if not os.path.isdir(environ.socket_dir or "."):
        return "no such directory"
    own = [int(number) for number in case["own"].split(",")]
    return {
        "version": choose_version(own, environ.versions),
        "invalid": len(environ.invalid_versions),
        "directory": environ.socket_dir,
        "certificate": bool(environ.client_certificate),
        "trusts": _trusts(environ.client_certificate),
        "seventh": environ.asked_for_multiplex,
        "speaks": _language(environ),
    }


def _trusts(certificate: str) -> bool:
    """Whether the certificate is one; a plugin of ours ends if not."""
    try:
        sockets.server_context(identity(), certificate)
    except (ssl.SSLError, ValueError):
        return False
    return True


def _language(environ: PluginEnviron) -> str:
    if environ.multiplex:
        return "yamux"
    return "tls" if environ.client_certificate else "grpc"


def go(case: Case, answer: Any) -> Verdict:
    line = from_base64(answer["line"]).decode(errors="surrogateescape")
    stderr = from_base64(answer["stderr"]).decode(errors="surrogateescape")
    if not line:
        is_by_hand = stderr.startswith("This binary is a plugin")
        return BY_HAND if is_by_hand else "no such directory"
    fields = line.removesuffix("\n").split("|")
    directory = os.path.dirname(fields[3])
    return {
        "version": int(fields[1]),
        "invalid": stderr.count("server sent invalid plugin version"),
        "directory": "" if directory == answer["directory"] else directory,
        "certificate": bool(fields[5]),
        "trusts": bool(fields[5]) and "failed to parse" not in stderr,
        "seventh": len(fields) > 6,
        "speaks": answer["speaks"],
    }


def _damaged() -> bytes:
    """Return the certificate with a part of its public key changed."""
    der = ssl.PEM_cert_to_DER_cert(PEM.decode())
    place = der.index(bytes.fromhex("2b81040023")) + 32  # the curve, then the point
    changed = der[:place] + bytes((der[place] ^ 1,)) + der[place + 1 :]
    return ssl.DER_cert_to_PEM_cert(changed).encode()


def _is_damaged(case: Case, go: Verdict, ours: Verdict) -> bool:
    if not isinstance(go, dict) or go | {"trusts": True} != ours:
        return False
    return b"".join(PEM.split()) not in b"".join(case["certificate"].split())


DIVERGENCES = (
    Divergence(
        "damaged certificate",
        "OpenSSL reads what Go's x509 refuses, such as a point that is on no curve. "
        "No host sends it.",
        _case("1", {COOKIE: COOKIE_VALUE, CLIENT_CERT: _damaged()}),
        _is_damaged,
    ),
)

SUBJECT = Subject(
    name="environment",
    make=make,
    ours=ours,
    go=go,
    mutable="certificate",
    divergences=DIVERGENCES,
    request=request,
    cost=8,
)
