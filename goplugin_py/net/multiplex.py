"""One yamux session on a socket, and its streams as endpoints of links.

All of it runs on the loop's thread. Streams are watched like sockets: an endpoint
calls back as long as it is ready for what is asked of it. What streams write in one
round of the loop goes out together at its end.
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable

from goplugin_py.errors import LocalProtocolError
from goplugin_py.net.endpoint import send_at_once
from goplugin_py.net.link import scratch
from goplugin_py.net.loop import READ, WRITE, Loop, Timer
from goplugin_py.wire.yamux import (
    GoneAway,
    Session,
    SessionEnded,
    State,
    Stream,
    StreamOpened,
)


class StreamEndpoint:
    """One stream, with the readiness and the errors of a non-blocking socket."""

    def __init__(self, session: MultiplexSession, stream: Stream) -> None:
        self._session = session
        self._stream = stream
        self._events = 0
        self._callback: Callable[[int], None] | None = None
        self._is_scheduled = False

    @property
    def has_ended(self) -> bool:
        """Whether the peer sends no more, or the stream is over."""
        return self._stream.is_over or self._stream.state is State.REMOTE_CLOSED

    def accept(self) -> None:
        """Take a stream that the peer opened; comes before any other use."""
        self._stream.accept()
        self._session.flush_soon()

    def recv_into(self, buffer: memoryview, /) -> int:
        """Read; 0 is the end."""
        count = self._stream.read_into(buffer)
        if count:
            self._session.flush_soon()  # the peer may be waiting for the credit
        elif self._stream.is_reset:
            raise ConnectionResetError("the peer has reset the stream")
        elif not self._stream.is_at_eof:
            raise BlockingIOError
        return count

    def send(self, data: memoryview | bytes, /) -> int:
        """Write what the peer, and the session's socket, have room for."""
        if self._session.is_congested and not self._stream.is_over:
            raise BlockingIOError
        try:
            count = self._stream.send(data)
        except LocalProtocolError as exc:
            raise BrokenPipeError(str(exc)) from exc
        if not count:
            raise BlockingIOError
        self._session.flush()
        return count

    def watch(self, events: int, callback: Callable[[int], None]) -> None:
        """Call back as long as the stream is ready for `events`."""
        self._callback = callback
        self._events = events
        self.wake()

    def wake(self) -> None:
        """Look soon whether there is something to call back for."""
        if not self._is_scheduled and self._ready():
            self._is_scheduled = True
            self._session.loop.call_soon(self._call_back)

    def _call_back(self) -> None:
        ready = self._ready()
        try:
            if ready and self._callback is not None:
                self._callback(ready)
        finally:
            self._is_scheduled = False
        if self._callback is not None:
            self.wake()

    def _ready(self) -> int:
        stream, events = self._stream, self._events
        ready = 0
        if events & READ and (
            stream.readable_bytes or stream.is_at_eof or stream.is_reset
        ):
            ready = READ
        if events & WRITE:
            can_send = stream.credit > 0 and not self._session.is_congested
            ready |= WRITE if can_send or stream.is_over else 0
        return ready

    def send_eof(self) -> None:
        """End our direction."""
        self._stream.send_eof(time.monotonic())
        self._session.flush_soon()

    def close(self, *, reset: bool = False) -> None:
        """Close both directions; reset one that has not ended by itself."""
        self._callback = None
        self._session.forget(self._stream)
        if reset or not self._stream.is_over:
            self._stream.reset()
            self._session.flush_soon()


class MultiplexSession:
    """A yamux session on a connected socket, which it owns."""

    def __init__(
        self,
        loop: Loop,
        sock: socket.socket,
        *,
        is_client: bool,
        on_stream: Callable[[StreamEndpoint], None],
        on_end: Callable[[Exception | None], None],
    ) -> None:
        """Prepare; nothing happens before `start`.

        Args:
            loop: Where the session runs.
            sock: Non-blocking.
            is_client: Whether ours is the side that connected.
            on_stream: Receives each stream that the peer opens; it must be accepted
                or closed.
            on_end: Receives the reason for the end once; None for a regular one.
        """
        send_at_once(sock)
        self.loop = loop
        self._sock = sock
        self._on_stream = on_stream
        self._on_end = on_end
        self._session = Session(is_client=is_client, now=time.monotonic())
        self._endpoints: dict[Stream, StreamEndpoint] = {}
        self._to_send: bytes | memoryview = b""
        self._is_flushing = False
        self._is_closed = False
        self._timer: Timer | None = None

    @property
    def is_congested(self) -> bool:
        """Whether the socket has taken less than the streams have written."""
        return bool(self._to_send)

    def start(self) -> None:
        """Begin."""
        self.loop.watch(self._sock, READ, self._on_ready)
        self._set_timer()

    def open(self) -> StreamEndpoint:
        """Open a stream.

        Raises:
            OSError: The session has ended, or opens no more streams.
        """
        try:
            stream = self._session.open_stream(time.monotonic())
        except LocalProtocolError as exc:
            raise ConnectionAbortedError(str(exc)) from exc
        self.flush_soon()
        return self._endpoint(stream)

    def forget(self, stream: Stream) -> None:
        """Send a closed endpoint no more events."""
        self._endpoints.pop(stream, None)

    def close(self) -> None:
        """End the session with all its streams; idempotent."""
        self._end(None)

    def _endpoint(self, stream: Stream) -> StreamEndpoint:
        endpoint = self._endpoints[stream] = StreamEndpoint(self, stream)
        return endpoint

    def _on_ready(self, events: int) -> None:
        try:
            if events & READ:
                self._read()
                self.flush_soon()  # together with what readers will write
            if events & WRITE:
                self._flush()
        except OSError as exc:
            self._end(exc)

    def _read(self) -> None:
        try:
            count = self._sock.recv_into(scratch.received)
        except BlockingIOError:
            return
        if count:
            self._session.receive_data(scratch.received[:count], time.monotonic())
        else:
            self._session.receive_eof()
        self._dispatch()

    def _dispatch(self) -> None:
        for event in self._session.events():
            if isinstance(event, StreamOpened):
                self._on_stream(self._endpoint(event.stream))
            elif isinstance(event, SessionEnded):
                self._end(event.reason)
            elif not isinstance(event, GoneAway) and event.stream in self._endpoints:
                self._endpoints[event.stream].wake()

    def flush_soon(self) -> None:
        """Send what is due at the end of this round."""
        if not self._is_flushing:
            self._is_flushing = True
            self.loop.call_soon(self.flush)

    def flush(self) -> None:
        """Send what is due."""
        self._is_flushing = False
        try:
            self._flush()
        except OSError as exc:
            self._end(exc)

    def _flush(self) -> None:
        """Write; a session gives more only once all that it gave is written."""
        if self._is_closed:
            return
        was_congested = self.is_congested
        while data := self._to_send or self._session.data_to_send():
            try:
                sent = self._sock.send(data)
            except BlockingIOError:
                sent = 0
            self._to_send = memoryview(data)[sent:] if sent < len(data) else b""
            if self._to_send:
                break
        if was_congested != self.is_congested:
            events = READ | WRITE if self.is_congested else READ
            self.loop.watch(self._sock, events, self._on_ready)
            if was_congested:
                self._wake_all()

    def _wake_all(self) -> None:
        for endpoint in list(self._endpoints.values()):
            endpoint.wake()

    def _set_timer(self) -> None:
        # The keepalive is always the next to come, so one timer is enough.
        deadline = self._session.next_deadline()
        if deadline is not None:
            delay = max(0.0, deadline - time.monotonic())
            self._timer = self.loop.call_later(delay, self._advance)

    def _advance(self) -> None:
        self._session.advance(time.monotonic())
        self._dispatch()
        self.flush_soon()
        if not self._is_closed:
            self._set_timer()

    def _end(self, reason: Exception | None) -> None:
        if self._is_closed:
            return
        self._session.close()
        with contextlib.suppress(OSError):
            self._flush()  # the last word, if there is room for it
        self._is_closed = True
        self._to_send = b""
        if self._timer is not None:
            self._timer.cancel()
        self._wake_all()
        self.loop.forget(self._sock)
        self._sock.close()
        self._on_end(reason)
