"""A plugin with a handshake line and no gRPC behind it.

    listener.py KIND [NETWORK]      the network is unix or tcp; default unix

`mute` accepts connections and never speaks; `hangup` closes each one; `garbage`
answers with text; `dead` names a socket that nobody listens on any more. These have
no certificate.

`other` and `plain` have one in their line, but serve TLS with another one, or no TLS
at all; `stranger` serves TLS with the right one and asks for clients of its own.

`mute-mtls` and so on are the first ones with some certificate in their line.
"""

import base64
import contextlib
import datetime
import os
import socket
import ssl
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))

from goplugin_py.net.sockets import server_context
from goplugin_py.wire.certificates import generate

# Nobody who forgets a fake gets to keep it.
LIFETIME = 60.0

Serve = Callable[[socket.socket], None]


def listen(network: str) -> tuple[socket.socket, str]:
    if network == "tcp":
        listener = socket.create_server(("127.0.0.1", 0))
        host, port = listener.getsockname()
        return listener, f"{host}:{port}"
    listener = socket.socket(socket.AF_UNIX)
    path = tempfile.mktemp(prefix="plugin")
    listener.bind(path)
    listener.listen()
    return listener, path


def mute(connection: socket.socket) -> None:
    while connection.recv(65536):
        pass


def hang_up(connection: socket.socket) -> None:
    """Leave it to the caller's `with`."""


def garbage(connection: socket.socket) -> None:
    connection.recv(65536)
    connection.sendall(b"220 mail.example ESMTP\r\n" * 100)
    mute(connection)


def over_tls(context: ssl.SSLContext) -> Serve:
    def serve(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secure:
            mute(secure)

    return serve


def some_certificate() -> bytes:
    return generate(datetime.datetime.now(datetime.UTC)).certificate


def certificate_and_serve(kind: str) -> tuple[bytes, Serve]:
    now = datetime.datetime.now(datetime.UTC)
    named, other = generate(now), generate(now)
    if kind == "plain":
        return named.certificate, garbage
    host = os.environ["PLUGIN_CLIENT_CERT"]
    if kind == "other":
        return named.certificate, over_tls(server_context(other, host))
    return named.certificate, over_tls(server_context(named, other.certificate))


def say(network: str, address: str, certificate: bytes = b"") -> None:
    field = base64.b64encode(certificate).rstrip(b"=").decode()
    sys.stdout.write(f"1|1|{network}|{address}|grpc|{field}\n")
    sys.stdout.flush()


def main(kind: str, network: str = "unix") -> None:
    listener, address = listen(network)
    serves: dict[str, Serve] = {"mute": mute, "hangup": hang_up, "garbage": garbage}
    base = kind.removesuffix("-mtls")
    if base in serves or base == "dead":
        certificate = b"" if base == kind else some_certificate()
    else:
        certificate, serves[base] = certificate_and_serve(kind)
    if base == "dead":
        listener.close()
    say(network, address, certificate)
    if base == "dead":
        threading.Event().wait(LIFETIME)
    listener.settimeout(LIFETIME)
    while True:
        connection, _ = listener.accept()
        connection.settimeout(LIFETIME)
        with connection, contextlib.suppress(OSError):
            serves[base](connection)


if __name__ == "__main__":
    main(*sys.argv[1:])
