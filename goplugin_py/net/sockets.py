"""Listening sockets, who is at their other end, and TLS contexts."""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import socket
import ssl
import stat
import struct
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from goplugin_py.errors import ConfigError
from goplugin_py.net.directories import (
    is_private,
    private_directory,
    remove_directory,
    share,
    socket_path,
)
from goplugin_py.wire.address import Address

if TYPE_CHECKING:
    from goplugin_py.wire.certificates import Identity

BACKLOG = 128
OWNER_ONLY = 0o600
_PEER_CREDENTIALS = struct.Struct("3i")  # struct ucred: pid, uid, gid


def listen_unix(directory: str, group: str = "") -> socket.socket:
    """Listen on a new unix socket in `directory`.

    It is open to us alone, or to `group` if one is given, whatever the umask.
    """
    path = socket_path(directory)
    with contextlib.ExitStack() as undo:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        undo.enter_context(listener)
        listener.bind(path)
        undo.callback(os.unlink, path)  # not what somebody else has put there
        if group:
            share(path, group)
        else:
            os.chmod(path, OWNER_ONLY)
        listener.listen(BACKLOG)
        undo.pop_all()
    return listener


def listen_tcp(ports: Sequence[int], host: str = "127.0.0.1") -> socket.socket:
    """Listen on the first free of `ports`; no ports means any free one.

    Raises:
        ConfigError: None is free (go-plugin: `serverListener_tcp`).
    """
    ports = ports or (0,)
    for port in ports:
        # SO_REUSEPORT stays off, or two plugins would share one port.
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            listener.bind((host, port))
            listener.listen(BACKLOG)
        except OSError:
            listener.close()
            continue
        return listener
    raise ConfigError(f"no free TCP port on {host} from {ports[0]} to {ports[-1]}")


def connect(address: Address, timeout: float) -> socket.socket:
    """Connect to an address within `timeout` seconds.

    Raises:
        OSError: Nobody accepts there.
    """
    if address.network == "tcp":
        return socket.create_connection(address.host_port, timeout)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.settimeout(timeout)
        sock.connect(address.text)
    except BaseException:
        sock.close()
        raise
    return sock


def address_of(listener: socket.socket) -> Address:
    """Return where a socket listens."""
    name = listener.getsockname()
    if listener.family == socket.AF_UNIX:
        return Address.unix(name)
    return Address.tcp(name[0], name[1])


def remove_stale(path: str) -> None:
    """Remove a unix socket that nobody listens on; leave everything else.

    A peer says where its socket is. It must not make us remove one that is in use,
    or any other file.
    """
    with contextlib.suppress(OSError, ValueError):
        if stat.S_ISSOCK(os.lstat(path).st_mode):
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
                probe.setblocking(False)
                if probe.connect_ex(path) == errno.ECONNREFUSED:
                    os.unlink(path)


def remove_abandoned(path: str) -> None:
    """Remove the socket of a peer that has ended, and a private directory around it.

    That is one as `private_directory` makes it, with nothing else in it than sockets
    that nobody listens on: a Python plugin that was killed leaves it.
    """
    remove_stale(path)
    directory = os.path.dirname(path)
    with contextlib.suppress(OSError):
        if is_private(directory):
            for name in os.listdir(directory):
                remove_stale(os.path.join(directory, name))
            os.rmdir(directory)


def peer_pid(connection: socket.socket) -> int | None:
    """Return the process at the other end of a unix socket, where that is known."""
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None or connection.family != socket.AF_UNIX:
        return None
    data = connection.getsockopt(socket.SOL_SOCKET, option, _PEER_CREDENTIALS.size)
    pid: int = _PEER_CREDENTIALS.unpack(data)[0]
    return pid


def client_context(identity: Identity, peer: bytes | str) -> ssl.SSLContext:
    """Return the AutoMTLS context of the side that dials.

    Args:
        identity: Our own certificate.
        peer: The only certificate to trust, DER or PEM.

    Raises:
        ssl.SSLError, ValueError: `peer` is no certificate.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return _mutual(context, identity, peer)


def server_context(identity: Identity, peer: bytes | str) -> ssl.SSLContext:
    """Return the AutoMTLS context of the side that listens; see `client_context`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.num_tickets = 0  # connections live long: resumption buys nothing
    return _mutual(context, identity, peer)


def later(
    make: Callable[[Identity, bytes | str], ssl.SSLContext],
    identity: Identity,
    peer: bytes | str,
) -> Callable[[], ssl.SSLContext]:
    """Return what makes a context once it is needed, and no second time.

    Most links are dialled in one direction alone, and a context takes 20 KiB.
    """
    return functools.cache(lambda: make(identity, peer))


def _mutual(
    context: ssl.SSLContext, identity: Identity, peer: bytes | str
) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # go-plugin: Client.Start, Serve
    context.verify_mode = ssl.CERT_REQUIRED
    if isinstance(peer, str):
        # What is round a certificate may be anything, and Python takes ASCII alone.
        peer = peer.encode("ascii", "replace").decode()
    context.load_verify_locations(cadata=peer)
    with _pem_file(identity) as (path, password):
        context.load_cert_chain(path, password=password)
    context.set_alpn_protocols(["h2"])  # grpc-go from 1.67 refuses to go without
    return context


@contextlib.contextmanager
def _pem_file(identity: Identity) -> Iterator[tuple[str, bytes | None]]:
    """Show an identity to OpenSSL, which takes certificates only from files.

    On Linux the file is anonymous memory. Elsewhere it is a file in a private
    directory, with the key encrypted under a password that is never written.
    """
    if hasattr(os, "memfd_create") and os.path.isdir("/proc/self/fd"):
        fd = os.memfd_create("goplugin-identity", os.MFD_CLOEXEC)
        with open(fd, "w") as file:
            file.write(identity.certificate_pem + identity.key_pem)
            file.flush()
            yield f"/proc/self/fd/{fd}", None
        return
    directory = private_directory()
    try:
        password = os.urandom(32).hex().encode()
        path = os.path.join(directory, "identity.pem")
        with open(path, "wb", opener=_owner_only) as secret:
            secret.write(identity.certificate_pem.encode())
            secret.write(_encrypted_key(identity, password))
        yield path, password
    finally:
        remove_directory(directory)


def _owner_only(path: str, flags: int) -> int:
    return os.open(path, flags, OWNER_ONLY)


def _encrypted_key(identity: Identity, password: bytes) -> bytes:
    from cryptography.hazmat.primitives import serialization

    key = serialization.load_der_private_key(identity.key, None)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(password),
    )
