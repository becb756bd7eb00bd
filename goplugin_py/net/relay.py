"""The relay between grpcio's plain sockets and TLS on the wire.

grpcio's own TLS refuses go-plugin's P-521 certificates, and it takes neither a
connected socket nor a dialler. So wherever TLS is on, grpcio speaks plain text to a
private unix socket, and a relay carries each connection over to the wire:

    grpcio <- plain socket -> Link(TLSCodec) <- wire socket -> peer

A host's relay accepts grpcio's connections and dials the plugin. A plugin's accepts
the host's connections and dials its own gRPC server. Each accepted connection makes
one dialled one, and the two form a Link, which lives until both have ended.

Everything here runs on the loop's thread. A Link reads a side only while nothing is
waiting to be written to the other, which bounds what it holds to one read (256 KiB)
each way and carries back-pressure from either end to the other. The buffers for
reading and decrypting belong to the thread, not to the Link: an idle Link costs two
sockets and a TLS connection. The end of one direction and a reset are carried over.
A handshake advances as bytes come in and is abandoned after a time limit.

A Link speaks to Endpoints rather than sockets, so that a stream of a multiplexed
session can take the place of the wire socket.
"""

import contextlib
import errno
import logging
import os
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from typing import Protocol

from goplugin_py.net.loop import READ, WRITE, Loop, Timer
from goplugin_py.net.sockets import peer_pid
from goplugin_py.wire.address import Address
from goplugin_py.wire.tls import TLSCodec

BUFFER_SIZE = 256 * 1024
# A peer that accepts and then says nothing must not hold a connection for ever;
# grpc-go gives a connection attempt the same time (minConnectTimeout).
HANDSHAKE_TIMEOUT = 20.0
# gRPC never uses a half-open connection, so its other half must end soon.
LINGER_TIMEOUT = 10.0
# How soon a full backlog, which a unix socket reports as EAGAIN, is tried again.
BACKLOG_RETRY = 0.01
CLOSE_TIMEOUT = 5.0

_ABORTIVE = struct.pack("ii", 1, 0)  # struct linger: close() resets a TCP connection
_IN_PROGRESS = frozenset({errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EAGAIN})

_log = logging.getLogger("goplugin.relay")


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


class _Scratch(threading.local):
    """The loop thread's buffers."""

    def __init__(self) -> None:
        self.received = memoryview(bytearray(BUFFER_SIZE))
        self.decrypted = memoryview(bytearray(BUFFER_SIZE))


_scratch = _Scratch()


class Link:
    """One relayed connection between a plain endpoint and a TLS endpoint."""

    def __init__(
        self,
        loop: Loop,
        plain: Endpoint,
        wire: Endpoint,
        codec: TLSCodec,
        on_closed: Callable[["Link", Exception | None], None],
    ) -> None:
        self._loop = loop
        self._plain = plain
        self._wire = wire
        self._codec = codec
        self._on_closed = on_closed
        self._to_plain: bytes | memoryview = b""
        self._to_wire: bytes | memoryview = b""
        self._plain_ended = False  # grpcio has sent its last byte
        self._wire_ended = False  # the peer has
        self._told_plain = False  # and grpcio knows
        self._told_wire = False
        self._is_closed = False
        self._timer: Timer = loop.call_later(HANDSHAKE_TIMEOUT, self._expire)

    def start(self) -> None:
        """Begin the handshake."""
        self._guarded(self._advance)

    def close(self, reason: Exception | None = None) -> None:
        """End both directions at once; `reason` is None for a regular end."""
        if self._is_closed:
            return
        self._is_closed = True
        self._timer.cancel()
        # First of all: who sees the end may ask for the reason at once.
        self._on_closed(self, reason)
        self._plain.close(reset=reason is not None)
        self._wire.close(reset=reason is not None)

    def _expire(self) -> None:
        what = "the TLS handshake" if not self._codec.is_open else "closing"
        self.close(TimeoutError(f"{what} took too long"))

    def _guarded(self, step: Callable[[], None]) -> None:
        try:
            step()
            self._settle()
        except ssl.SSLError as exc:
            self._send_alert()
            self.close(exc)
        except OSError as exc:
            # A side that hangs up does not wait for what is on its way to it.
            is_over = self._wire_ended or self._plain_ended
            self.close(None if is_over else self._last_alert() or exc)

    def _last_alert(self) -> ssl.SSLError | None:
        """Return why the peer hung up, which our write found out before we read it."""
        try:
            self._read_wire()
        except OSError as exc:
            if isinstance(exc, ssl.SSLError) and not isinstance(exc, ssl.SSLEOFError):
                return exc
        return None  # it hung up without a word

    def _send_alert(self) -> None:
        """Tell the peer why, if it can be told at once."""
        with contextlib.suppress(OSError):
            self._wire.send(self._codec.data_to_send())
            self._wire.send_eof()

    def _on_plain(self, events: int) -> None:
        self._guarded(self._read_plain if events & READ else self._write_plain)
        if events == READ | WRITE and not self._is_closed:
            self._guarded(self._write_plain)

    def _on_wire(self, events: int) -> None:
        self._guarded(self._read_wire if events & READ else self._write_wire)
        if events == READ | WRITE and not self._is_closed:
            self._guarded(self._write_wire)

    def _read_plain(self) -> None:
        buffer = _scratch.received
        try:
            count = self._plain.recv_into(buffer)
        except BlockingIOError:
            return
        if count:
            self._codec.send_data(buffer[:count])
        else:
            self._plain_ended = True
            if self._codec.is_open:
                self._codec.send_eof()
        self._write_wire()

    def _read_wire(self) -> None:
        buffer = _scratch.received
        try:
            count = self._wire.recv_into(buffer)
        except BlockingIOError:
            return
        if count:
            self._codec.receive_data(buffer[:count])
        else:
            self._wire_ended = True
            self._codec.receive_eof()
        self._advance()

    def _advance(self) -> None:
        """Do whatever the bytes from the wire allow."""
        was_open = self._codec.is_open
        if self._codec.handshake():
            if not was_open:
                self._timer.cancel()
            self._decrypt()
        self._write_wire()

    def _decrypt(self) -> None:
        buffer = _scratch.decrypted
        while not self._to_plain:
            count = self._codec.read_into(buffer)
            if count:
                self._to_plain = _push(self._plain, buffer[:count])
            # After the end of the wire, only a read of nothing is a clean end.
            if count < len(buffer) and not (count and self._wire_ended):
                break
        self._wire_ended = self._wire_ended or self._codec.is_closed_by_peer

    def _write_plain(self) -> None:
        if self._to_plain:
            self._to_plain = _push(self._plain, self._to_plain)
        if not self._to_plain:
            self._decrypt()

    def _write_wire(self) -> None:
        due = self._codec.data_to_send()
        if due:
            self._to_wire = bytes(self._to_wire) + due if self._to_wire else due
        if self._to_wire:
            self._to_wire = _push(self._wire, self._to_wire)

    def _settle(self) -> None:
        """Carry ends over, then watch for what may go on."""
        if self._is_closed:
            return
        if self._wire_ended and not self._to_plain and not self._told_plain:
            self._told_plain = True
            self._plain.send_eof()
            self._linger()
        if self._plain_ended and not self._to_wire and not self._told_wire:
            self._told_wire = True
            self._wire.send_eof()
            self._linger()
        if self._told_plain and self._told_wire:
            self.close()
        else:
            self._watch()

    def _linger(self) -> None:
        self._timer.cancel()
        self._timer = self._loop.call_later(LINGER_TIMEOUT, self._expire)

    def _watch(self) -> None:
        plain = WRITE if self._to_plain else 0
        if self._codec.is_open and not self._to_wire and not self._plain_ended:
            plain |= READ
        wire = WRITE if self._to_wire else 0
        if not self._to_plain and not self._wire_ended:
            wire |= READ
        self._plain.watch(plain, self._on_plain)
        self._wire.watch(wire, self._on_wire)


def _push(endpoint: Endpoint, data: memoryview | bytes) -> bytes:
    """Write what there is room for; return a copy of the rest."""
    try:
        sent = endpoint.send(data)
    except BlockingIOError:
        sent = 0
    return b"" if sent == len(data) else bytes(data[sent:])


class Relay:
    """Join every connection accepted on a listener to one dialled to an address."""

    def __init__(
        self,
        loop: Loop,
        listener: socket.socket,
        target: Address,
        codec: Callable[[], TLSCodec],
        *,
        wire_is_dialled: bool,
    ) -> None:
        """Prepare; nothing happens before `start`.

        Args:
            loop: Where the relay runs.
            listener: A listening socket; the relay owns and closes it.
            target: Where to dial for each accepted connection; a literal address,
                because resolving a name would hold up every other link.
            codec: Makes the TLS connection for the wire side.
            wire_is_dialled: Whether the wire is the dialled side, as on a host; the
                accepted side is then ours and must come from this very process.
        """
        self._loop = loop
        self._listener = listener
        self._target = target
        self._codec = codec
        self._wire_is_dialled = wire_is_dialled
        self._links: set[Link] = set()
        self._diallers: set[_Dialler] = set()
        self._is_closed = False
        self.failure: Exception | None = None
        """Why the latest connection failed; None while all is well."""

    def start(self) -> None:
        """Begin to accept."""
        self._listener.setblocking(False)
        self._loop.call_soon(self._listen)

    def _listen(self) -> None:
        if not self._is_closed:
            self._loop.watch(self._listener, READ, self._accept)

    def close(self) -> None:
        """Stop accepting and end every connection; idempotent, from any thread."""
        self._loop.run(self._close, CLOSE_TIMEOUT)

    def _close(self) -> None:
        self._is_closed = True
        self._loop.forget(self._listener)
        self._listener.close()
        for dialler in list(self._diallers):
            dialler.abandon()
        for link in list(self._links):
            link.close()

    def _accept(self, _events: int) -> None:
        try:
            accepted, _ = self._listener.accept()
        except OSError as exc:
            # The peer has gone already, or descriptors have run out: in either case
            # a short pause, for the listener stays readable in the latter.
            _log.warning("a relay could not accept: %s", exc)
            self._loop.forget(self._listener)
            self._loop.call_later(BACKLOG_RETRY, self._listen)
            return
        if self._wire_is_dialled and peer_pid(accepted) not in (None, os.getpid()):
            _log.warning("refused a connection from another process")
            accepted.close()
            return
        accepted.setblocking(False)
        _Dialler(self._loop, self._target, accepted, self._diallers, self._dialled)

    def _dialled(
        self,
        accepted: socket.socket,
        dialled: socket.socket | None,
        failure: Exception | None,
    ) -> None:
        if dialled is None:
            self.failure = failure  # before grpcio sees the end
            accepted.close()
            return
        try:
            codec = self._codec()
        except ssl.SSLError as exc:  # a user's context that is for the other role
            self.failure = exc
            accepted.close()
            dialled.close()
            return
        for sock in (accepted, dialled):
            if sock.family != socket.AF_UNIX:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        near, far = (
            SocketEndpoint(self._loop, accepted),
            SocketEndpoint(self._loop, dialled),
        )
        plain, wire = (near, far) if self._wire_is_dialled else (far, near)
        link = Link(self._loop, plain, wire, codec, self._link_closed)
        self._links.add(link)
        link.start()

    def _link_closed(self, link: Link, reason: Exception | None) -> None:
        self._links.discard(link)
        self.failure = reason
        if reason is not None:
            _log.debug("connection to %s failed: %s", self._target, reason)


class _Dialler:
    """Dials without blocking, and then hands over both sockets."""

    def __init__(
        self,
        loop: Loop,
        target: Address,
        accepted: socket.socket,
        active: set["_Dialler"],
        done: Callable[[socket.socket, socket.socket | None, Exception | None], None],
    ) -> None:
        self._loop = loop
        self._target = target
        self._accepted = accepted
        self._active = active
        self._done = done
        self._timer = loop.call_later(HANDSHAKE_TIMEOUT, self._expire)
        self._retry: Timer | None = None
        self._sock: socket.socket | None = None
        active.add(self)
        self._dial()

    def abandon(self) -> None:
        """Give up because the relay closes."""
        self._finish(None, ConnectionAbortedError("the relay was closed"))

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
        self._timer.cancel()
        if self._retry is not None:
            self._retry.cancel()
        self._active.discard(self)
        if self._sock is not None:
            self._loop.forget(self._sock)
            if sock is None:
                self._sock.close()
        self._done(self._accepted, sock, failure)


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
