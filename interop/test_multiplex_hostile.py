"""A peer that breaks the rules of a multiplexed link hurts that link alone."""

import tracemalloc
from collections.abc import Iterator

import pytest

from goplugin_py import BrokerError, BrokerTimeout, ConnectionLost
from interop.callback_plugin import BUSY
from interop.callback_sides import PYTHON, Link, Pair, linked, outcome
from interop.fakes.broker_plugin import BREACHES, NUISANCES, inject
from interop.python_host import WAIT, echo, echo_config, eventually, fake

pytestmark = pytest.mark.usefixtures("nothing_left")

NAMES = {
    201: "version",
    202: "type",
    203: "window",
    204: "opened-twice",
    205: "ended-twice",
    206: "go-away",
    301: "data-of-no-stream",
    302: "frames-of-no-stream",
    303: "syn-flood",
    304: "ping-flood",
    305: "unasked-pong",
}
MIB = 1 << 20
MUX = Link(PYTHON, PYTHON, mux=True)


@pytest.fixture
def hostile(nothing_left: object) -> Iterator[Pair]:
    """Give a Python host and a plugin that breaks the rules when it is knocked."""
    with linked(MUX, command=fake("broker_plugin.py", "breach")) as pair:
        yield pair


@pytest.mark.parametrize("service_id", BREACHES, ids=NAMES.get)
def test_a_plugin_that_breaks_the_rules_is_lost_and_no_other(
    hostile: Pair, service_id: int
) -> None:
    """yamux: the session ends; all who wait are told, with typed errors."""
    with echo(echo_config(broker_multiplex=True)) as (bystander, _):
        client = hostile.client
        assert client is not None
        with pytest.raises(BrokerError) as caught:
            client.broker.dial(service_id, timeout=BUSY)
        assert not isinstance(caught.value, BrokerTimeout)
        with pytest.raises(ConnectionLost):
            client.ping(WAIT)
        with pytest.raises(BrokerError):
            client.broker.dial(1, timeout=BUSY)
        bystander.ping(WAIT)


@pytest.mark.parametrize("service_id", NUISANCES, ids=NAMES.get)
def test_a_plugin_that_is_a_nuisance_costs_little_and_lives_on(
    hostile: Pair, service_id: int
) -> None:
    """yamux: frames of no stream are skipped; others are answered within limits."""
    client = hostile.client
    assert client is not None
    assert outcome(hostile.host.dial(*hostile.plugin.accept(count=1))) == (1, {})
    tracemalloc.start()
    try:
        with pytest.raises(BrokerTimeout):
            client.broker.dial(service_id, timeout=0.2)
        client.ping(WAIT)
        assert tracemalloc.get_traced_memory()[0] < MIB
    finally:
        tracemalloc.stop()
    for dialler, acceptor in hostile.both_ways:
        assert outcome(dialler.dial(*acceptor.accept(count=3))) == (3, {})


@pytest.mark.parametrize("service_id", BREACHES, ids=NAMES.get)
def test_a_plugin_ends_when_its_host_breaks_the_rules(service_id: int) -> None:
    """go-plugin: the end of the session is the end of `Serve`."""
    with linked(MUX) as pair:
        assert pair.client is not None
        inject(pair.client.broker, BREACHES[service_id])  # type: ignore[arg-type]
        assert eventually(lambda: pair.client.exited)  # type: ignore[union-attr]


@pytest.mark.parametrize("service_id", NUISANCES, ids=NAMES.get)
def test_a_plugin_lives_with_a_host_that_is_a_nuisance(service_id: int) -> None:
    """The same the other way round; its main server takes what nobody knocked for."""
    with linked(MUX) as pair:
        assert pair.client is not None
        inject(pair.client.broker, NUISANCES[service_id])  # type: ignore[arg-type]
        pair.client.ping(WAIT)
        for dialler, acceptor in pair.both_ways:
            assert outcome(dialler.dial(*acceptor.accept(count=3))) == (3, {})
