"""Our yamux session against Go's, over a unix socket, in both roles."""

from __future__ import annotations

import contextlib
import hashlib
import json
import random
import select
import socket
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from goplugin_py.wire.yamux import (
    GoneAway,
    Session,
    SessionEnded,
    State,
    Stream,
    StreamAccepted,
    StreamOpened,
    StreamReset,
)
from interop.fixtures import binary

# For each wait; Go's answers come within milliseconds.
WAIT = 5.0
WINDOW = 256 * 1024
DATA, WINDOW_UPDATE = 0, 1
SYN, ACK, FIN, RST = 1, 2, 4, 8

roles = pytest.mark.parametrize("role", ["client", "server"])


def header(kind: int, flags: int = 0, stream_id: int = 0, length: int = 0) -> bytes:
    return b"\0" + b"".join(
        number.to_bytes(size)
        for number, size in ((kind, 1), (flags, 2), (stream_id, 4), (length, 4))
    )


class Talk:
    """Our end of one stream: writes as credit allows, reads what comes, and ends."""

    def __init__(self, stream: Stream, to_send: bytes = b"", *, ends: bool = True):
        self.stream = stream
        self.sent = to_send
        self.position = 0
        self.ends = ends
        self.reads = True
        self.received = bytearray()

    def move(self, now: float) -> None:
        """Do what is possible."""
        if self.stream.is_reset:
            return
        rest = memoryview(self.sent)[self.position :]
        if rest:
            self.position += self.stream.send(rest)
        if self.ends and self.position == len(self.sent):
            self.stream.send_eof(now)
        if self.reads:
            self.read(1 << 20)

    def read(self, limit: int) -> None:
        buffer = memoryview(bytearray(min(limit, self.stream.readable_bytes)))
        self.received += buffer[: self.stream.read_into(buffer)]

    @property
    def is_done(self) -> bool:
        return self.stream.is_reset or (self.stream.is_over and self.stream.is_at_eof)


class Peer:
    """Go's end in a process, our session, and the blocking pump between them."""

    def __init__(self, sock: socket.socket, role: str) -> None:
        self.sock = sock
        self.session = Session(is_client=role == "server", now=0.0)
        self.now = 0.0
        self.talks: dict[int, Talk] = {}
        self.opened: list[Stream] = []
        self.accepted: list[int] = []
        self.events: list[object] = []
        self.ended: SessionEnded | None = None
        self.bytes_in = bytearray()
        self._buffer = memoryview(bytearray(WINDOW))

    def ask(self, command: str, data: bytes = b"", *, ends: bool = True) -> Talk:
        """Open a stream with this command."""
        stream = self.session.open_stream(self.now)
        return self.add(Talk(stream, f"{command}\n".encode() + data, ends=ends))

    def add(self, talk: Talk) -> Talk:
        self.talks[talk.stream.stream_id] = talk
        return talk

    def answer(self, command: str) -> bytes:
        """Return what Go sends on a stream with this command."""
        talk = self.ask(command)
        self.run_until(lambda: talk.is_done)
        return bytes(talk.received)

    def run_until(self, condition: Callable[[], bool]) -> None:
        """Pump until the condition holds."""
        while True:
            for talk in self.talks.values():
                talk.move(self.now)
            self.flush()
            if condition():
                return
            assert self.ended is None, self.ended
            self.receive()

    def run_to_the_end(self) -> SessionEnded:
        while self.ended is None:
            self.receive()
        return self.ended

    def flush(self) -> None:
        self.sock.sendall(self.session.data_to_send())

    def receive(self) -> None:
        """Wait for bytes, or the end of them, and note the events."""
        count = self.sock.recv_into(self._buffer)
        if count:
            self.bytes_in += self._buffer[:count]
            self.session.receive_data(self._buffer[:count], self.now)
        else:
            self.session.receive_eof()
        self.note_events()

    def note_events(self) -> None:
        for event in self.session.events():
            self.events.append(event)
            match event:
                case StreamOpened(stream):
                    self.opened.append(stream)
                case StreamAccepted(stream):
                    self.accepted.append(stream.stream_id)
                case SessionEnded():
                    self.ended = event

    def frames_in(self) -> Iterator[tuple[int, int, int, int]]:
        """Yield the header of each frame that Go sent: type, flags, stream, length."""
        data, position = self.bytes_in, 0
        while position + 12 <= len(data):
            fields = data[position : position + 12]
            kind, flags = fields[1], int.from_bytes(fields[2:4])
            length = int.from_bytes(fields[8:])
            yield kind, flags, int.from_bytes(fields[4:8]), length
            position += 12 + (length if kind == DATA else 0)


@dataclass
class Run:
    """A Go process, and after its end its report."""

    peer: Peer
    report: dict[str, Any]
    log: str = ""

    def stream(self, talk: Talk) -> Any:
        """Return what Go tells about a stream."""
        return self.report["streams"][str(talk.stream.stream_id)]


@contextlib.contextmanager
def go(
    directory: Path, role: str, *flags: str, is_content: bool = True
) -> Iterator[Run]:
    """Run Go's end in this role; close the session at the end, and fetch its report.

    If `is_content`, its log must have no errors. Warnings tell of frames that crossed
    the end of a stream.
    """
    path = directory / "yamux"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        listener.settimeout(WAIT)
        command = [str(binary("yamux-peer")), f"-role={role}", *flags, str(path)]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            try:
                sock, _ = listener.accept()
                with sock:
                    sock.settimeout(WAIT)
                    run = Run(Peer(sock, role), {})
                    yield run
                    hang_up(sock)
                output, run.log = process.communicate(timeout=WAIT)
            finally:
                process.kill()
    assert process.returncode == 0, run.log
    # Our end of the connection may come while Go gives the last credit back.
    errors = [line for line in run.log.splitlines() if "[ERR]" in line]
    assert not is_content or all("closed network" in line for line in errors), errors
    run.report = json.loads(output)


def hang_up(sock: socket.socket) -> None:
    """Close so that Go reads all that was sent: a write that fails makes it stop."""
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_WR)
        while sock.recv(4096):
            pass


def digest(data: bytes | bytearray | memoryview) -> dict[str, object]:
    return {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def assert_same(run: Run, talk: Talk) -> None:
    """Both ends saw the same bytes, each way, and no error."""
    assert run.stream(talk) == {
        "sent": digest(talk.received),
        "received": digest(talk.sent),
        "error": "",
    }


# Streams


@roles
def test_a_stream_carries_bytes_both_ways(short_tmp: Path, role: str) -> None:
    """Go: TestSendData_Small."""
    with go(short_tmp, role) as run:
        talk = run.peer.ask("echo", b"hello", ends=False)
        run.peer.run_until(lambda: talk.received == b"hello")
        assert run.peer.accepted == [talk.stream.stream_id]
        talk.ends = True
        run.peer.run_until(lambda: talk.is_done)
    assert_same(run, talk)


@roles
def test_eight_mebibytes_each_way(short_tmp: Path, role: str) -> None:
    """At once, over one stream; each direction is 32 windows."""
    with go(short_tmp, role) as run:
        data = random.Random(1).randbytes(8 << 20)
        talk = run.peer.ask("echo", data)
        run.peer.run_until(lambda: talk.is_done)
    assert talk.received == data
    assert_same(run, talk)


@roles
def test_two_hundred_streams_in_a_row(short_tmp: Path, role: str) -> None:
    """None of them is left at either end."""
    with go(short_tmp, role) as run:
        talks = []
        for i in range(200):
            talk = run.peer.ask("echo", b"%d" % i)
            run.peer.run_until(lambda talk=talk: talk.is_done)  # type: ignore[misc]
            talks.append(talk)
            assert run.peer.session.stream_count == 0
            del run.peer.talks[talk.stream.stream_id]
    for talk in talks:
        assert_same(run, talk)


@roles
def test_fifty_streams_at_once(short_tmp: Path, role: str) -> None:
    """Go: TestManyStreams."""
    with go(short_tmp, role) as run:
        talks = [run.peer.ask("echo", bytes([i]) * 100_000) for i in range(50)]
        run.peer.run_until(lambda: all(talk.is_done for talk in talks))
    for talk in talks:
        assert_same(run, talk)


@roles
def test_go_opens_streams(short_tmp: Path, role: str) -> None:
    """Our ACK is what Go's keepalive of opens waits for; its ids have its parity."""
    with go(short_tmp, role) as run:
        peer = run.peer
        assert peer.answer("open") == b"ok"
        [stream] = peer.opened
        assert stream.stream_id % 2 == (role == "client")
        stream.accept()
        talk = peer.add(Talk(stream, b"hello"))
        peer.run_until(lambda: talk.is_done)
    assert talk.received == b"hello"
    assert_same(run, talk)


# Credit


def test_go_gives_credit_back_in_halves(short_tmp: Path) -> None:
    """Go: sendWindowUpdate; the first credit beyond the initial comes as Go reads."""
    with go(short_tmp, "server") as run:
        talk = run.peer.ask("count", bytes(4 << 20))
        run.peer.run_until(lambda: talk.is_done)
        grants = [
            length
            for kind, _, _, length in run.peer.frames_in()
            if kind == WINDOW_UPDATE and length
        ]
    assert talk.received == b"%d" % (4 << 20)
    assert min(grants) >= WINDOW // 2
    assert max(grants) <= WINDOW
    # All that was sent but for one window was granted first, and no more than read.
    assert 3.75 * 2**20 <= sum(grants) <= len(talk.sent)


def test_without_a_reader_exactly_one_window_moves(short_tmp: Path) -> None:
    """In both directions."""
    with go(short_tmp, "server") as run:
        stalled = run.peer.ask("stall", bytes(WINDOW * 2))
        unread = run.peer.ask(f"source {WINDOW * 2}")
        unread.reads = False
        run.peer.run_until(lambda: unread.stream.readable_bytes == WINDOW)
        assert run.peer.answer("ping") == b"ok"  # Go still has room for nothing more
        assert unread.stream.readable_bytes == WINDOW
        assert stalled.stream.credit == 0
        # Go has taken the line from its own buffer, which gives no credit yet.
        assert stalled.position == WINDOW
        unread.reads = True
        run.peer.run_until(lambda: unread.is_done)
        run.peer.session.close()
    assert len(unread.received) == WINDOW * 2


# Ends


def test_our_reset_is_a_connection_reset_for_go(short_tmp: Path) -> None:
    """Go: ErrConnectionReset."""
    with go(short_tmp, "server") as run:
        talk = run.peer.ask("wait", b"unread", ends=False)
        run.peer.run_until(lambda: bool(run.peer.accepted))
        talk.stream.reset()
        assert run.peer.answer("ping") == b"ok"
    assert run.stream(talk)["error"] == "connection reset"


def test_go_resets_what_we_do_not_end(short_tmp: Path) -> None:
    """Go: closeTimeout."""
    with go(short_tmp, "server", "-close-timeout=50ms") as run:
        talk = run.peer.ask("bye", ends=False)
        run.peer.run_until(lambda: talk.stream.is_reset)
        assert StreamReset(talk.stream) in run.peer.events
        assert run.peer.session.stream_count == 0
        assert run.peer.answer("ping") == b"ok"


def test_half_closed_streams_read_on(short_tmp: Path) -> None:
    """On both ends: we have ended when Go begins to send, and Go when we do."""
    with go(short_tmp, "server") as run:
        hearing = run.peer.ask(f"source {1 << 20}")
        talking = run.peer.ask("bye", ends=False)
        run.peer.run_until(lambda: talking.stream.state is State.REMOTE_CLOSED)
        talking.sent += bytes(1 << 20)
        talking.ends = True
        run.peer.run_until(lambda: talking.is_done and hearing.is_done)
    assert len(hearing.received) == 1 << 20
    assert_same(run, hearing)
    assert_same(run, talking)


# Sessions


@roles
def test_go_answers_our_keepalive(short_tmp: Path, role: str) -> None:
    """Go: handlePing; half an hour of them, on a clock of the test's own."""
    with go(short_tmp, role) as run:
        peer = run.peer
        for i in range(60):
            deadline = peer.session.next_deadline()
            assert deadline == 30.0 * (i + 1)
            peer.now = deadline
            peer.session.advance(peer.now)
            due = deadline + 10.0
            assert peer.session.next_deadline() == due
            peer.run_until(lambda due=due: peer.session.next_deadline() != due)  # type: ignore[misc]


@roles
def test_we_answer_go_s_pings(short_tmp: Path, role: str) -> None:
    """Go: Session.Ping."""
    with go(short_tmp, role) as run:
        for _ in range(10):
            assert run.peer.answer("ping") == b"ok"
    assert run.report["pings"] == 10


def test_go_goes_away(short_tmp: Path) -> None:
    """Go: GoAway refuses what is opened later and lets live what exists."""
    with go(short_tmp, "server") as run:
        peer = run.peer
        old = peer.ask("echo", b"old", ends=False)
        asked = peer.ask("goaway")
        peer.run_until(lambda: asked.is_done)
        assert GoneAway() in peer.events
        assert not peer.session.can_open
        peer.session._was_told_to_stop = False  # as if our SYN had crossed its GoAway
        late = peer.ask("echo", b"late")
        peer.run_until(lambda: late.is_done)
        assert late.stream.is_reset
        old.ends = True
        peer.run_until(lambda: old.is_done)
    assert asked.received == b"ok"
    assert old.received == b"old"


def test_we_go_away(short_tmp: Path) -> None:
    """Go: ErrRemoteGoAway."""
    with go(short_tmp, "server") as run:
        run.peer.session.go_away()
        assert run.peer.answer("open") == b"remote end is not accepting connections"
        assert not run.peer.opened


def test_go_closes_without_a_word(short_tmp: Path) -> None:
    """Go: Session.Close sends no GoAway, whatever its comment says."""
    with go(short_tmp, "server") as run:
        talk = run.peer.ask("close", ends=False)
        talk.move(0.0)
        run.peer.flush()
        assert run.peer.run_to_the_end() == SessionEnded(None)
        assert all(kind == WINDOW_UPDATE for kind, *_ in run.peer.frames_in())
    assert talk.stream.is_at_eof


def test_go_refuses_streams_beyond_its_backlog(short_tmp: Path) -> None:
    """Go: incomingStream; we stop just short of it."""
    with go(short_tmp, "server", "-mode=deaf") as run:
        peer = run.peer
        streams = [peer.session.open_stream(0.0) for _ in range(256)]
        assert not peer.session.can_open
        peer.session._unacked.clear()
        one_more = peer.session.open_stream(0.0)
        peer.run_until(lambda: one_more.is_reset)
        assert not any(stream.is_reset for stream in streams)


# Breaches: Go and we end the session for the same bytes, and for no others.


@dataclass(frozen=True)
class Breach:
    name: str
    data: bytes
    is_fatal: bool

    def __str__(self) -> str:
        return self.name


OPEN = header(WINDOW_UPDATE, SYN, 1)
BREACHES = [
    Breach("nothing", b"", False),
    Breach("other version", b"\1" + header(WINDOW_UPDATE, SYN, 1)[1:], True),
    Breach("unknown type", header(4), True),
    Breach("unknown flags", OPEN + header(WINDOW_UPDATE, 0xFFF0, 1), False),
    Breach("stream 0", header(WINDOW_UPDATE, SYN, 0), False),
    Breach("even id from a client", header(WINDOW_UPDATE, SYN, 2), False),
    Breach("SYN with data", header(DATA, SYN, 1, 1) + b"x", False),
    Breach("SYN, ACK, FIN", header(WINDOW_UPDATE, SYN | ACK | FIN, 1), False),
    Breach("SYN and RST", header(WINDOW_UPDATE, SYN | RST, 1), False),
    Breach("duplicate SYN", OPEN + OPEN, True),
    Breach("reset and opened again", OPEN + header(DATA, RST, 1) + OPEN, False),
    Breach("second FIN", OPEN + header(DATA, FIN, 1) * 2, True),
    Breach("FIN after RST", OPEN + header(DATA, RST, 1) + header(DATA, FIN, 1), False),
    Breach(
        "data after FIN",
        OPEN + header(DATA, FIN, 1) + header(DATA, 0, 1, 1) + b"x",
        False,
    ),
    Breach("data with FIN", OPEN + header(DATA, FIN, 1, 1) + b"x", False),
    Breach("data with RST", OPEN + header(DATA, RST, 1, 1) + b"x", False),
    Breach("a full window", OPEN + header(DATA, 0, 1, WINDOW) + bytes(WINDOW), False),
    Breach("beyond the window", OPEN + header(DATA, 0, 1, WINDOW + 1), True),
    Breach("4 GiB", OPEN + header(DATA, 0, 1, 0xFFFF_FFFF), True),
    Breach("data for no stream", header(DATA, 0, 9, 5) + b"12345", False),
    Breach("credit for no stream", header(WINDOW_UPDATE, 0, 9, 5), False),
    Breach("ACK, FIN, RST for no stream", header(WINDOW_UPDATE, 14, 9), False),
    Breach("ACK that nobody awaits", OPEN + header(WINDOW_UPDATE, ACK, 1), False),
    Breach(
        "all the credit there is",
        OPEN + header(WINDOW_UPDATE, 0, 1, 0xFFFF_FFFF) * 3,
        False,
    ),
    Breach("answer to no ping", header(2, ACK, 0, 5), False),
    Breach("ping on a stream", header(2, SYN, 7, 5), False),
    Breach("GoAway", header(3), False),
    Breach("GoAway on a stream", header(3, SYN, 7), False),
    Breach("GoAway, protocol error", header(3, 0, 0, 1), True),
    Breach("GoAway, internal error", header(3, 0, 0, 2), True),
    Breach("GoAway, unknown", header(3, 0, 0, 3), True),
]
PING, PONG = header(2, SYN, 0, 4711), header(2, ACK, 0, 4711)


@pytest.mark.parametrize("breach", BREACHES, ids=str)
def test_go_and_we_end_sessions_for_the_same_reasons(
    short_tmp: Path, breach: Breach
) -> None:
    """Alive is who still answers a ping."""
    ours = Session(is_client=False, now=0.0)
    ours.receive_data(breach.data + PING, 0.0)
    assert ours.is_ended == breach.is_fatal
    with go(short_tmp, "server", is_content=False) as run:
        # Go may be gone before it has read, or we written, all of it.
        with contextlib.suppress(BrokenPipeError):
            run.peer.sock.sendall(breach.data + PING)
        is_alive = False
        with contextlib.suppress(ConnectionResetError):
            while not is_alive and (data := run.peer.sock.recv(4096)):
                run.peer.bytes_in += data
                is_alive = PONG in run.peer.bytes_in
    assert is_alive != breach.is_fatal
    assert (PONG in ours.data_to_send()) != breach.is_fatal


# At random


class Guest:
    """Opens, accepts, writes, reads, half-closes and resets streams at random."""

    def __init__(self, peer: Peer, seed: int, streams: int, go_streams: int) -> None:
        self._peer = peer
        self._random = random.Random(seed)
        self._to_open = streams
        self._to_come = go_streams
        self.talks: list[Talk] = []
        self.resets: dict[int, bool] = {}
        """Streams that we reset, and whether we had sent FIN before."""

    @property
    def live(self) -> list[Talk]:
        return [talk for talk in self.talks if not talk.is_done]

    @property
    def is_done(self) -> bool:
        return not (self._to_open or self._to_come or self.live)

    def run(self) -> None:
        """Act while there is anything to do, and read as bytes come."""
        peer = self._peer
        while True:
            for _ in range(self._random.randrange(1, 8)):
                self._act()
            peer.flush()
            if self.is_done:
                return
            assert peer.ended is None, peer.ended
            timeout = 0.0 if self._can_act else WAIT
            if select.select([peer.sock], [], [], timeout)[0]:
                peer.receive()

    @property
    def _can_act(self) -> bool:
        if self._peer.opened or (self._to_open and self._peer.session.can_open):
            return True
        return any(map(_can_continue, self.live))

    def _act(self) -> None:
        if self._peer.opened and self._random.random() < 0.5:
            self._to_come -= 1
            self._accept(self._peer.opened.pop(0))
        elif self._to_open and self._random.random() < 0.1:
            self._to_open -= 1
            self._begin(self._peer.session.open_stream(0.0))
        elif live := self.live:
            self._continue(self._random.choice(live))

    def _accept(self, stream: Stream) -> None:
        if self._random.random() < 0.05:
            self.talks.append(Talk(stream))
            self._reset(self.talks[-1])
        else:
            stream.accept()
            self._begin(stream)

    def _begin(self, stream: Stream) -> None:
        size = self._random.choice([0, 100, 10_000, WINDOW + 1, 600_000])
        data = self._random.randbytes(self._random.randrange(size + 1))
        self.talks.append(Talk(stream, data))

    def _continue(self, talk: Talk) -> None:
        stream, choice = talk.stream, self._random.random()
        if choice < 0.01:
            self._reset(talk)
        elif choice < 0.5:
            talk.read(self._random.randrange(1, WINDOW + 1))
        elif talk.position == len(talk.sent):
            stream.send_eof(0.0)
        else:
            end = talk.position + self._random.randrange(1, 100_000)
            talk.position += stream.send(memoryview(talk.sent)[talk.position : end])

    def _reset(self, talk: Talk) -> None:
        if not talk.stream.is_over:
            self.resets[talk.stream.stream_id] = talk.stream.state is State.LOCAL_CLOSED
            talk.stream.reset()


def _can_continue(talk: Talk) -> bool:
    stream = talk.stream
    if stream.state in (State.LOCAL_CLOSED, State.CLOSED):
        return stream.readable_bytes > 0
    return stream.credit > 0 or stream.readable_bytes > 0


@roles
@pytest.mark.parametrize("seed", range(1, 6))
def test_both_ends_saw_the_same_bytes(short_tmp: Path, role: str, seed: int) -> None:
    """60 streams, 30 opened by each end, whatever their users do under this seed."""
    flags = (f"-seed={seed}", "-mode=random", "-streams=30", "-peer-streams=30")
    with go(short_tmp, role, *flags) as run:
        guest = Guest(run.peer, seed, streams=30, go_streams=30)
        guest.run()
        assert run.peer.session.stream_count == 0
    assert len(run.report["streams"]) == 60
    for talk in guest.talks:
        if talk.stream.stream_id in guest.resets:
            assert_same_until_reset(run, guest, talk)
        else:
            assert_same(run, talk)
    assert run.report["pings"] == 10


def assert_same_until_reset(run: Run, guest: Guest, talk: Talk) -> None:
    """Go saw the reset, unless it had our FIN and was through already."""
    seen = run.stream(talk)
    had_ended = guest.resets[talk.stream.stream_id]
    assert seen["error"] in ("connection reset", *[""] * had_ended)
    received = seen["received"]
    assert received == digest(memoryview(talk.sent)[: received["bytes"]])
