"""yamux: many byte streams over one connection. Bytes in, bytes out, either role.

Layer: wire. On the wire this is hashicorp/yamux 0.1.2 with its `DefaultConfig`, which
go-plugin uses for broker multiplexing; names after `yamux:` are symbols of its source.

Theory of operation
===================

The connection is a sequence of frames: a header of 12 bytes and, for data frames,
a payload. `Session` takes bytes cut up in any way and gives bytes for the peer, and
tells what happened as events. It is driven like this, on one thread:

    received bytes --> receive_data --> events() --> calls on streams
                                                         |
    bytes to send  <----------- data_to_send() <---------+

Time is an argument: before `next_deadline()` passes, `advance(now)` need not be called.
Bytes that have arrived should be given to `receive_data` before time is advanced, or
an answer that lies in the socket counts as missing.

**Opening.** SYN opens a stream, and its opener may send at once. ACK goes back only
when the acceptor's user accepts. Someone who never does is taken for dead: an opener
whose stream stays in SYN_SENT for 75 s ends the whole session.

**Credit.** Each direction of a stream starts with 256 KiB that may be sent. A sender
without credit waits. Credit comes back as the receiver's *user* reads, so the windows
carry back-pressure from one user to the other, and bound what a stream buffers.
`Window` has the arithmetic.

**Ends.** FIN ends one direction and is sent once; after both, the stream is gone. RST
ends both directions and loses what is buffered. Who has sent FIN and gets none within
5 minutes sends RST. The end of the session ends every stream as FIN would, after the
bytes that are buffered already.

**Breaches.** What Go ends the session for, ends it here, with the GoAway frame that Go
would queue. Frames for streams that do not exist are skipped: they were on their way
when the stream was reset. The payload of a frame is handed on as it arrives, whatever
its length claims to be, so a length reserves no memory.

**Limits.** Everything that a peer can make us hold is counted: bytes per stream by its
window, streams nobody accepted by ACCEPT_BACKLOG, answers it does not collect by
MAX_REPLIES. For the last to work, call `data_to_send` only once what it gave before is
written.
"""

import struct
from dataclasses import dataclass
from typing import TypeAlias

from goplugin_py.errors import LocalProtocolError
from goplugin_py.wire.yamux_stream import (
    ACK,
    FIN,
    HEADER_SIZE,
    RST,
    SYN,
    Frame,
    FrameType,
    GoAwayCode,
    Output,
    SessionError,
    State,
    Stream,
    Window,
)

__all__ = [
    "Event",
    "Frame",
    "FrameType",
    "GoAwayCode",
    "GoneAway",
    "Session",
    "SessionEnded",
    "SessionError",
    "State",
    "Stream",
    "StreamAccepted",
    "StreamEnded",
    "StreamOpened",
    "StreamReadable",
    "StreamReset",
    "StreamWritable",
    "Window",
]

# Limits
ACCEPT_BACKLOG = 256  # yamux: Config.AcceptBacklog, also of unacknowledged opens
MAX_STREAM_ID = 0xFFFF_FFFD  # yamux: Session.OpenStream
MAX_PING = 0xFFFF_FFFF

# Times, in seconds
KEEPALIVE_INTERVAL = 30.0  # yamux: Config.KeepAliveInterval
PING_TIMEOUT = 10.0  # yamux: Config.ConnectionWriteTimeout
STREAM_OPEN_TIMEOUT = 75.0  # yamux: Config.StreamOpenTimeout

# A header with version, type and flags as one number: 0 is data without flags.
_PLAIN_HEADER = struct.Struct(">III")
_FAILURES: dict[int, str] = {  # yamux: Session.handleGoAway
    GoAwayCode.PROTOCOL_ERROR: "it saw a breach of the protocol",
    GoAwayCode.INTERNAL_ERROR: "it failed",
}


# Events


@dataclass(frozen=True, slots=True)
class StreamOpened:
    """The peer opened a stream: `accept` or `reset` it, even if it has ended."""

    stream: Stream


@dataclass(frozen=True, slots=True)
class StreamAccepted:
    """The peer accepted a stream that we opened."""

    stream: Stream


@dataclass(frozen=True, slots=True)
class StreamReadable:
    """There are bytes where there were none; not repeated while some are left."""

    stream: Stream


@dataclass(frozen=True, slots=True)
class StreamWritable:
    """There is credit where there was none."""

    stream: Stream


@dataclass(frozen=True, slots=True)
class StreamEnded:
    """Nothing more will come from the peer; there may be bytes left to read."""

    stream: Stream


@dataclass(frozen=True, slots=True)
class StreamReset:
    """The stream is gone in both directions: by the peer, or for want of its FIN."""

    stream: Stream


@dataclass(frozen=True, slots=True)
class GoneAway:
    """The peer takes no more streams; those that exist go on."""


@dataclass(frozen=True, slots=True)
class SessionEnded:
    """The session is over; `data_to_send` may hold a last word. Comes last."""

    reason: SessionError | None
    """None if either side closed the connection regularly."""


Event: TypeAlias = (
    StreamOpened
    | StreamAccepted
    | StreamReadable
    | StreamWritable
    | StreamEnded
    | StreamReset
    | GoneAway
    | SessionEnded
)


class Session:
    """One end of a connection that carries streams. The peer's breaches are events."""

    def __init__(self, *, is_client: bool, now: float) -> None:
        self.is_ended = False
        """Whether the session is over; bytes received after that are ignored."""
        self._output = Output()
        self._events: list[Event] = []
        self._streams: dict[int, Stream] = {}
        self._next_id = 1 if is_client else 2
        self._was_told_to_stop = False  # by the peer's GoAway
        self._told_to_stop = False  # the peer, by ours
        # Streams that we opened: without ACK, and of these the ones still waiting.
        self._unacked: set[Stream] = set()
        self._opening: dict[Stream, None] = {}  # by deadline
        self._closing: dict[Stream, None] = {}  # by deadline
        self._backlog: set[Stream] = set()
        self._unreported = 0  # StreamOpened events that wait to be collected
        # What has arrived of a header, and what is missing of a payload.
        self._header = bytearray()
        self._missing = 0
        self._target: Stream | None = None
        self._target_ends = False
        self._ping_id = 0
        self._is_pinging = False
        self._ping_deadline = now + KEEPALIVE_INTERVAL

    @property
    def stream_count(self) -> int:
        """How many streams there are, open or half-closed; yamux: NumStreams."""
        return len(self._streams)

    @property
    def can_open(self) -> bool:
        """Whether `open_stream` is allowed now."""
        return self._open_problem() is None

    def _open_problem(self) -> str | None:
        if self.is_ended:
            return "the session is over"
        if self._was_told_to_stop:
            return "the peer takes no more streams"
        if self._next_id > MAX_STREAM_ID:
            return "all stream ids are used up"
        if len(self._unacked) >= ACCEPT_BACKLOG:
            return f"{ACCEPT_BACKLOG} streams are waiting for the peer to accept"
        return None

    def open_stream(self, now: float) -> Stream:
        """Open a stream, which may send at once.

        Raises:
            LocalProtocolError: `can_open` is false.
        """
        # Go lets a peer open streams with our ids, and so do we.
        while self._next_id in self._streams:
            self._next_id += 2
        problem = self._open_problem()
        if problem is not None:
            raise LocalProtocolError(problem)
        stream = self._add(self._next_id, State.SYN_SENT, now + STREAM_OPEN_TIMEOUT)
        self._next_id += 2
        self._unacked.add(stream)
        self._opening[stream] = None
        self._output.put(Frame(FrameType.WINDOW_UPDATE, SYN, stream.stream_id, 0))
        return stream

    def go_away(self) -> None:
        """Ask the peer to open no more streams; what it opens is reset from now on."""
        if not self._told_to_stop and not self.is_ended:
            self._told_to_stop = True
            self._output.put(Frame(FrameType.GO_AWAY, 0, 0, GoAwayCode.NORMAL))

    def close(self) -> None:
        """End the session. As with Go, the peer learns it from the end of the bytes."""
        self._end(None)

    def events(self) -> list[Event]:
        """Return and forget what happened, in order."""
        events, self._events = self._events, []
        self._unreported = 0
        return events

    def data_to_send(self) -> bytes:
        """Return and forget the bytes that are due on the wire."""
        return self._output.take()

    def next_deadline(self) -> float | None:
        """Return when `advance` has something to do; None after the end."""
        if self.is_ended:
            return None
        deadline = self._ping_deadline
        for waiting in (self._opening, self._closing):
            if waiting:
                deadline = min(deadline, next(iter(waiting)).deadline)
        return deadline

    def advance(self, now: float) -> None:
        """Let time pass; does nothing before the deadline."""
        while not self.is_ended and self._closing:
            stream = next(iter(self._closing))
            if now < stream.deadline:
                break
            stream.reset()
            self._events.append(StreamReset(stream))
        opened = next(iter(self._opening), None)
        if opened is not None and now >= opened.deadline:
            self._end(SessionError(f"{opened!r} was not accepted in time"))
        if not self.is_ended and now >= self._ping_deadline:
            self._keep_alive(now)

    def _keep_alive(self, now: float) -> None:
        if self._is_pinging:
            self._end(SessionError("the peer does not answer: keepalive timeout"))
            return
        self._output.put(Frame(FrameType.PING, SYN, 0, self._ping_id))
        self._is_pinging = True
        self._ping_deadline = now + PING_TIMEOUT

    def receive_eof(self) -> None:
        """Take the end of the connection."""
        is_cut = self._header or self._missing
        self._end(SessionError("the connection broke in a frame") if is_cut else None)

    def receive_data(self, data: memoryview | bytes, now: float) -> None:
        """Take bytes from the wire. They are copied, once, where they are kept."""
        if not self.is_ended:
            try:
                self._receive(memoryview(data), now)
            except SessionError as exc:
                self._end(exc)

    def _receive(self, data: memoryview, now: float) -> None:
        start, end = self._complete_header(data, now), len(data)
        while start < end:
            if self._missing:
                payload = data[start : start + self._missing]
                start += len(payload)
                self._receive_payload(payload)
                continue
            after = start + HEADER_SIZE
            if after > end:
                self._header += data[start:]
                return
            what, stream_id, length = _PLAIN_HEADER.unpack_from(data, start)
            if what:
                self._receive_frame(Frame.parse(data[start:after]), now)
            else:
                self._announce(self._streams.get(stream_id), length)
            start = after

    def _complete_header(self, data: memoryview, now: float) -> int:
        """Deal with a header that began in earlier bytes; return where it ends."""
        if not self._header:
            return 0
        count = HEADER_SIZE - len(self._header)
        self._header += data[:count]
        if len(self._header) == HEADER_SIZE:
            header = bytes(self._header)
            self._header.clear()
            self._receive_frame(Frame.parse(header), now)
        return count

    def _announce(self, stream: Stream | None, length: int, ends: bool = False) -> None:
        """Direct the payload to come to `stream`, or to nowhere."""
        if stream is not None:
            stream.receive_length(length)
        self._target = stream
        self._target_ends = ends
        self._missing = length

    def _receive_payload(self, data: memoryview) -> None:
        self._missing -= len(data)
        stream = self._target
        if stream is None:
            return
        if stream.receive_data(data):
            self._events.append(StreamReadable(stream))
        if self._target_ends and not self._missing and not stream.is_over:
            self._receive_fin(stream)

    def _receive_frame(self, frame: Frame, now: float) -> None:
        match frame.kind:
            case FrameType.PING:
                self._receive_ping(frame, now)
            case FrameType.GO_AWAY:
                self._receive_go_away(frame.length)
            case _:
                self._receive_for_stream(frame)

    def _receive_ping(self, frame: Frame, now: float) -> None:
        if frame.flags & SYN:
            self._output.reply(Frame(FrameType.PING, ACK, 0, frame.length))
        elif self._is_pinging and frame.length == self._ping_id:
            self._is_pinging = False
            self._ping_id = (self._ping_id + 1) & MAX_PING
            self._ping_deadline = now + KEEPALIVE_INTERVAL

    def _receive_go_away(self, code: int) -> None:
        if code != GoAwayCode.NORMAL:
            why = _FAILURES.get(code, f"code {code}")
            raise SessionError(f"the peer ended the session: {why}")
        if not self._was_told_to_stop:
            self._was_told_to_stop = True
            self._events.append(GoneAway())

    def _receive_for_stream(self, frame: Frame) -> None:
        flags = frame.flags
        if flags & SYN:
            self._receive_syn(frame.stream_id)
        stream = self._streams.get(frame.stream_id)
        is_data = frame.kind is FrameType.DATA
        # The end comes after the bytes that are in the same frame.
        ends_later = is_data and frame.length > 0 and flags & FIN > 0
        if stream is not None:
            if flags & ACK:
                self._receive_ack(stream)
            if ends_later:
                stream.expect_fin()
            elif flags & FIN:
                self._receive_fin(stream)
            if flags & RST and not stream.is_over:
                stream.receive_reset()
                self._events.append(StreamReset(stream))
        if is_data:
            self._announce(stream, frame.length, ends_later)
        elif stream is not None and stream.receive_credit(frame.length):
            self._events.append(StreamWritable(stream))

    def _receive_syn(self, stream_id: int) -> None:
        if self._told_to_stop:
            self._refuse(stream_id)
        elif stream_id in self._streams:
            raise SessionError(
                f"stream {stream_id} was opened twice", GoAwayCode.PROTOCOL_ERROR
            )
        # The second count is for streams that are opened and reset in one go.
        elif max(len(self._backlog), self._unreported) >= ACCEPT_BACKLOG:
            self._refuse(stream_id)
        else:
            stream = self._add(stream_id, State.SYN_RECEIVED, 0.0)
            self._backlog.add(stream)
            self._unreported += 1
            self._events.append(StreamOpened(stream))

    def _refuse(self, stream_id: int) -> None:
        self._output.reply(Frame(FrameType.WINDOW_UPDATE, RST, stream_id, 0))

    def _receive_ack(self, stream: Stream) -> None:
        if stream in self._unacked:
            self._unacked.discard(stream)
            stream.receive_ack()
            self._events.append(StreamAccepted(stream))

    def _receive_fin(self, stream: Stream) -> None:
        stream.receive_fin()
        self._events.append(StreamEnded(stream))

    def _add(self, stream_id: int, state: State, deadline: float) -> Stream:
        stream = Stream(stream_id, state, deadline, self._output, self._stream_changed)
        self._streams[stream_id] = stream
        return stream

    def _stream_changed(self, stream: Stream) -> None:
        self._opening.pop(stream, None)
        if stream.is_accepted or stream.is_over:
            self._backlog.discard(stream)
        if stream.state is State.LOCAL_CLOSED:
            self._closing[stream] = None
        elif stream.is_over:
            self._closing.pop(stream, None)
            self._unacked.discard(stream)
            del self._streams[stream.stream_id]

    def _end(self, reason: SessionError | None) -> None:
        if self.is_ended:
            return
        self.is_ended = True
        if reason is not None and reason.code is not None:
            self._output.put(Frame(FrameType.GO_AWAY, 0, 0, reason.code))
        for stream in list(self._streams.values()):
            if stream.state is not State.REMOTE_CLOSED:
                self._events.append(StreamEnded(stream))
            stream.receive_loss()
        self._events.append(SessionEnded(reason))
