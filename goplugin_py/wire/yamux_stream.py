"""What yamux sessions are made of: frames, credit, and the life of one stream.

Layer: wire. `goplugin_py.wire.yamux` has the theory, and the session that drives this.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, IntEnum, auto
from typing import Self

from goplugin_py.errors import LocalProtocolError, RemoteProtocolError

# Framing
VERSION = 0  # yamux: protoVersion
HEADER_SIZE = 12  # yamux: headerSize
SYN, ACK, FIN, RST = 1, 2, 4, 8  # yamux: flagSYN, flagACK, flagFIN, flagRST
_HEADER = struct.Struct(">BBHII")

# Flow control
WINDOW_SIZE = 256 * 1024  # yamux: initialStreamWindow, Config.MaxStreamWindowSize
MAX_CREDIT = 0xFFFF_FFFF  # yamux: Stream.sendWindow is a uint32

# Go starts a goroutine for each answer to a ping. No peer in good faith comes near.
MAX_REPLIES = 1024
STREAM_CLOSE_TIMEOUT = 300.0  # yamux: Config.StreamCloseTimeout


class GoAwayCode(IntEnum):
    """Why a side goes away."""

    NORMAL = 0  # yamux: goAwayNormal
    PROTOCOL_ERROR = 1  # yamux: goAwayProtoErr
    INTERNAL_ERROR = 2  # yamux: goAwayInternalErr


class SessionError(RemoteProtocolError):
    """What ended a session that should have gone on.

    Attributes:
        code: What the peer is told; None where Go tells it nothing.
    """

    def __init__(self, message: str, code: GoAwayCode | None = None) -> None:
        super().__init__(message)
        self.code = code


# Frames


class FrameType(IntEnum):
    """What a frame is for, and what its length means."""

    DATA = 0  # bytes of payload; yamux: typeData
    WINDOW_UPDATE = 1  # credit that is added; yamux: typeWindowUpdate
    PING = 2  # a number that comes back; yamux: typePing
    GO_AWAY = 3  # a GoAwayCode; yamux: typeGoAway


@dataclass(frozen=True, slots=True)
class Frame:
    """The header of a frame."""

    kind: FrameType
    flags: int
    """Any of SYN, ACK, FIN and RST; other bits mean nothing."""
    stream_id: int
    length: int

    @classmethod
    def parse(cls, header: memoryview | bytes) -> Self:
        """Read the 12 bytes.

        Raises:
            SessionError: The peer speaks another version or another protocol.
        """
        version, kind, flags, stream_id, length = _HEADER.unpack(header)
        if version != VERSION:
            raise SessionError(f"the peer speaks yamux version {version}, or none")
        if kind > FrameType.GO_AWAY:
            raise SessionError(f"unknown frame type {kind}")
        return cls(FrameType(kind), flags, stream_id, length)

    def format(self) -> bytes:
        """Return the 12 bytes."""
        return _HEADER.pack(VERSION, self.kind, self.flags, self.stream_id, self.length)


class Output:
    """The bytes that are due on the wire, from a session and all of its streams."""

    __slots__ = ("_chunks", "_replies")

    def __init__(self) -> None:
        self._chunks: list[bytes] = []
        self._replies = 0

    def put(self, frame: Frame) -> None:
        """Queue a frame that has no payload."""
        self._chunks.append(frame.format())

    def put_data(self, stream_id: int, data: memoryview | bytes) -> None:
        """Queue a data frame; copies what is not bytes."""
        self._chunks.append(_HEADER.pack(VERSION, 0, 0, stream_id, len(data)))
        self._chunks.append(bytes(data))

    def reply(self, frame: Frame) -> None:
        """Queue what the peer provoked, unless too much of that is queued."""
        if self._replies < MAX_REPLIES:
            self._replies += 1
            self.put(frame)

    def take(self) -> bytes:
        """Return and forget all of it."""
        data = b"".join(self._chunks)
        self._chunks.clear()
        self._replies = 0
        return data


class Window:
    """The credit for one direction of one stream.

    Each end keeps count of the same number. Payload spends it: at the sender when it
    is sent, at the receiver when it arrives. The receiver gives back what its user has
    read, though not in crumbs. Of the window's size S, B bytes are buffered and C
    are credit, so S - B - C can be granted, and are, once that is at least S / 2
    (yamux: Stream.sendWindowUpdate). Buffer and credit together never exceed S.
    """

    __slots__ = ("credit",)

    def __init__(self) -> None:
        self.credit = WINDOW_SIZE

    def spend(self, count: int) -> None:
        """Take off what is sent, or what has arrived; must not exceed the credit."""
        self.credit -= count

    def extend(self, count: int) -> None:
        """Add what the peer grants, up to what Go can count."""
        self.credit = min(self.credit + count, MAX_CREDIT)

    def grant(self, buffered: int) -> int:
        """Add what our user has made room for; return what to tell the peer of it."""
        delta = WINDOW_SIZE - buffered - self.credit
        if delta < WINDOW_SIZE // 2:
            return 0
        self.credit += delta
        return delta


# Streams


class State(Enum):
    """Where a stream is in its life; yamux: streamState."""

    SYN_SENT = auto()
    SYN_RECEIVED = auto()
    ESTABLISHED = auto()
    LOCAL_CLOSED = auto()
    REMOTE_CLOSED = auto()
    CLOSED = auto()
    RESET = auto()


class _Move(Enum):
    ACK = auto()  # the acceptor's: sent by us or received
    SEND_FIN = auto()
    RECEIVE_FIN = auto()
    RST = auto()  # either side's
    LOSE = auto()  # the session has ended


_ABORTED = {_Move.RST: State.RESET, _Move.LOSE: State.CLOSED}
_NEXT: dict[State, dict[_Move, State]] = {
    State.SYN_SENT: {
        _Move.ACK: State.ESTABLISHED,
        _Move.SEND_FIN: State.LOCAL_CLOSED,
        _Move.RECEIVE_FIN: State.REMOTE_CLOSED,
        **_ABORTED,
    },
    State.SYN_RECEIVED: {
        _Move.ACK: State.ESTABLISHED,
        _Move.RECEIVE_FIN: State.REMOTE_CLOSED,
        **_ABORTED,
    },
    State.ESTABLISHED: {
        _Move.SEND_FIN: State.LOCAL_CLOSED,
        _Move.RECEIVE_FIN: State.REMOTE_CLOSED,
        **_ABORTED,
    },
    State.LOCAL_CLOSED: {_Move.RECEIVE_FIN: State.CLOSED, **_ABORTED},
    State.REMOTE_CLOSED: {_Move.SEND_FIN: State.CLOSED, **_ABORTED},
    State.CLOSED: {},
    State.RESET: {},
}
# Tuples: looking through three by identity beats hashing an enum's member.
_MAY_SEND = (State.ESTABLISHED, State.SYN_SENT, State.REMOTE_CLOSED)
_MAY_RECEIVE = (
    State.ESTABLISHED,
    State.SYN_SENT,
    State.LOCAL_CLOSED,
    State.SYN_RECEIVED,
)
_OVER = (State.CLOSED, State.RESET)


class Stream:
    """One stream of a session: a byte stream each way that never blocks.

    The user calls `accept`, `read_into`, `send`, `send_eof` and `reset`, in the end
    either the latter or `send_eof`. The session calls what starts with `receive_`.
    """

    __slots__ = (
        "_buffer",
        "_incoming",
        "_on_change",
        "_outgoing",
        "_output",
        "deadline",
        "is_accepted",
        "state",
        "stream_id",
    )

    def __init__(
        self,
        stream_id: int,
        state: State,
        deadline: float,
        output: Output,
        on_change: Callable[["Stream"], None],
    ) -> None:
        self.stream_id = stream_id
        self.state = state
        self.deadline = deadline
        """When the state SYN_SENT, or else LOCAL_CLOSED, has lasted too long."""
        self.is_accepted = state is not State.SYN_RECEIVED
        """Whether it is out of the backlog; true of those that we opened."""
        self._output = output
        self._on_change = on_change
        self._incoming = Window()
        self._outgoing = Window()
        self._buffer = bytearray()

    def __repr__(self) -> str:
        return f"<Stream {self.stream_id} {self.state.name}>"

    @property
    def readable_bytes(self) -> int:
        """What `read_into` could give now."""
        return len(self._buffer)

    @property
    def credit(self) -> int:
        """What the peer has room for; `send` takes that much."""
        return self._outgoing.credit

    @property
    def is_over(self) -> bool:
        """Whether the session has forgotten it. There may be bytes left to read."""
        return self.state in _OVER

    @property
    def is_reset(self) -> bool:
        """Whether it ended without the care of FIN; nothing is left to read."""
        return self.state is State.RESET

    @property
    def is_at_eof(self) -> bool:
        """Whether the peer has ended its direction, or the session, and all is read."""
        return not self._buffer and self.state in (State.REMOTE_CLOSED, State.CLOSED)

    def accept(self) -> None:
        """Take a stream that the peer opened, before any other use of it.

        Raises:
            LocalProtocolError: It is accepted already, or we opened it.
        """
        if self.is_accepted:
            raise LocalProtocolError(f"{self!r} is not waiting to be accepted")
        self.is_accepted = True
        # Like Go: an opener that has sent FIN meanwhile no longer waits for ACK.
        if self.state is State.SYN_RECEIVED:
            self._put(ACK)
            self._move(_Move.ACK)
        elif not self.is_over:
            self._on_change(self)

    def read_into(self, buffer: memoryview) -> int:
        """Move bytes into `buffer` and return their number, 0 if there are none.

        Raises:
            LocalProtocolError: It must be accepted first.
        """
        if self.state is State.SYN_RECEIVED:
            raise LocalProtocolError(f"{self!r} must be accepted before it is read")
        buffered = len(self._buffer)
        if buffered <= len(buffer):
            count = buffered
            buffer[:count] = self._buffer
            self._buffer.clear()
        else:
            count = len(buffer)
            with memoryview(self._buffer) as view:
                buffer[:] = view[:count]
            del self._buffer[:count]  # moves the start, not the bytes
        if self.state in _MAY_RECEIVE:
            delta = self._incoming.grant(buffered - count)
            if delta:
                self._put(0, delta)
        return count

    def send(self, data: memoryview | bytes) -> int:
        """Queue as much as there is credit for, and return how much that is.

        Raises:
            LocalProtocolError: Our direction is not open, or not any more.
        """
        if self.state not in _MAY_SEND:
            raise LocalProtocolError(f"{self!r} can't send")
        credit = self._outgoing.credit
        if credit < len(data):
            data = data[:credit]
        count = len(data)
        if count:
            self._outgoing.spend(count)
            self._output.put_data(self.stream_id, data)
        return count

    def send_eof(self, now: float) -> None:
        """End our direction, if it has not ended.

        Raises:
            LocalProtocolError: It must be accepted first.
        """
        if self.state is not State.LOCAL_CLOSED and not self.is_over:
            self.deadline = now + STREAM_CLOSE_TIMEOUT
            self._move(_Move.SEND_FIN)
            self._put(FIN)

    def reset(self) -> None:
        """End both directions at once and drop what is buffered."""
        if self.state is State.SYN_RECEIVED:
            # A refusal, which the peer has provoked.
            self._output.reply(self._frame(RST))
            self._move(_Move.RST)
        elif not self.is_over:
            self._put(RST)
            self._move(_Move.RST)
        self._buffer.clear()

    def receive_data(self, data: memoryview) -> bool:
        """Take payload; return whether there was nothing to read before."""
        # Go's Close can overtake a Write of another goroutine, so bytes after FIN are
        # no breach. Go buffers them, for a reader that has usually seen the end.
        if self.state not in _MAY_RECEIVE:
            return False
        was_empty = not self._buffer
        self._incoming.spend(len(data))
        self._buffer += data
        return was_empty

    def receive_credit(self, count: int) -> bool:
        """Take credit; return whether there was none before."""
        was_empty = not self._outgoing.credit
        self._outgoing.extend(count)
        return was_empty and count > 0 and self.state in _MAY_SEND

    def receive_length(self, length: int) -> None:
        """Take the announcement of payload.

        Raises:
            SessionError: It exceeds the credit.
        """
        if length > self._incoming.credit:
            raise SessionError(
                f"stream {self.stream_id} got {length} bytes "
                f"with a credit of {self._incoming.credit}",
                GoAwayCode.PROTOCOL_ERROR,
            )

    def receive_ack(self) -> None:
        """Take the word that the peer accepted."""
        # It may come after a FIN of either side, and then changes nothing.
        if self.state is State.SYN_SENT:
            self._move(_Move.ACK)

    def receive_fin(self) -> None:
        """Take the end of the peer's direction.

        Raises:
            SessionError: It had ended.
        """
        self.expect_fin()
        self._move(_Move.RECEIVE_FIN)

    def expect_fin(self) -> None:
        """Take the announcement of that end.

        Raises:
            SessionError: It has ended.
        """
        if self.state is State.REMOTE_CLOSED:
            raise SessionError(
                f"stream {self.stream_id} ended twice", GoAwayCode.PROTOCOL_ERROR
            )

    def receive_reset(self) -> None:
        """Take the end of both directions."""
        self._move(_Move.RST)
        self._buffer.clear()

    def receive_loss(self) -> None:
        """Take the end of the session; what is buffered can still be read."""
        self._move(_Move.LOSE)

    def _put(self, flags: int, credit: int = 0) -> None:
        self._output.put(self._frame(flags, credit))

    def _frame(self, flags: int, credit: int = 0) -> Frame:
        return Frame(FrameType.WINDOW_UPDATE, flags, self.stream_id, credit)

    def _move(self, move: _Move) -> None:
        try:
            self.state = _NEXT[self.state][move]
        except KeyError:
            raise LocalProtocolError(f"{self!r} can't {move.name}") from None
        self._on_change(self)
