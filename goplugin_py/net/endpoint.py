"""What links connect: non-blocking byte streams whose readiness is watched."""

import contextlib
import socket
import struct
from collections.abc import Callable
from typing import Protocol

from goplugin_py.net.loop import Loop

_ABORTIVE = struct.pack("ii", 1, 0)  # struct linger: close() resets a TCP connection


class Endpoint(Protocol):
    """One side of a Link: a non-blocking byte stream whose readiness is watched."""

    def recv_into(self, buffer: memoryview, /) -> int:
        """Read; 0 is the end. Raises BlockingIOError when nothing has arrived."""

    def send(self, data: memoryview | bytes, /) -> int:
        """Write a part. Raises BlockingIOError when there is no room."""

    def watch(self, events: int, callback: Callable[[int], None]) -> None:
        """Call back when ready for `events`; no events ends it."""

    def send_eof(self) -> None:
        """End our direction."""

    def close(self, *, reset: bool = False) -> None:
        """Close both directions, as a failure if `reset`."""


class SocketEndpoint:
    """A connected socket."""

    def __init__(self, loop: Loop, sock: socket.socket) -> None:
        self._loop = loop
        self._sock = sock
        self._events = 0
        send_at_once(sock)
        self.recv_into = sock.recv_into
        self.send = sock.send

    def watch(self, events: int, callback: Callable[[int], None]) -> None:
        """Watch, sparing the system call when nothing changes."""
        if events != self._events:
            self._events = events
            self._loop.watch(self._sock, events, callback)

    def send_eof(self) -> None:
        """Shut down our direction; a peer that is gone already is no matter."""
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_WR)

    def close(self, *, reset: bool = False) -> None:
        """Close the socket."""
        self._loop.forget(self._sock)
        if reset and self._sock.family != socket.AF_UNIX:
            with contextlib.suppress(OSError):
                self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORTIVE)
        self._sock.close()


def send_at_once(sock: socket.socket) -> None:
    """Keep TCP from holding a small message back until the last one is acknowledged.

    Go and grpcio do the same; the wait is 40 ms for each call.
    """
    if sock.family != socket.AF_UNIX:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
