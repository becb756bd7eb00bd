"""Two yamux sessions over a fake wire: examples, and a machine that tries all moves."""

import random
from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
)

from goplugin_py.wire.yamux import (
    Session,
    SessionEnded,
    State,
    Stream,
    StreamEnded,
    StreamOpened,
    StreamReadable,
    StreamReset,
    StreamWritable,
)
from tests.wire.frames import WINDOW


@dataclass
class Record:
    """What has gone through one direction of a stream, as its users saw it."""

    sent: bytearray = field(default_factory=bytearray)
    read: int = 0

    def check(self, data: bytes) -> None:
        """Compare bytes just read with what was sent."""
        assert data == self.sent[self.read : self.read + len(data)]
        self.read += len(data)


class Side:
    """A session with a user who believes its events and nothing else."""

    def __init__(self, *, is_client: bool) -> None:
        self.session = Session(is_client=is_client, now=0.0)
        self.wire = bytearray()  # sent by us, not yet delivered
        self.streams: dict[int, Stream] = {}
        self.waiting: list[Stream] = []
        self.readable: set[int] = set()
        self.stuck: set[int] = set()
        self.ended: set[int] = set()
        self.reset: set[int] = set()

    def open(self, now: float) -> Stream:
        stream = self.session.open_stream(now)
        self.streams[stream.stream_id] = stream
        return stream

    def accept(self) -> None:
        self.waiting.pop(0).accept()

    def flush(self) -> None:
        self.wire += self.session.data_to_send()

    def note_events(self) -> None:
        for event in self.session.events():
            match event:
                case StreamOpened(stream):
                    self.streams[stream.stream_id] = stream
                    self.waiting.append(stream)
                case StreamReadable(stream):
                    self.readable.add(stream.stream_id)
                case StreamWritable(stream):
                    self.stuck.discard(stream.stream_id)
                case StreamEnded(stream):
                    self.ended.add(stream.stream_id)
                case StreamReset(stream):
                    self.forget(stream)
                case SessionEnded(reason):
                    raise AssertionError(reason)

    def forget(self, stream: Stream) -> None:
        self.reset.add(stream.stream_id)
        if stream in self.waiting:
            self.waiting.remove(stream)

    def send(self, stream: Stream, data: bytes) -> int:
        credit = stream.credit
        count = stream.send(data)
        assert count == min(credit, len(data))
        if count < len(data):
            self.stuck.add(stream.stream_id)
        return count

    def read(self, stream: Stream, limit: int) -> bytes:
        buffer = memoryview(bytearray(limit))
        data = bytes(buffer[: stream.read_into(buffer)])
        if not stream.readable_bytes:
            self.readable.discard(stream.stream_id)
        return data

    @property
    def accepted(self) -> list[Stream]:
        waiting = set(self.waiting)
        return [each for each in self.streams.values() if each not in waiting]


class Pair:
    """Both sides, the wires between them, and records of what streams carried."""

    def __init__(self) -> None:
        self.client = Side(is_client=True)
        self.server = Side(is_client=False)
        self.sides = (self.client, self.server)
        self.records: dict[tuple[Side, int], Record] = {}
        self.now = 0.0

    def other(self, side: Side) -> Side:
        return self.server if side is self.client else self.client

    def record(self, sender: Side, stream: Stream) -> Record:
        return self.records.setdefault((sender, stream.stream_id), Record())

    def deliver(self, sender: Side, limit: int | None = None) -> None:
        sender.flush()
        data = bytes(sender.wire[:limit])
        del sender.wire[: len(data)]
        receiver = self.other(sender)
        receiver.session.receive_data(data, self.now)
        receiver.note_events()

    def settle(self) -> None:
        """Deliver until nothing is on its way."""
        for side in self.sides:
            side.flush()
        while any(side.wire for side in self.sides):
            for side in self.sides:
                self.deliver(side)
                self.other(side).flush()

    def send(self, side: Side, stream: Stream, data: bytes) -> int:
        count = side.send(stream, data)
        self.record(side, stream).sent += data[:count]
        return count

    def read(self, side: Side, stream: Stream, limit: int) -> int:
        data = side.read(stream, limit)
        self.record(self.other(side), stream).check(data)
        return len(data)

    def pass_time(self, seconds: float) -> None:
        """Let time pass on a fast wire between users who accept."""
        end = self.now + seconds
        while True:
            self.settle()
            for side in self.sides:
                while side.waiting:
                    side.accept()
            self.settle()
            deadlines = [side.session.next_deadline() for side in self.sides]
            self.now = min(end, *filter(None, deadlines))
            for side in self.sides:
                side.session.advance(self.now)
                side.note_events()
            if self.now == end:
                break
        self.settle()


def opened(pair: Pair) -> tuple[Stream, Stream]:
    """Return both ends of a stream that the client opened."""
    near = pair.client.open(pair.now)
    pair.deliver(pair.client)
    pair.server.accept()
    pair.settle()
    return near, pair.server.streams[near.stream_id]


def test_a_large_transfer_waits_for_its_reader() -> None:
    """8 MiB through windows of 256 KiB; without a reader exactly one of them moves."""
    pair = Pair()
    near, far = opened(pair)
    data = random.Random(1).randbytes(8 << 20)
    position = pair.send(pair.client, near, data)
    pair.settle()
    assert (position, far.readable_bytes) == (WINDOW, WINDOW)
    while pair.record(pair.client, near).read < len(data):
        pair.read(pair.server, far, 100_000)
        position += pair.send(pair.client, near, data[position : position + WINDOW])
        pair.settle()
    assert pair.record(pair.client, near).sent == data


def test_an_idle_session_lives_for_ever() -> None:
    """Both sides ping, and each answers."""
    pair = Pair()
    opened(pair)
    pair.pass_time(3600.0)
    assert not pair.client.session.is_ended
    assert not pair.server.session.is_ended


def test_a_session_without_a_peer_ends_itself() -> None:
    """Go: keepalive timeout, 40 s after the start."""
    session = Session(is_client=True, now=0.0)
    passed = []
    while (deadline := session.next_deadline()) is not None:
        passed.append(deadline)
        session.advance(deadline)
    assert session.is_ended
    assert passed == [30.0, 40.0]


def test_streams_come_and_go_without_a_trace() -> None:
    """2,000 of them, from both sides."""
    pair = Pair()
    for i in range(2000):
        opener, acceptor = pair.sides if i % 2 else pair.sides[::-1]
        near = opener.open(pair.now)
        pair.send(opener, near, b"question")
        pair.deliver(opener)
        acceptor.accept()
        far = acceptor.streams[near.stream_id]
        assert pair.read(acceptor, far, 100) == 8
        pair.send(acceptor, far, b"answer")
        far.send_eof(pair.now)
        near.send_eof(pair.now)
        pair.settle()
        assert pair.read(opener, near, 100) == 6
        assert near.is_at_eof
        assert far.is_at_eof
    for side in pair.sides:
        assert_empty(side.session)


def assert_empty(session: Session) -> None:
    """Nothing is kept of streams that are over."""
    assert session.stream_count == 0
    assert not session._unacked
    assert not session._opening
    assert not session._closing
    assert not session._backlog


sides = st.sampled_from([0, 1])
# Small numbers, and those around the window's size and half of it.
sizes = st.one_of(
    st.integers(1, 300),
    st.builds(
        lambda base, near: base + near,
        st.sampled_from([1 << 10, WINDOW // 2, WINDOW]),
        st.integers(-2, 2),
    ),
)


class TwoSessions(RuleBasedStateMachine):
    """Anything two users may do, over a wire that cuts the bytes anywhere."""

    def __init__(self) -> None:
        super().__init__()
        self.pair = Pair()
        self.random = random.Random(0)

    def pick(self, side: Side, index: int) -> Stream | None:
        """Return one of the streams that the user has and that are not reset."""
        usable = [each for each in side.accepted if not each.is_reset]
        return usable[index % len(usable)] if usable else None

    @initialize()
    def begin(self) -> None:
        opened(self.pair)

    @rule(side=sides)
    def open(self, side: int) -> None:
        opener = self.pair.sides[side]
        if opener.session.can_open:
            opener.open(self.pair.now)

    @rule(side=sides)
    def accept(self, side: int) -> None:
        if self.pair.sides[side].waiting:
            self.pair.sides[side].accept()

    @rule(side=sides)
    def refuse(self, side: int) -> None:
        refuser = self.pair.sides[side]
        if refuser.waiting:
            stream = refuser.waiting[0]
            stream.reset()
            refuser.forget(stream)

    @rule(side=sides, index=st.integers(0, 9), size=sizes)
    def send(self, side: int, index: int, size: int) -> None:
        sender = self.pair.sides[side]
        stream = self.pick(sender, index)
        if stream and stream.state not in (State.LOCAL_CLOSED, State.CLOSED):
            self.pair.send(sender, stream, self.random.randbytes(size))

    @rule(side=sides, index=st.integers(0, 9), size=sizes)
    def read(self, side: int, index: int, size: int) -> None:
        reader = self.pair.sides[side]
        stream = self.pick(reader, index)
        if stream:
            expected = min(size, stream.readable_bytes)
            assert self.pair.read(reader, stream, size) == expected

    @rule(side=sides, index=st.integers(0, 9))
    def half_close(self, side: int, index: int) -> None:
        stream = self.pick(self.pair.sides[side], index)
        if stream:
            stream.send_eof(self.pair.now)

    @rule(side=sides, index=st.integers(0, 9))
    def reset(self, side: int, index: int) -> None:
        stream = self.pick(self.pair.sides[side], index)
        if stream and not stream.is_over:
            stream.reset()
            self.pair.sides[side].forget(stream)

    @rule(side=sides, sizes=st.lists(sizes, min_size=1, max_size=5))
    def deliver(self, side: int, sizes: list[int]) -> None:
        for size in sizes:
            self.pair.deliver(self.pair.sides[side], size)

    @rule()
    def settle(self) -> None:
        self.pair.settle()

    @rule(seconds=st.sampled_from([1.0, 29.0, 31.0, 80.0, 301.0]))
    def wait(self, seconds: float) -> None:
        self.pair.pass_time(seconds)

    @invariant()
    def windows_bound_what_is_buffered(self) -> None:
        for side in self.pair.sides:
            for stream in side.streams.values():
                if not stream.is_reset:
                    held = stream.readable_bytes + stream._incoming.credit
                    assert 0 <= held <= WINDOW
                assert 0 <= stream.credit <= WINDOW

    @invariant()
    def events_told_everything(self) -> None:
        for side in self.pair.sides:
            for stream in side.streams.values():
                if stream.readable_bytes:
                    assert stream.stream_id in side.readable
                if stream.is_at_eof:
                    assert stream.stream_id in side.ended
                assert stream.is_reset == (stream.stream_id in side.reset)
                if stream.stream_id in side.stuck and stream.state is State.ESTABLISHED:
                    assert not stream.credit

    def teardown(self) -> None:
        """Let both users read everything and end; nothing may be lost or left."""
        pair = self.pair
        pair.settle()
        while any(side.waiting for side in pair.sides):
            for side in pair.sides:
                while side.waiting:
                    side.accept()
            pair.settle()
        for side in pair.sides:
            for stream in side.streams.values():
                stream.send_eof(pair.now)
        pair.settle()
        for side in pair.sides:
            for stream in side.streams.values():
                if not stream.is_reset:
                    pair.read(side, stream, WINDOW)
                    assert stream.is_at_eof
                    record = pair.record(pair.other(side), stream)
                    assert record.read == len(record.sent)
            assert not side.session.is_ended
            assert_empty(side.session)


TestTwoSessions = TwoSessions.TestCase
TestTwoSessions.settings = settings(max_examples=100, stateful_step_count=40)
