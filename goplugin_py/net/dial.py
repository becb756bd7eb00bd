"""Connecting without blocking."""

import errno
import os
import socket
from collections.abc import Callable

from goplugin_py.net.endpoint import Endpoint, SocketEndpoint
from goplugin_py.net.loop import WRITE, Loop, Timer
from goplugin_py.wire.address import Address

# A peer that does not accept must not hold a connection for ever; grpc-go gives a
# connection attempt the same time (minConnectTimeout).
CONNECT_TIMEOUT = 20.0
# How soon a full backlog, which a unix socket reports as EAGAIN, is tried again.
BACKLOG_RETRY = 0.01

_IN_PROGRESS = frozenset({errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EAGAIN})

# Called once: with an endpoint, or with the reason why there is none.
Done = Callable[[Endpoint | None, Exception | None], None]
# Begins to connect, and returns what gives it up. Both run on the loop's thread.
Dial = Callable[[Done], Callable[[], None]]


class SocketDial:
    """One attempt to connect a socket; a `Dial` once bound to a loop and a target."""

    def __init__(self, loop: Loop, target: Address, done: Done) -> None:
        """Begin.

        Args:
            loop: Where the attempt runs.
            target: A literal address, because resolving a name would hold up the loop.
            done: Receives a connected endpoint, or the reason why there is none.
        """
        self._loop = loop
        self._target = target
        self._done = done
        self._timer = loop.call_later(CONNECT_TIMEOUT, self._expire)
        self._retry: Timer | None = None
        self._sock: socket.socket | None = None
        self._is_over = False
        self._dial()

    def abandon(self) -> None:
        """Give up; harmless when it is over."""
        if not self._is_over:
            self._finish(None, ConnectionAbortedError("the attempt was given up"))

    def _dial(self) -> None:
        try:
            sock, result = _connect(self._target)
        except OSError as exc:
            self._finish(None, exc)
            return
        self._sock = sock
        if result == 0:
            self._finish(sock, None)
        elif result == errno.EAGAIN and sock.family == socket.AF_UNIX:
            sock.close()
            self._retry = self._loop.call_later(BACKLOG_RETRY, self._dial)
        elif result in _IN_PROGRESS:
            self._loop.watch(sock, WRITE, self._on_connected)
        else:
            self._finish(None, OSError(result, os.strerror(result)))

    def _on_connected(self, _events: int) -> None:
        assert self._sock is not None
        code = self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            self._finish(None, OSError(code, os.strerror(code)))
        else:
            self._finish(self._sock, None)

    def _expire(self) -> None:
        self._finish(None, TimeoutError(f"{self._target} did not accept in time"))

    def _finish(self, sock: socket.socket | None, failure: Exception | None) -> None:
        self._is_over = True
        self._timer.cancel()
        if self._retry is not None:
            self._retry.cancel()
        if self._sock is not None:
            self._loop.forget(self._sock)
            if sock is None:
                self._sock.close()
        endpoint = None if sock is None else SocketEndpoint(self._loop, sock)
        self._done(endpoint, failure)


def dial_to(loop: Loop, target: Address) -> Dial:
    """Return a dial that connects a socket to a literal address."""
    return lambda done: SocketDial(loop, target, done).abandon


def _connect(target: Address) -> tuple[socket.socket, int]:
    """Begin to connect; return the socket and the error number."""
    where: str | tuple[str, int]
    if target.network == "unix":
        family, where = socket.AF_UNIX, target.text
    else:
        host, port = target.host_port
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        where = (host, port)
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setblocking(False)
    try:
        return sock, sock.connect_ex(where)
    except BaseException:
        sock.close()
        raise
