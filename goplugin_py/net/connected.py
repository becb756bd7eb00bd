"""Whether anybody is connected to a socket that this process listens on.

The system's tables of sockets are of no use: they lack those who come from another
network namespace, such as a container's.
"""

import contextlib
import os
import socket

from goplugin_py.net.sockets import address_of
from goplugin_py.wire.address import Address

_DESCRIPTORS = "/dev/fd"


def has_connections(address: Address) -> bool | None:
    """Tell whether this process has accepted connections at an address, open now.

    Returns:
        None where that can't be told.
    """
    if socket.getdefaulttimeout() is not None:
        return None  # a look would make every socket of the process non-blocking
    try:
        names = os.listdir(_DESCRIPTORS)
    except OSError:
        return None
    return any(_is_connection(int(name), address) for name in names)


def _is_connection(descriptor: int, address: Address) -> bool:
    with contextlib.suppress(OSError, ValueError):  # it is something else, or closed
        sock = socket.socket(fileno=descriptor)
        try:
            # What was accepted has the listener's address.
            is_ours = sock.type == socket.SOCK_STREAM and address_of(sock) == address
            return is_ours and not _listens(sock)
        finally:
            sock.detach()  # it is not ours to close
    return False


def _listens(sock: socket.socket) -> bool:
    return bool(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
