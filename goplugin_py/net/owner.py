"""Whether a process is the one that listens at an address."""

import os
import re
import socket

from goplugin_py.net.sockets import peer_pid
from goplugin_py.wire.address import Address

_LISTEN = "0A"  # /proc/net/tcp: TCP_LISTEN
_SOCKET_LINK = re.compile(r"socket:\[([0-9]+)\]")


def owns(pid: int, address: Address, timeout: float) -> bool | None:
    """Connect to `address`, and tell whether `pid` listens there.

    The connection is closed at once, unused; go-plugin's hosts do the same when they
    reattach, so every plugin survives it.

    Returns:
        None where the system does not tell.

    Raises:
        OSError: Nobody listens.
    """
    if address.network == "tcp":
        socket.create_connection(address.host_port, timeout).close()
        return _holds_port(pid, address.host_port[1])
    listener = listener_pid(address, timeout)
    return None if listener is None else listener == pid


def listener_pid(address: Address, timeout: float) -> int | None:
    """Connect to a unix socket, and return the process that called listen on it.

    Returns:
        None where the system does not tell; 0 for one in a namespace we can't see.

    Raises:
        OSError: Nobody listens.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(timeout)
        connection.connect(address.text)
        return peer_pid(connection)


def _holds_port(pid: int, port: int) -> bool | None:
    try:
        listening = {
            inode
            for family in ("tcp", "tcp6")
            for inode in _listeners(f"/proc/{pid}/net/{family}", port)
        }
        return not listening.isdisjoint(_sockets(f"/proc/{pid}/fd"))
    except OSError:  # another user's, or no Linux
        return None


def _listeners(table: str, port: int) -> list[str]:
    if not os.path.exists(table):
        return []
    with open(table) as file:
        rows = [line.split() for line in file][1:]
    return [
        row[9]
        for row in rows
        if row[3] == _LISTEN and int(row[1].rpartition(":")[2], 16) == port
    ]


def _sockets(directory: str) -> set[str]:
    found = set()
    for name in os.listdir(directory):
        try:
            match = _SOCKET_LINK.fullmatch(os.readlink(os.path.join(directory, name)))
        except FileNotFoundError:  # closed meanwhile
            continue
        if match:
            found.add(match[1])
    return found
