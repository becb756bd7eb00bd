"""Sessions on real sockets: their streams as endpoints, and as the wire of links."""

import contextlib
import functools
import gc
import logging
import os
import random
import select
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import pytest

from goplugin_py.net import link as link_module
from goplugin_py.net.dial import Done, dial_to
from goplugin_py.net.link import BUFFER_SIZE, Codec, Link
from goplugin_py.net.loop import READ, WRITE, Loop
from goplugin_py.net.multiplex import MultiplexSession, StreamEndpoint
from goplugin_py.net.relay import Relay
from goplugin_py.net.sockets import (
    address_of,
    client_context,
    listen_unix,
    server_context,
)
from goplugin_py.wire import yamux
from goplugin_py.wire.certificates import HOST_NAME
from goplugin_py.wire.plain import PlainCodec
from goplugin_py.wire.tls import TLSCodec
from goplugin_py.wire.yamux import SessionError
from tests.peers import WAIT, connect, has_ended, identity_of, receive, until
from tests.wire import frames

NO_TIME = 0.05
RESET = struct.pack("ii", 1, 0)
WINDOW = frames.WINDOW

_T = TypeVar("_T")


def on(loop: Loop, call: Callable[[], _T]) -> _T:
    """Make a call on the loop's thread; return or raise what it does."""
    results: list[_T] = []
    failures: list[Exception] = []

    def caught() -> None:
        try:
            results.append(call())
        except Exception as exc:  # belongs to the test's thread
            failures.append(exc)

    loop.run(caught, WAIT)
    if failures:
        raise failures[0]
    return results[0]


def let_time_pass(loop: Loop, seconds: float) -> None:
    """Wait until the loop has run every timer of the next seconds."""
    passed = threading.Event()
    on(loop, lambda: loop.call_later(seconds, passed.set))
    assert passed.wait(WAIT)


class Side:
    """A session, with what it was told."""

    def __init__(self, loop: Loop, sock: socket.socket, *, is_client: bool) -> None:
        sock.setblocking(False)
        self.loop = loop
        self.arrived: list[StreamEndpoint] = []
        self.ends: list[Exception | None] = []
        self.refuses = False
        self.session = MultiplexSession(
            loop,
            sock,
            is_client=is_client,
            on_stream=self._on_stream,
            on_end=self.ends.append,
        )
        on(loop, self.session.start)

    def _on_stream(self, stream: StreamEndpoint) -> None:
        if self.refuses:
            stream.close(reset=True)
        else:
            stream.accept()
            self.arrived.append(stream)

    @property
    def stream_count(self) -> int:
        return self.session._session.stream_count


class Sessions:
    """Both sides of a session, joined by a pair of sockets."""

    def __init__(self, loop: Loop) -> None:
        self.loop = loop
        near, far = socket.socketpair()
        self.client = Side(loop, near, is_client=True)
        self.server = Side(loop, far, is_client=False)

    def other(self, side: Side) -> Side:
        return self.server if side is self.client else self.client

    def open(self, opener: Side | None = None) -> tuple["User", "User"]:
        """Open a stream; return the users of its ends, the opener's first."""
        opener = opener or self.client
        acceptor = self.other(opener)
        count = len(acceptor.arrived)
        near = User(self.loop, on(self.loop, opener.session.open))
        until(lambda: len(acceptor.arrived) > count)
        return near, User(self.loop, acceptor.arrived[count])

    def close(self) -> None:
        for side in (self.client, self.server):
            on(self.loop, side.session.close)


@pytest.fixture
def sessions(loop: Loop) -> Iterator[Sessions]:
    sessions = Sessions(loop)
    yield sessions
    sessions.close()


@pytest.fixture
def raw(loop: Loop) -> Iterator[tuple[Side, socket.socket]]:
    """A client's session whose peer is played by the test."""
    near, peer = socket.socketpair()
    side = Side(loop, near, is_client=True)
    peer.settimeout(WAIT)
    with peer:
        yield side, peer
        on(loop, side.session.close)


class User:
    """Reads and writes one endpoint whenever it is ready."""

    def __init__(self, loop: Loop, endpoint: StreamEndpoint) -> None:
        self.loop = loop
        self.endpoint = endpoint
        self.received = bytearray()
        self.failure: OSError | None = None
        self.has_ended = False
        self.is_reading = False
        self.sizes: Iterator[int] | None = None  # how it cuts reads and writes
        self._to_send = memoryview(b"")
        self._ends = False

    def read(self) -> None:
        """Read from now on."""
        self.is_reading = True
        on(self.loop, self._watch)

    def pause(self) -> None:
        self.is_reading = False
        on(self.loop, self._watch)

    def send(self, data: bytes, *, end: bool = False) -> None:
        """Write when there is room; `end` ends our direction after that."""

        def begin() -> None:
            self._to_send = memoryview(bytes(self._to_send) + data)
            self._ends = end
            self._watch()

        on(self.loop, begin)

    def read_once(self) -> int:
        buffer = memoryview(bytearray(10))
        return on(self.loop, lambda: self.endpoint.recv_into(buffer))

    def write_once(self, data: bytes = b"x") -> int:
        return on(self.loop, lambda: self.endpoint.send(data))

    def wait_for(self, data: bytes) -> None:
        until(lambda: self.received == data)

    def wait_for_arrival(self, size: int = 1) -> None:
        """Wait until so much could be read."""
        until(lambda: self.endpoint._stream.readable_bytes >= size)

    def wait_for_end(self) -> None:
        until(lambda: self.has_ended)

    @property
    def unsent(self) -> int:
        return len(self._to_send)

    def close(self, *, reset: bool = False) -> None:
        on(self.loop, lambda: self.endpoint.close(reset=reset))

    def _watch(self) -> None:
        if self._ends and not self._to_send:
            self._ends = False
            self.endpoint.send_eof()
        reads = self.is_reading and not self.has_ended
        events = (READ if reads else 0) | (WRITE if self._to_send else 0)
        self.endpoint.watch(events, self._on_ready)

    def _on_ready(self, events: int) -> None:
        with contextlib.suppress(BlockingIOError):
            try:
                if events & READ:
                    self._receive()
                if events & WRITE:
                    count = self.endpoint.send(self._to_send[: self._size()])
                    self._to_send = self._to_send[count:]
            except ConnectionError as exc:
                self.failure = exc
                self.has_ended = True
                self._to_send = memoryview(b"")
        self._watch()

    def _receive(self) -> None:
        buffer = memoryview(bytearray(self._size()))
        count = self.endpoint.recv_into(buffer)
        self.received += buffer[:count]
        self.has_ended = not count

    def _size(self) -> int:
        return next(self.sizes) if self.sizes else BUFFER_SIZE


def sockets_of_this_process() -> set[str]:
    gc.collect()
    found = set()
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):  # the one that listed them
            found.add(os.readlink(f"/proc/self/fd/{name}"))
    return {name for name in found if name.startswith("socket:")}


# Bytes


@pytest.mark.parametrize("seed", range(4))
def test_bytes_arrive_intact_both_ways_on_many_streams(
    sessions: Sessions, seed: int
) -> None:
    chance = random.Random(seed)

    def sizes(most: int) -> Iterator[int]:
        while True:
            yield chance.randrange(1, most)

    pairs = [
        sessions.open(chance.choice([sessions.client, sessions.server]))
        for _ in range(8)
    ]
    expected: list[tuple[User, bytes]] = []
    for pair in pairs:
        for sender, receiver in (pair, reversed(pair)):
            data = chance.randbytes(chance.randrange(1 << 20))
            sender.sizes = sizes(chance.choice([3000, 1 << 16, 1 << 19]))
            expected.append((receiver, data))
            receiver.read()
            sender.send(data, end=True)
    for receiver, data in expected:
        receiver.wait_for_end()
        assert receiver.received == data
        assert receiver.failure is None
    assert sessions.client.stream_count == sessions.server.stream_count == 0


def test_a_hundred_streams_are_open_at_once_and_share_one_thread(
    sessions: Sessions, loop: Loop
) -> None:
    threads = set(threading.enumerate())
    pairs = [
        sessions.open(sessions.client if number % 2 else sessions.server)
        for number in range(100)
    ]
    assert sessions.client.stream_count == 100
    for number, (near, far) in enumerate(pairs):
        far.read()
        near.read()
        near.send(b"%d" % number)
        far.send(b"-%d" % number)
    for number, (near, far) in enumerate(pairs):
        far.wait_for(b"%d" % number)
        near.wait_for(b"-%d" % number)
    assert set(threading.enumerate()) <= threads
    assert [thread.name for thread in threading.enumerate()].count(loop._name) == 1


def test_an_endpoint_calls_back_as_long_as_it_is_ready(sessions: Sessions) -> None:
    """Like a socket in a selector."""
    near, far = sessions.open()
    far.sizes = iter([1] * 1000)
    far.read()
    near.send(b"x" * 900)
    until(lambda: len(far.received) == 900)


def test_an_endpoint_that_is_not_watched_does_not_call_back(
    sessions: Sessions, loop: Loop
) -> None:
    near, far = sessions.open()
    far.read()
    far.pause()
    near.send(b"hello")
    far.wait_for_arrival()
    on(loop, lambda: None)
    assert far.received == b""
    far.read()
    far.wait_for(b"hello")


def test_reading_too_early_and_writing_too_much_would_block(
    sessions: Sessions, loop: Loop
) -> None:
    near, _ = sessions.open()
    with pytest.raises(BlockingIOError):
        near.read_once()
    assert near.write_once(bytes(WINDOW + 1)) == WINDOW
    with pytest.raises(BlockingIOError):
        near.write_once()


def test_a_socket_that_is_ready_without_reason_is_no_matter(
    sessions: Sessions, loop: Loop
) -> None:
    near, far = sessions.open()
    far.read()
    on(loop, lambda: sessions.server.session._on_ready(READ | WRITE))
    near.send(b"hello")
    far.wait_for(b"hello")


# Back-pressure


def test_a_reader_that_stops_bounds_the_writer_to_the_window(
    sessions: Sessions,
) -> None:
    """And holds up neither the other direction nor other streams."""
    near, far = sessions.open()
    data = random.Random(1).randbytes(1 << 20)
    near.send(data, end=True)
    far.wait_for_arrival(WINDOW)
    near.read()
    far.send(b"still here")
    near.wait_for(b"still here")
    other_near, other_far = sessions.open()
    other_far.read()
    other_near.send(b"me too")
    other_far.wait_for(b"me too")
    assert near.unsent == len(data) - WINDOW
    assert far.endpoint._stream.readable_bytes == WINDOW
    far.read()
    far.wait_for_end()
    assert far.received == data


def fill_socket(side: Side) -> list[User]:
    """Write on many streams until the socket takes no more."""
    users = [User(side.loop, on(side.loop, side.session.open)) for _ in range(20)]
    for user in users:
        user.send(bytes(WINDOW))
    until(lambda: side.session.is_congested)
    return users


def test_a_socket_that_takes_no_more_stops_the_writers_and_wakes_them_later(
    raw: tuple[Side, socket.socket], loop: Loop
) -> None:
    """What a session holds is what one round wrote, whatever the windows allow."""
    side, peer = raw
    users = fill_socket(side)
    with pytest.raises(BlockingIOError):
        users[0].write_once()
    users[0].send(b"y", end=True)
    blocked = [user for user in users if user.unsent]
    assert users[0] in blocked
    peer.sendall(frames.update(1, credit=1))  # as its window is used up
    peer.setblocking(False)
    received = bytearray()

    def drained() -> bool:
        with contextlib.suppress(BlockingIOError):
            while True:
                received.extend(peer.recv(1 << 20))
        return on(loop, lambda: not side.session.is_congested and not unsent())

    def unsent() -> int:
        return sum(user.unsent for user in users)

    until(drained)
    on(loop, lambda: None)  # what ended last has been flushed
    drained()
    got = list(frames.read(bytes(received)))
    per_stream = {
        number: sum(len(each.payload) for each in got if each.stream_id == number)
        for number in range(1, 40, 2)
    }
    assert per_stream == {1: WINDOW + 1, **dict.fromkeys(range(3, 40, 2), WINDOW)}
    assert [each.flags for each in got if each.stream_id == 1][-1] == frames.FIN


def test_writing_to_a_stream_that_is_over_fails_though_the_socket_is_full(
    raw: tuple[Side, socket.socket], loop: Loop
) -> None:
    """A stream that is over is ready, so it must not say that it would block."""
    side, peer = raw
    users = fill_socket(side)
    peer.sendall(frames.rst(1))
    until(lambda: users[0].endpoint.has_ended)
    assert side.session.is_congested
    with pytest.raises(BrokenPipeError):
        users[0].write_once()
    on(loop, side.session.close)
    with pytest.raises(BrokenPipeError):
        users[1].write_once()
    assert not side.session.is_congested


# Ends


def test_either_side_may_end_while_the_other_goes_on(sessions: Sessions) -> None:
    for opener in (sessions.client, sessions.server):
        near, far = sessions.open(opener)
        for each in (near, far):
            each.read()
        near.send(b"last words", end=True)
        far.wait_for_end()
        assert far.received == b"last words"
        assert far.endpoint.has_ended
        assert not near.endpoint.has_ended
        far.send(b"x" * 500_000, end=True)
        near.wait_for_end()
        assert near.received == b"x" * 500_000
        assert near.endpoint.has_ended


def test_closing_a_stream_that_has_ended_resets_nothing(
    raw: tuple[Side, socket.socket], loop: Loop
) -> None:
    side, peer = raw
    user = User(loop, on(loop, side.session.open))
    user.read()
    user.send(b"", end=True)
    peer.sendall(frames.ack(1) + frames.fin(1))
    user.wait_for_end()
    user.close()
    user.close()
    assert side.session._endpoints == {}
    on(loop, side.session.close)
    sent = list(frames.read(receive(peer, 1 << 20)))
    assert [each.flags for each in sent] == [frames.SYN, frames.FIN]


@pytest.mark.parametrize("reset", [True, False])
def test_closing_a_stream_that_has_not_ended_resets_it(
    sessions: Sessions, loop: Loop, reset: bool
) -> None:
    near, far = sessions.open()
    far.read()
    near.close(reset=reset)
    far.wait_for_end()
    assert isinstance(far.failure, ConnectionResetError)
    assert far.endpoint.has_ended
    with pytest.raises(ConnectionResetError):
        far.read_once()
    with pytest.raises(BrokenPipeError):
        far.write_once()
    far.close()
    assert sessions.client.session._endpoints == {}
    assert sessions.server.session._endpoints == {}


def test_a_reset_wakes_a_writer(sessions: Sessions) -> None:
    near, far = sessions.open()
    near.send(bytes(2 * WINDOW))
    far.wait_for_arrival(WINDOW)
    far.close(reset=True)
    near.wait_for_end()
    assert isinstance(near.failure, BrokenPipeError)


def test_a_closed_endpoint_calls_back_no_more(sessions: Sessions, loop: Loop) -> None:
    near, far = sessions.open()
    far.read()

    def send_and_close() -> None:
        far.endpoint._stream.receive_data(memoryview(b"late"))
        far.endpoint.wake()
        far.endpoint.close()

    on(loop, send_and_close)
    on(loop, lambda: None)
    assert far.received == b""
    near.send(b"later")
    on(loop, lambda: None)
    assert far.received == b""


def test_streams_that_nobody_takes_are_reset(sessions: Sessions, loop: Loop) -> None:
    """go-plugin's host leaves them without an answer."""
    sessions.server.refuses = True
    user = User(loop, on(loop, sessions.client.session.open))
    user.read()
    user.wait_for_end()
    assert isinstance(user.failure, ConnectionResetError)
    assert sessions.server.stream_count == 0
    assert sessions.server.session._endpoints == {}


def test_a_stream_that_was_reset_before_it_was_seen_may_be_accepted(
    raw: tuple[Side, socket.socket],
) -> None:
    side, peer = raw
    peer.sendall(frames.syn(2) + frames.rst(2))
    until(lambda: side.arrived)
    user = User(side.loop, side.arrived[0])
    user.read()
    user.wait_for_end()
    assert isinstance(user.failure, ConnectionResetError)


# The end of the session


@pytest.mark.parametrize("who", ["we", "the peer"])
def test_the_end_of_a_session_ends_its_streams_and_is_told_once(
    sessions: Sessions, loop: Loop, who: str
) -> None:
    pairs = [sessions.open() for _ in range(3)]
    for near, far in pairs:
        far.send(b"last words")
        near.wait_for_arrival()
    ending = sessions.client if who == "we" else sessions.server
    on(loop, ending.session.close)
    on(loop, ending.session.close)
    until(lambda: sessions.client.ends and sessions.server.ends)
    for near, _ in pairs:
        near.read()
        near.wait_for_end()
        assert near.received == b"last words"
        assert near.failure is None
        with pytest.raises(BrokenPipeError):
            near.write_once()
        near.close()
    with pytest.raises(ConnectionAbortedError, match="the session is over"):
        on(loop, sessions.client.session.open)
    assert sessions.client.ends == [None]
    assert sessions.server.ends == [None]


def test_what_was_written_before_the_end_still_arrives(
    sessions: Sessions, loop: Loop
) -> None:
    """In the same round, too: nobody has flushed it yet."""
    near, far = sessions.open()

    def write_and_close() -> None:
        near.endpoint.send(b"last words")
        sessions.client.session.close()

    on(loop, write_and_close)
    far.read()
    far.wait_for_end()
    assert far.received == b"last words"


def test_a_breach_ends_the_session_and_the_peer_is_told(
    raw: tuple[Side, socket.socket],
) -> None:
    """yamux: Session.incomingStream, goAwayProtoErr."""
    side, peer = raw
    peer.sendall(frames.syn(2) * 2)
    sent = list(frames.read(receive(peer, 1 << 20)))
    assert sent[-1] == frames.Sent(frames.GO_AWAY, 0, 0, 1)
    until(lambda: side.ends)
    assert isinstance(side.ends[0], SessionError)
    assert "opened twice" in str(side.ends[0])


def test_a_session_that_breaks_in_a_frame_says_so(
    raw: tuple[Side, socket.socket],
) -> None:
    side, peer = raw
    peer.sendall(frames.syn(2)[:5])
    peer.close()
    until(lambda: side.ends)
    assert isinstance(side.ends[0], SessionError)


def tcp_pair() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        near = socket.create_connection(listener.getsockname(), WAIT)
        return near, listener.accept()[0]


def test_a_session_over_tcp_does_not_hold_small_messages_back(loop: Loop) -> None:
    """Go's net package does not either; calls would take 40 ms each."""
    near, peer = tcp_pair()
    with peer:
        side = Side(loop, near, is_client=True)
        assert near.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        on(loop, side.session.close)


def test_a_connection_that_is_reset_ends_the_session(loop: Loop) -> None:
    near, peer = tcp_pair()
    side = Side(loop, near, is_client=True)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    peer.close()
    until(lambda: side.ends)
    assert isinstance(side.ends[0], ConnectionResetError)


class Broken(socket.socket):
    """A socket that can't send."""

    def send(self, *_: object) -> int:
        raise BrokenPipeError("on purpose")


def test_a_socket_that_can_not_be_written_ends_the_session(loop: Loop) -> None:
    near, peer = socket.socketpair()
    with peer:
        side = Side(loop, Broken(fileno=near.detach()), is_client=True)
        user = User(loop, on(loop, side.session.open))
        user.read()
        user.wait_for_end()
        assert [str(each) for each in side.ends] == ["on purpose"]


def test_going_away_refuses_new_streams_and_keeps_the_old_ones(
    raw: tuple[Side, socket.socket], loop: Loop
) -> None:
    side, peer = raw
    user = User(loop, on(loop, side.session.open))
    user.read()
    peer.sendall(frames.go_away() + frames.ack(1) + frames.data(1, b"still here"))
    user.wait_for(b"still here")
    with pytest.raises(ConnectionAbortedError, match="takes no more streams"):
        on(loop, side.session.open)
    assert side.ends == []


def test_a_session_may_be_closed_before_it_began(loop: Loop) -> None:
    near, peer = socket.socketpair()
    ends: list[Exception | None] = []

    def make_and_close() -> None:
        session = MultiplexSession(
            loop, near, is_client=True, on_stream=lambda _: None, on_end=ends.append
        )
        session.close()

    with peer:
        on(loop, make_and_close)
        assert has_ended(peer)
    assert ends == [None]


# Time


def test_a_peer_that_gives_no_sign_of_life_ends_the_session(
    loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """yamux: Session.keepalive."""
    monkeypatch.setattr(yamux, "KEEPALIVE_INTERVAL", NO_TIME)
    monkeypatch.setattr(yamux, "PING_TIMEOUT", NO_TIME)
    near, peer = socket.socketpair()
    peer.settimeout(WAIT)
    with peer:
        side = Side(loop, near, is_client=True)
        (sent,) = frames.read(receive(peer, 1 << 20))
    assert sent == frames.Sent(frames.PING, frames.SYN, 0, 0)
    until(lambda: side.ends)
    assert isinstance(side.ends[0], SessionError)
    assert "keepalive timeout" in str(side.ends[0])


def test_peers_that_answer_are_asked_again_and_live(
    monkeypatch: pytest.MonkeyPatch, loop: Loop
) -> None:
    monkeypatch.setattr(yamux, "KEEPALIVE_INTERVAL", 0.2)
    monkeypatch.setattr(yamux, "PING_TIMEOUT", 0.2)
    sessions = Sessions(loop)
    sides = (sessions.client, sessions.server)
    until(lambda: all(side.session._session._ping_id >= 2 for side in sides))
    near, far = sessions.open()
    far.read()
    near.send(b"still here")
    far.wait_for(b"still here")
    assert [side.ends for side in sides] == [[], []]
    sessions.close()


def test_a_session_without_a_peer_leaves_no_timer(
    raw: tuple[Side, socket.socket], loop: Loop
) -> None:
    """The fixture `loop` sees that the thread ends."""
    side, _ = raw
    on(loop, side.session.close)
    until(lambda: not loop.is_running)


# Links


@functools.cache
def contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    host, plugin = identity_of("host"), identity_of("plugin")
    return (
        client_context(host, plugin.certificate),
        server_context(plugin, host.certificate),
    )


class Tunnel:
    """Relays on both sides whose wire is a stream, with plain sockets at both ends."""

    def __init__(self, sessions: Sessions, directory: str, *, tls: bool) -> None:
        self._tls = tls
        self.loop = sessions.loop
        self.sessions = sessions
        self._ends: list[socket.socket] = []
        self._listener = listen_unix(directory)
        self._listener.settimeout(WAIT)
        dial = dial_to(self.loop, address_of(self._listener))
        self.plugin = Relay(
            self.loop, None, dial, self._server_codec, wire_is_dialled=False
        )
        self.plugin.start()
        sessions.server._on_stream = self._arrived  # type: ignore[method-assign]
        sessions.server.session._on_stream = self._arrived
        listener = listen_unix(directory)
        self._path = address_of(listener).text
        self.host = Relay(
            self.loop, listener, self._open, self._client_codec, wire_is_dialled=True
        )
        self.host.start()

    def _arrived(self, stream: StreamEndpoint) -> None:
        stream.accept()
        self.plugin.take(stream)

    def _open(self, done: Done) -> Callable[[], None]:
        done(self.sessions.client.session.open(), None)
        return lambda: None

    def _client_codec(self) -> Codec:
        if not self._tls:
            return PlainCodec()
        context, _ = contexts()
        return TLSCodec(context, server_side=False, server_hostname=HOST_NAME)

    def _server_codec(self) -> Codec:
        if not self._tls:
            return PlainCodec()
        _, context = contexts()
        return TLSCodec(context, server_side=True)

    def connect(self) -> tuple[socket.socket, socket.socket]:
        near = connect(self._path)
        self._ends.append(near)
        far, _ = self._listener.accept()
        far.settimeout(WAIT)
        self._ends.append(far)
        return near, far

    @property
    def links(self) -> int:
        return len(self.host._links) + len(self.plugin._links)

    def close(self) -> None:
        self.host.close()
        self.plugin.close()
        for sock in (self._listener, *self._ends):
            sock.close()


@pytest.fixture(params=[False, True], ids=["plain", "tls"])
def tunnel(
    sessions: Sessions, directory: str, request: pytest.FixtureRequest
) -> Iterator[Tunnel]:
    tunnel = Tunnel(sessions, directory, tls=request.param)
    yield tunnel
    tunnel.close()


def exchange(near: socket.socket, far: socket.socket) -> None:
    """See that a link carries bytes both ways."""
    for source, sink in ((near, far), (far, near)):
        source.sendall(b"ping")
        assert receive(sink, 4) == b"ping"


def test_links_carry_bytes_both_ways_at_once(tunnel: Tunnel) -> None:
    links = [tunnel.connect() for _ in range(4)]
    data = [random.Random(seed).randbytes(2 << 20) for seed in range(8)]

    def send(sock: socket.socket, data: bytes) -> None:
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)

    with ThreadPoolExecutor(16) as pool:
        ends = [end for link in links for end in link]
        opposite = [end for link in links for end in reversed(link)]
        sent = [pool.submit(send, *each) for each in zip(ends, data, strict=True)]
        received = [pool.submit(receive, end, 1 << 62) for end in opposite]
        assert [each.result(WAIT) for each in received] == data
        for each in sent:
            each.result(WAIT)
    until(lambda: not tunnel.links)
    assert tunnel.host.failure is None
    assert tunnel.plugin.failure is None
    assert tunnel.sessions.client.stream_count == 0


def test_a_hundred_links_share_a_session(tunnel: Tunnel) -> None:
    links = [tunnel.connect() for _ in range(100)]
    for near, far in reversed(links):
        exchange(near, far)
    assert tunnel.sessions.client.stream_count == 100
    for near, _ in links:
        near.close()
    for _, far in links:
        assert has_ended(far)
        far.close()
    until(lambda: not tunnel.links)
    assert tunnel.sessions.client.stream_count == 0


def test_a_reader_that_does_not_read_stops_the_writer_through_a_stream(
    tunnel: Tunnel,
) -> None:
    near, far = tunnel.connect()
    pushed = push_until_full(near)
    assert pushed < 4 << 20
    exchange(*tunnel.connect())
    near.shutdown(socket.SHUT_WR)
    assert len(receive(far, 1 << 62)) == pushed


def push_until_full(sock: socket.socket) -> int:
    """Write until there is no room for a while; return how much fitted."""
    sock.setblocking(False)
    pushed = 0
    while select.select([], [sock], [], 0.3)[1]:
        pushed += sock.send(bytes(64 * 1024))
    sock.settimeout(WAIT)
    return pushed


def test_a_link_lives_longer_than_a_handshake_may_take(
    sessions: Sessions, directory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without TLS there is none, so it is over at once."""
    monkeypatch.setattr(link_module, "HANDSHAKE_TIMEOUT", NO_TIME)
    tunnel = Tunnel(sessions, directory, tls=False)
    near, far = tunnel.connect()
    exchange(near, far)
    let_time_pass(sessions.loop, 2 * NO_TIME)
    exchange(near, far)
    tunnel.close()


@pytest.mark.parametrize("who", ["client", "server"])
def test_the_end_of_the_session_ends_its_links(tunnel: Tunnel, who: str) -> None:
    links = [tunnel.connect() for _ in range(3)]
    for link in links:
        exchange(*link)
    on(tunnel.loop, getattr(tunnel.sessions, who).session.close)
    for link in links:
        for sock in link:
            assert has_ended(sock)
            sock.close()
    until(lambda: not tunnel.links)


def test_the_end_of_a_session_ends_links_that_could_not_write(
    loop: Loop, directory: str
) -> None:
    """A link that is told to wait, by a stream that is over, would wait in vain."""
    near_sock, peer = socket.socketpair()
    side = Side(loop, near_sock, is_client=True)
    listener = listen_unix(directory)

    def open_stream(done: Done) -> Callable[[], None]:
        done(side.session.open(), None)
        return lambda: None

    relay = Relay(loop, listener, open_stream, PlainCodec, wire_is_dialled=True)
    relay.start()
    path = address_of(listener).text
    with peer, contextlib.ExitStack() as ends:
        ends.callback(relay.close)
        socks = [ends.enter_context(connect(path)) for _ in range(8)]

        def stuck() -> set[Link]:
            """Write more, and return the links that can't get rid of it."""
            for sock in socks:
                sock.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    sock.send(bytes(64 * 1024))
            return on(loop, lambda: {link for link in relay._links if link._to_wire})

        until(lambda: stuck() and side.session.is_congested)
        links = stuck()
        on(loop, side.session.close)
        until(lambda: not links & relay._links)


def test_nothing_is_left_of_sessions_and_links(loop: Loop, directory: str) -> None:
    before = sockets_of_this_process()
    threads = set(threading.enumerate())
    sessions = Sessions(loop)
    tunnel = Tunnel(sessions, directory, tls=True)
    links = [tunnel.connect() for _ in range(10)]
    for link in links:
        exchange(*link)
    sessions.close()
    for near, far in links:
        assert has_ended(near)
        assert has_ended(far)
    tunnel.close()
    until(lambda: not loop.is_running)
    until(lambda: set(threading.enumerate()) <= threads)
    until(lambda: sockets_of_this_process() <= before)


def test_a_failing_user_does_not_end_the_session(
    sessions: Sessions, loop: Loop, caplog: pytest.LogCaptureFixture
) -> None:
    """One connection's bug must not end the others."""
    near, far = sessions.open()

    def fail(_: int) -> None:
        far.endpoint.watch(0, fail)
        raise RuntimeError("a bug")

    with caplog.at_level(logging.ERROR, "goplugin.loop"):
        near.send(b"hello")
        on(loop, lambda: far.endpoint.watch(READ, fail))
        until(lambda: "a bug" in caplog.text)
    far.read()
    far.wait_for(b"hello")
