"""Whose is each stream: two routers in one process, and one whose peer is the test."""

import logging
import socket
import threading
from collections.abc import Callable, Iterator
from typing import TypeVar

import pytest

from goplugin_py._pb.broker_pb2 import ConnInfo
from goplugin_py.errors import BrokerTimeout, KnockRejected
from goplugin_py.net.endpoint import Endpoint
from goplugin_py.net.loop import shared_loop
from goplugin_py.net.multiplex import StreamEndpoint
from goplugin_py.services.router import Router
from goplugin_py.wire import knocking
from tests.peers import WAIT, has_ended, receive, until
from tests.wire import frames

NO_TIME = 0.05
ACCEPT_BACKLOG = 256  # yamux: Config.AcceptBacklog

_T = TypeVar("_T")


def on_loop(call: Callable[[], _T]) -> _T:
    """Make a call on the loop's thread; return what it does."""
    results: list[_T] = []
    shared_loop().run(lambda: results.append(call()), WAIT)
    return results[0]


def knock(service_id: int) -> ConnInfo:
    return ConnInfo(service_id=service_id, knock=ConnInfo.Knock(knock=True))


def answer(service_id: int, error: str = "") -> ConnInfo:
    return ConnInfo(
        service_id=service_id,
        knock=ConnInfo.Knock(knock=True, ack=True, error=error),
    )


class Dialled:
    """What became of a dial."""

    def __init__(self, begin: Callable[["Dialled"], Callable[[], None]]) -> None:
        self.stream: StreamEndpoint | None = None
        self.failure: Exception | None = None
        self.calls = 0
        self._is_over = threading.Event()
        self._give_up = on_loop(lambda: begin(self))

    def done(self, stream: StreamEndpoint | None, failure: Exception | None) -> None:
        self.stream, self.failure = stream, failure
        self.calls += 1
        self._is_over.set()

    def opened(self) -> StreamEndpoint:
        assert self._is_over.wait(WAIT)
        assert self.failure is None
        assert self.stream is not None
        return self.stream

    def failed(self) -> Exception:
        assert self._is_over.wait(WAIT)
        assert self.stream is None
        assert self.failure is not None
        return self.failure

    def give_up(self) -> None:
        on_loop(self._give_up)

    @property
    def is_over(self) -> bool:
        return self._is_over.is_set()


class Side:
    """A router with what it sent and what it was told."""

    def __init__(self) -> None:
        self.router = Router()
        self.router.send = self._send
        self.sent: list[ConnInfo] = []
        self.peer: Side | None = None
        self.ends = 0
        self.taken: dict[str, list[Endpoint]] = {}

    def _send(self, info: ConnInfo) -> None:
        self.sent.append(info)
        if self.peer is not None:
            receive = self.peer.router.receive
            shared_loop().call_soon(lambda: receive(info))

    def _note_end(self) -> None:
        self.ends += 1

    def begin(self, sock: socket.socket, *, is_client: bool) -> None:
        default = None if is_client else self.take_for("default")
        on_loop(
            lambda: self.router.begin(
                sock, is_client=is_client, default=default, on_end=self._note_end
            )
        )

    def take_for(self, name: str) -> Callable[[Endpoint], None]:
        return self.taken.setdefault(name, []).append

    def accept(self, service_id: int, name: str) -> Callable[[Endpoint], None]:
        take = self.take_for(name)
        on_loop(lambda: self.router.accept(service_id, take))
        return take

    def open(self) -> Dialled:
        return Dialled(lambda dialled: self.router.open(dialled.done))

    def dial(self, service_id: int) -> Dialled:
        return Dialled(lambda dialled: self.router.dial(service_id, dialled.done))

    def receive(self, info: ConnInfo) -> None:
        on_loop(lambda: self.router.receive(info))

    def close(self) -> None:
        on_loop(self.router.close)


class Pair:
    """A host's and a plugin's router, joined."""

    def __init__(self) -> None:
        self.host, self.plugin = Side(), Side()
        self.host.peer, self.plugin.peer = self.plugin, self.host
        near, far = socket.socketpair()
        self.host.begin(near, is_client=True)
        self.plugin.begin(far, is_client=False)

    def sides(self, who: str) -> tuple[Side, Side]:
        """Return this side, and the other one."""
        return (self.host, self.plugin) if who == "host" else (self.plugin, self.host)

    def close(self) -> None:
        self.host.close()
        self.plugin.close()


@pytest.fixture
def pair() -> Iterator[Pair]:
    pair = Pair()
    yield pair
    pair.close()


@pytest.fixture
def lone() -> Iterator[tuple[Side, socket.socket]]:
    """A plugin's router whose other side is played by the test."""
    side = Side()
    near, peer = socket.socketpair()
    peer.settimeout(WAIT)
    side.begin(near, is_client=False)
    with peer:
        yield side, peer
        side.close()


both_sides = pytest.mark.parametrize("who", ["host", "plugin"])


def was_reset(stream: StreamEndpoint) -> bool:
    until(lambda: stream.has_ended)
    return stream._stream.is_reset


# Streams


@both_sides
def test_a_dialled_stream_goes_to_who_accepts_the_id(pair: Pair, who: str) -> None:
    near, far = pair.sides(who)
    far.accept(5, "five")
    far.accept(6, "six")
    dials = [near.dial(service_id) for service_id in (6, 5, 6)]
    for dialled in dials:
        dialled.opened()
    until(lambda: len(far.taken["six"]) == 2 and len(far.taken["five"]) == 1)
    assert [each.service_id for each in near.sent if not each.knock.ack] == [6, 5, 6]
    assert all(each.knock.ack for each in far.sent)


@both_sides
def test_a_dial_may_come_before_the_accept(pair: Pair, who: str) -> None:
    near, far = pair.sides(who)
    dialled = near.dial(5)
    assert not dialled.is_over
    far.accept(5, "five")
    dialled.opened()
    until(lambda: far.taken["five"])


def test_ids_of_the_two_directions_do_not_clash(pair: Pair) -> None:
    for near, far in (pair.sides("host"), pair.sides("plugin")):
        near.accept(1, "ours")
        far.accept(1, "ours")
        near.dial(1).opened()
        until(lambda: far.taken["ours"])  # noqa: B023
    assert [len(side.taken["ours"]) for side in (pair.host, pair.plugin)] == [1, 1]


def test_a_stream_without_a_knock_reaches_a_plugins_default(pair: Pair) -> None:
    """go-plugin: GRPCServerMuxer.Accept, `sending conn to default listener`."""
    pair.plugin.accept(5, "five")
    pair.host.open().opened()
    until(lambda: pair.plugin.taken["default"])
    assert pair.plugin.taken["five"] == []


def test_a_stream_without_a_knock_is_reset_by_a_host(pair: Pair) -> None:
    """go-plugin's host leaves it to the next listener that is knocked for."""
    pair.host.accept(5, "five")
    assert was_reset(pair.plugin.open().opened())
    pair.plugin.dial(5).opened()
    until(lambda: pair.host.taken["five"])


def test_one_accept_serves_every_dial_until_it_is_withdrawn(pair: Pair) -> None:
    take = pair.plugin.accept(5, "five")
    for count in range(1, 4):
        pair.host.dial(5).opened()
        until(lambda: len(pair.plugin.taken["five"]) == count)  # noqa: B023
    on_loop(lambda: pair.plugin.router.withdraw(5, take))
    failure = pair.host.dial(5).failed()
    assert isinstance(failure, KnockRejected)
    assert failure.reason == "no listener for id 5"


def test_withdrawing_twice_does_not_end_who_came_after(pair: Pair) -> None:
    old, withdraw = pair.plugin.accept(5, "old"), pair.plugin.router.withdraw
    pair.plugin.accept(5, "new")
    on_loop(lambda: withdraw(5, old))
    on_loop(lambda: withdraw(6, old))
    pair.host.dial(5).opened()
    until(lambda: pair.plugin.taken["new"])
    assert pair.plugin.taken["old"] == []


def test_a_stream_for_an_id_that_was_withdrawn_meanwhile_is_reset(
    lone: tuple[Side, socket.socket],
) -> None:
    side, peer = lone
    take = side.accept(5, "five")
    side.receive(knock(5))
    assert side.sent == [answer(5)]
    on_loop(lambda: side.router.withdraw(5, take))
    peer.sendall(frames.syn(1))
    assert receive(peer, 12) == frames.rst(1)
    assert side.taken == {"five": [], "default": []}


def test_a_stream_that_is_taken_is_acknowledged(
    lone: tuple[Side, socket.socket],
) -> None:
    side, peer = lone
    peer.sendall(frames.syn(1))
    assert receive(peer, 12) == frames.ack(1)
    assert len(side.taken["default"]) == 1


# Knocks


def test_a_refusal_fails_the_dial_with_the_other_sides_words(
    lone: tuple[Side, socket.socket],
) -> None:
    """go-plugin: `failed to knock for id`."""
    side, _ = lone
    dialled = side.dial(7)
    side.receive(answer(7, "no listener for id 7"))
    failure = dialled.failed()
    assert isinstance(failure, KnockRejected)
    assert failure.reason == "no listener for id 7"
    assert str(failure) == "service id 7: no listener for id 7"


def test_silence_fails_the_dial_and_names_the_id(
    lone: tuple[Side, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(knocking, "KNOCK_TIMEOUT", NO_TIME)
    side, _ = lone
    failures = [dialled.failed() for dialled in [side.dial(7), side.dial(8)]]
    for failure, service_id in zip(failures, [7, 8], strict=True):
        assert isinstance(failure, BrokerTimeout)
        assert f"service id {service_id}" in str(failure)
        assert failure.service_id == service_id
    assert side.sent == [knock(7), knock(8)]
    assert side.router._timer is None


def test_who_knocks_and_opens_no_stream_holds_up_the_others_for_a_time(
    lone: tuple[Side, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(knocking, "KNOCK_TIMEOUT", NO_TIME)
    side, peer = lone
    side.accept(5, "five")
    side.accept(6, "six")
    side.receive(knock(5))
    monkeypatch.undo()
    side.receive(knock(6))
    assert side.sent == [answer(5)]
    until(lambda: side.sent == [answer(5), answer(6)])
    peer.sendall(frames.syn(1))
    until(lambda: side.taken["six"])
    assert side.taken["five"] == []


def test_a_stream_that_comes_late_goes_where_the_knock_said(
    lone: tuple[Side, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not to the main server, which does not know its calls."""
    monkeypatch.setattr(knocking, "KNOCK_TIMEOUT", NO_TIME)
    side, peer = lone
    side.accept(5, "five")
    side.receive(knock(5))
    until(lambda: side.router._knocking._is_overdue)
    peer.sendall(frames.syn(1))
    until(lambda: side.taken["five"])
    assert side.taken["default"] == []


def test_a_message_that_is_no_knock_is_logged_and_nothing_else(
    lone: tuple[Side, socket.socket], caplog: pytest.LogCaptureFixture
) -> None:
    """An address, from a peer that does not multiplex."""
    side, _ = lone
    dialled = side.dial(7)
    with caplog.at_level(logging.WARNING, "goplugin.multiplex"):
        side.receive(ConnInfo(service_id=7, network="unix", address="/x"))
    assert "service id 7 came without a knock" in caplog.text
    assert not dialled.is_over
    side.receive(answer(7))
    dialled.opened()


def test_a_dial_that_is_given_up_fails_once_and_its_late_answer_gets_a_reset_stream(
    pair: Pair,
) -> None:
    dialled = pair.host.dial(5)
    dialled.give_up()
    dialled.give_up()
    assert isinstance(dialled.failed(), ConnectionAbortedError)
    pair.plugin.accept(5, "five")
    until(lambda: pair.plugin.taken["five"])
    (stream,) = pair.plugin.taken["five"]
    assert isinstance(stream, StreamEndpoint)
    assert was_reset(stream)
    assert dialled.calls == 1
    pair.host.open().opened()
    until(lambda: pair.plugin.taken["default"])


def test_a_dial_that_has_succeeded_can_not_be_given_up(pair: Pair) -> None:
    pair.plugin.accept(5, "five")
    dialled = pair.host.dial(5)
    stream = dialled.opened()
    dialled.give_up()
    assert dialled.calls == 1
    assert not stream.has_ended
    opened = pair.host.open()
    opened.give_up()
    assert not opened.opened().has_ended


def test_giving_up_all_sends_no_more_knocks(lone: tuple[Side, socket.socket]) -> None:
    side, _ = lone
    dials = [side.dial(service_id) for service_id in range(1, 6)]
    on_loop(lambda: side.router.give_up_all("on purpose"))
    for dialled in dials:
        assert isinstance(dialled.failed(), ConnectionAbortedError)
    assert side.sent == [knock(1)]
    assert side.router._timer is None


def test_a_session_that_opens_no_more_streams_fails_the_dial(
    lone: tuple[Side, socket.socket],
) -> None:
    """yamux: ErrStreamsExhausted, here the peer's backlog."""
    side, _ = lone
    for _ in range(ACCEPT_BACKLOG):
        side.open().opened()
    dialled = side.dial(7)
    side.receive(answer(7))
    assert isinstance(dialled.failed(), OSError)
    side.receive(answer(7))  # the reset of a late one fails as well
    assert isinstance(side.open().failed(), OSError)


# The end


@both_sides
def test_the_end_of_the_session_fails_who_waits_and_is_told_once(
    pair: Pair, who: str
) -> None:
    near, far = pair.sides(who)
    dials = [near.dial(service_id) for service_id in (5, 6)]
    far.accept(7, "seven")
    far.close()
    for dialled in dials:
        assert isinstance(dialled.failed(), ConnectionAbortedError)
    until(lambda: near.ends)
    near.close()
    assert (near.ends, far.ends) == (1, 0)
    assert near.router._timer is None


@both_sides
def test_after_the_end_dials_fail_at_once(pair: Pair, who: str) -> None:
    near, far = pair.sides(who)
    far.close()
    until(lambda: near.ends)
    for side in (near, far):
        sent = len(side.sent)
        for dialled in (side.dial(5), side.open()):
            assert dialled.is_over
            assert "session has ended" in str(dialled.failed())
            dialled.give_up()
        assert len(side.sent) == sent


def test_a_breach_of_the_peer_ends_the_session(
    lone: tuple[Side, socket.socket], caplog: pytest.LogCaptureFixture
) -> None:
    side, peer = lone
    with caplog.at_level(logging.DEBUG, "goplugin.multiplex"):
        peer.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        until(lambda: side.ends)
    assert "the session ended: the peer speaks yamux version 80" in caplog.text


def test_messages_after_the_end_leave_no_timer(
    lone: tuple[Side, socket.socket],
) -> None:
    side, peer = lone
    side.accept(5, "five")
    side.receive(knock(5))
    assert side.router._timer is not None
    side.close()
    side.close()
    assert has_ended(peer)
    assert side.router._timer is None
    side.accept(6, "six")
    side.receive(knock(6))
    assert side.router._timer is None
    assert side.ends == 0  # we closed it ourselves


def test_a_connection_that_comes_after_the_end_is_closed() -> None:
    side = Side()
    side.close()
    near, peer = socket.socketpair()
    peer.settimeout(WAIT)
    with peer:
        side.begin(near, is_client=False)
        assert has_ended(peer)
    assert "session has ended" in str(side.open().failed())
