"""Connections of the broker in one session: the exchange and the broker on top."""

import contextlib
import errno
import functools
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait

import grpc
import pytest

from goplugin_py.deadline import Deadline
from goplugin_py.errors import BrokerError, BrokerTimeout, KnockRejected
from goplugin_py.net import link as link_module
from goplugin_py.net.loop import shared_loop
from goplugin_py.services.channel import open_channel
from goplugin_py.services.connection import Connection
from goplugin_py.services.multiplex import (
    run,
)
from goplugin_py.wire import knocking
from tests.echo import Behaviour, add_echo, call
from tests.peers import WAIT, connect, until
from tests.services.multiplexed import SHORT, Lone, Pair, Side, joined


@pytest.fixture(params=[False, True], ids=["plain", "tls"])
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    with joined(tls=request.param) as pair:
        yield pair


@pytest.fixture
def plain() -> Iterator[Pair]:
    with joined() as pair:
        yield pair


@pytest.fixture
def lone() -> Iterator[Lone]:
    lone = Lone()
    yield lone
    lone.close()


both_sides = pytest.mark.parametrize("who", ["host", "plugin"])


def says(what: bytes) -> Behaviour:
    return lambda _request, _context: what


def cut_connections(connection: Connection) -> None:
    """End the connections that are open now, as a fault would."""
    relayed = connection._relayed  # type: ignore[attr-defined]
    links = relayed._relay._links

    def cut() -> None:
        for link in list(links):
            link.close(ConnectionResetError("on purpose"))

    until(lambda: links)
    run(cut)


def call_again(channel: grpc.Channel) -> bytes:
    """Call until a channel that has lost its connection has another."""
    answers: list[bytes] = []

    def attempt() -> bool:
        with contextlib.suppress(grpc.RpcError):
            answers.append(call(channel))
        return bool(answers)

    until(attempt)
    return answers[0]


# Connections


@both_sides
def test_what_one_side_serves_the_other_dials_with_one_knock(
    pair: Pair, who: str
) -> None:
    """go-plugin: GRPCBrokerMultiplex; the first connection takes the dial's stream."""
    near, far = pair.sides(who)
    with near.broker.accept_and_serve(7, add_echo):
        with far.broker.dial(7) as channel:
            until(lambda: near.streams == far.streams == 2)
            assert call(channel, b"hello" * 100_000) == b"hello" * 100_000
            assert far.streams == 2
        assert far.knocks == [7]
        until(lambda: near.streams == far.streams == 1)
    assert near.knocks == []
    assert call(pair.channel) == b"ping"


@both_sides
def test_one_accept_serves_several_dials(pair: Pair, who: str) -> None:
    """go-plugin: unlike an address, an id may be dialled again."""
    near, far = pair.sides(who)
    with near.broker.accept_and_serve(7, add_echo), contextlib.ExitStack() as stack:
        for number in range(3):
            channel = stack.enter_context(far.broker.dial(7))
            assert call(channel, b"%d" % number) == b"%d" % number
    assert far.knocks == [7, 7, 7]


def test_all_is_in_one_connection(pair: Pair) -> None:
    """Dials of both sides at once, and no socket of the plugin's but the first."""
    with contextlib.ExitStack() as stack:
        served: list[tuple[Side, int, bytes]] = []
        for near, far in (pair.sides("host"), pair.sides("plugin")):
            for service_id in range(1, 11):
                name = b"%d, served to %d" % (service_id, id(far))
                register = functools.partial(add_echo, behaviour=says(name))
                stack.enter_context(near.broker.accept_and_serve(service_id, register))
                served.append((far, service_id, name))

        def dial(side: Side, service_id: int, name: bytes) -> bool:
            with side.broker.dial(service_id) as channel:
                return call(channel) == name

        with ThreadPoolExecutor(8) as pool:
            assert all(pool.map(dial, *zip(*served, strict=True)))
    with pytest.raises(OSError, match=r"refused"):
        connect(pair.address.text)


@both_sides
def test_a_connection_that_breaks_is_replaced_by_another_knock(
    pair: Pair, who: str
) -> None:
    near, far = pair.sides(who)
    with near.broker.accept_and_serve(7, add_echo):
        connection = far.dial(7)
        with open_channel(connection.target) as channel:
            assert call(channel) == b"ping"
            assert far.knocks == [7]
            cut_connections(connection)
            assert isinstance(connection.failure, ConnectionResetError)
            assert call_again(channel) == b"ping"
            assert far.knocks == [7, 7]
        connection.close()
        connection.close()


@both_sides
def test_a_dialled_channel_that_was_never_used_leaves_no_stream(
    pair: Pair, who: str
) -> None:
    near, far = pair.sides(who)
    with near.broker.accept_and_serve(7, add_echo):
        far.broker.dial(7).close()
        until(lambda: near.streams == far.streams == 1)


def test_the_stream_of_a_dial_that_took_too_long_is_replaced(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever serves does not wait for ever for the first bytes of a connection."""
    with joined(tls=True) as pair:
        monkeypatch.setattr(link_module, "HANDSHAKE_TIMEOUT", SHORT)
        with pair.plugin.broker.accept_and_serve(7, add_echo):
            connection = pair.host.dial(7)
            until(lambda: pair.host.streams == 1)
            monkeypatch.undo()
            with open_channel(connection.target) as channel:
                assert call(channel) == b"ping"
            assert pair.host.knocks == [7, 7]
            connection.close()


def test_a_connection_without_tls_lives_on(
    plain: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link_module, "HANDSHAKE_TIMEOUT", SHORT)
    with (
        plain.plugin.broker.accept_and_serve(7, add_echo),
        plain.host.broker.dial(7) as channel,
    ):
        assert call(channel) == b"ping"
        passed = threading.Event()

        def begin() -> None:
            shared_loop().call_later(2 * SHORT, passed.set)

        run(begin)
        assert passed.wait(WAIT)
        assert call(channel) == b"ping"
        assert plain.host.knocks == [7]


# Failures


@both_sides
def test_a_dial_that_nobody_answers_names_the_id(plain: Pair, who: str) -> None:
    near, _ = plain.sides(who)
    with pytest.raises(BrokerTimeout, match="knock for service id 4711") as caught:
        near.broker.dial(4711, timeout=SHORT)
    assert caught.value.service_id == 4711
    assert near.streams == 1


def test_an_id_that_timed_out_can_be_dialled_later(plain: Pair) -> None:
    with pytest.raises(BrokerTimeout):
        plain.host.broker.dial(7, timeout=SHORT)
    with (
        plain.plugin.broker.accept_and_serve(7, add_echo),
        plain.host.broker.dial(7) as channel,
    ):
        assert call(channel) == b"ping"


def test_a_dial_with_more_time_than_a_knock_knocks_again(
    lone: Lone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(knocking, "KNOCK_TIMEOUT", SHORT)
    with ThreadPoolExecutor(1) as pool:
        dialled = pool.submit(lone.exchange.dial, 7, Deadline(WAIT))
        until(lambda: len(lone.sent) == 3)
        monkeypatch.undo()
        until(lambda: len(lone.sent) == 4)
        lone.answer(7)
        dialled.result(WAIT).close()
    with pytest.raises(BrokerTimeout):
        lone.exchange.dial(8, Deadline(SHORT))
    assert {info.service_id for info in lone.sent} == {7, 8}


def test_a_refused_knock_is_an_error_with_the_other_sides_words(lone: Lone) -> None:
    """go-plugin: `no listener for id`."""
    with ThreadPoolExecutor(1) as pool:
        dialled = pool.submit(lone.exchange.dial, 7, Deadline(WAIT))
        until(lambda: lone.sent)
        lone.answer(7, "no listener for id 7")
        with pytest.raises(KnockRejected, match="service id 7") as caught:
            dialled.result(WAIT)
    assert caught.value.reason == "no listener for id 7"


def test_an_answer_that_comes_with_the_timeout_is_taken(lone: Lone) -> None:
    """Whichever the loop sees first."""

    class Late(Deadline):
        """Lets the answer in at the last moment."""

        def remaining(self) -> float | None:
            lone.answer(7)
            run(lambda: None)
            return 0.0

    lone.exchange.dial(7, Late(0)).close()


def test_a_dial_whose_relay_can_not_be_made_leaves_no_stream(
    lone: Lone, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> Connection:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(lone.transport, "_relayed", fail)
    with ThreadPoolExecutor(1) as pool:
        dialled = pool.submit(lone.exchange.dial, 7, Deadline(WAIT))
        until(lambda: lone.sent)
        lone.answer(7)
        with pytest.raises(OSError, match="open files"):
            dialled.result(WAIT)
    session = lone.transport.router._session
    assert session is not None
    assert session._session.stream_count == 0


@both_sides
def test_closing_a_broker_fails_who_waits(plain: Pair, who: str) -> None:
    near, _ = plain.sides(who)
    with ThreadPoolExecutor(3) as pool:
        dials = [pool.submit(near.broker.dial, number) for number in (1, 2, 3)]
        assert not wait(dials, SHORT).done
        near.broker.close()
        for dialled in dials:
            with pytest.raises(BrokerError, match="the broker is closed") as caught:
                dialled.result(WAIT)
            assert not isinstance(caught.value, BrokerTimeout)
    assert len(near.knocks) == 1


@both_sides
def test_the_end_of_the_session_fails_who_waits_and_who_comes_later(
    plain: Pair, who: str
) -> None:
    near, far = plain.sides(who)
    with ThreadPoolExecutor(1) as pool:
        dialled = pool.submit(near.broker.dial, 1)
        assert not wait([dialled], SHORT).done
        far.transport.close()
        with pytest.raises(BrokerError):
            dialled.result(WAIT)
    with pytest.raises(BrokerError, match="has ended"):
        near.broker.dial(2)


def test_stopping_a_served_id_ends_its_connections_and_refuses_knocks(
    plain: Pair,
) -> None:
    served = plain.plugin.broker.accept_and_serve(7, add_echo)
    with plain.host.broker.dial(7) as channel:
        assert call(channel) == b"ping"
        served.stop()
        until(lambda: plain.host.streams == 1)
    with pytest.raises(KnockRejected, match="no listener for id 7"):
        plain.host.broker.dial(7)


def test_stopping_what_was_replaced_does_not_stop_what_came_after(
    plain: Pair,
) -> None:
    old = plain.plugin.broker.accept_and_serve(7, add_echo)
    with plain.plugin.broker.accept_and_serve(7, add_echo):
        old.stop()
        with plain.host.broker.dial(7) as channel:
            assert call(channel) == b"ping"
