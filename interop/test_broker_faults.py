"""What a broker does when the other side does not do its part."""

import functools
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager

import pytest

from goplugin_py import BrokerError, BrokerTimeout, KnockRejected
from goplugin_py.wire.knocking import KNOCK_TIMEOUT
from interop.callback_pb2_grpc import add_PeerServicer_to_server
from interop.callback_plugin import BUSY, Peer
from interop.callback_sides import GO, PYTHON, Link, Pair, Side, linked, outcome
from interop.fakes.broker_plugin import GARBAGE, GARBAGE_IDS
from interop.python_host import WAIT, fake

pytestmark = pytest.mark.usefixtures("nothing_left")

# For a dial that nobody answers.
SHORT = 0.5
MUX = pytest.mark.parametrize("mux", [False, True], ids=["sockets", "mux"])
LINKS = [
    Link(host, plugin, mtls=mux, mux=mux)
    for host, plugin in ((PYTHON, GO), (GO, PYTHON), (PYTHON, PYTHON))
    for mux in (False, True)
]


@pytest.fixture(params=LINKS, ids=str)
def pair(request: pytest.FixtureRequest, nothing_left: object) -> Iterator[Pair]:
    """Give a host and a plugin that are connected in each way."""
    with linked(request.param) as pair:
        yield pair


def faulty(behaviour: str, *, mux: bool) -> AbstractContextManager[Pair]:
    """Start a Python host and a plugin of fakes/broker_plugin.py."""
    command = fake("broker_plugin.py", behaviour)
    return linked(Link(PYTHON, PYTHON, mux=mux), command=command)


def assert_works(dialler: Side, acceptor: Side) -> None:
    """Require that a link is as good as new."""
    ids = acceptor.accept(count=5)
    assert outcome(dialler.dial(*ids, at_once=5)) == (5, {})


# A plugin that does not do its part


def test_a_knock_without_an_answer_times_out_and_names_the_id() -> None:
    """Requirement: BrokerTimeout, bounded by the dial's own timeout."""
    with faulty("silent", mux=True) as pair:
        assert pair.client is not None
        started = time.monotonic()
        with pytest.raises(BrokerTimeout, match="4711") as caught:
            pair.client.broker.dial(4711, timeout=SHORT)
        assert SHORT <= time.monotonic() - started < SHORT + WAIT
        assert caught.value.service_id == 4711
        pair.client.ping(WAIT)


def test_a_refused_knock_has_the_reason_of_the_refusal() -> None:
    """go-plugin: `ConnInfo.Knock.error`."""
    with faulty("refuse", mux=True) as pair:
        assert pair.client is not None
        with pytest.raises(KnockRejected, match="5: not today") as caught:
            pair.client.broker.dial(5, timeout=WAIT)
        assert caught.value.reason == "not today"
        pair.client.ping(WAIT)


@MUX
def test_garbage_from_a_plugin_is_an_error_of_its_id_alone(mux: bool) -> None:
    """Unknown, empty, huge and NUL, and 1000 knocks that nobody accepts."""
    with faulty("garbage", mux=mux) as pair:
        assert pair.client is not None
        assert_works(pair.host, pair.plugin)  # so that it has all arrived
        for service_id in GARBAGE_IDS:
            with pytest.raises(BrokerError, match=str(service_id)):
                pair.client.broker.dial(service_id, timeout=SHORT)
        assert_works(pair.host, pair.plugin)
        assert_works(pair.plugin, pair.host)


@MUX
def test_garbage_from_a_host_is_an_error_of_its_id_alone(mux: bool) -> None:
    """The same the other way round."""
    with linked(Link(PYTHON, PYTHON, mux=mux)) as pair:
        assert pair.client is not None
        for info in GARBAGE:
            pair.client.broker._send(info)  # type: ignore[attr-defined]
        assert_works(pair.plugin, pair.host)  # so that it has all arrived
        errors = pair.plugin.dial(*GARBAGE_IDS, timeout=SHORT, at_once=9).errors
        assert errors.keys() == set(GARBAGE_IDS)
        assert all("Broker" in error for error in errors.values()), errors
        assert_works(pair.plugin, pair.host)
        assert_works(pair.host, pair.plugin)


# Ids


def test_an_id_that_nobody_accepts_costs_only_its_own_dial(pair: Pair) -> None:
    """The next dials work, and the id itself once somebody accepts it.

    go-plugin waits 5 s, and answers an old knock when the id is accepted at last.
    """
    for dialler, acceptor in pair.both_ways:
        reply = dialler.dial(99, timeout=SHORT)
        assert list(reply.errors) == [99]
        acceptor.accept(99)
        assert outcome(dialler.dial(99)) == (1, {})
        assert_works(dialler, acceptor)
        assert_works(acceptor, dialler)


def test_an_id_that_was_stopped_is_gone_until_it_is_accepted_anew(pair: Pair) -> None:
    """go-plugin: a closed listener answers no knocks; an address is dialled once."""
    for dialler, acceptor in pair.both_ways:
        acceptor.accept(7)
        assert outcome(dialler.dial(7)) == (1, {})
        acceptor.stop(7)
        assert list(dialler.dial(7, timeout=SHORT).errors) == [7]
        acceptor.accept(7)
        assert outcome(dialler.dial(7)) == (1, {})


@pytest.mark.parametrize("link", [link for link in LINKS if link.mux], ids=str)
def test_an_id_that_python_has_stopped_is_refused_at_once(link: Link) -> None:
    """go-plugin: `failed to knock`; no other dial waits for such a one meanwhile."""
    with linked(link) as pair:
        acceptors = (link.host, link.plugin)
        for name, (dialler, acceptor) in zip(acceptors, pair.both_ways, strict=True):
            if name == PYTHON:
                acceptor.accept(7)
                acceptor.stop(7)
                started = time.monotonic()
                for _ in range(5):
                    assert "no listener for id 7" in dialler.dial(7).errors[7]
                assert time.monotonic() - started < KNOCK_TIMEOUT
                assert_works(dialler, acceptor)


@pytest.mark.parametrize("mtls", [False, True], ids=["plain", "mtls"])
@MUX
def test_a_go_server_that_was_dialled_and_never_called_can_be_stopped(
    mtls: bool, mux: bool
) -> None:
    """grpc-go: `Server.Stop` waits up to two minutes for a connection's first bytes."""
    with linked(Link(PYTHON, GO, mtls, mux)) as pair:
        assert pair.client is not None
        ids = pair.plugin.accept(count=5)
        channels = [pair.client.broker.dial(service_id) for service_id in ids]
        started = time.monotonic()
        pair.plugin.stop(*ids)
        assert time.monotonic() - started < WAIT
        for channel in channels:
            channel.close()


# A Go plugin keeps the older of two addresses, which nobody has dialled yet.
@pytest.mark.parametrize(
    ("plugin", "mux"), [(GO, True), (PYTHON, True), (PYTHON, False)]
)
def test_of_two_servers_of_an_id_the_newer_is_dialled(plugin: str, mux: bool) -> None:
    """go-plugin: the newer listener; the older's end does not end it."""
    with linked(Link(PYTHON, plugin, mux=mux)) as pair:
        assert pair.client is not None
        older, newer = Peer(7), Peer(7)
        servers = [
            pair.client.broker.accept_and_serve(
                7, functools.partial(add_PeerServicer_to_server, peer)
            )
            for peer in (older, newer)
        ]
        servers[0].stop()
        waiting = pair.begin(pair.plugin.dial, 7, wait=True)
        assert newer.waited_for.wait(BUSY)
        servers[1].stop()
        assert list(waiting.result(timeout=BUSY).errors) == [7]
        assert not older.waited_for.is_set()
