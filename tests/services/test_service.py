"""What is served through a broker ends when nobody can or will reach it."""

import logging
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait

import grpc
import pytest

from goplugin_py.errors import BrokerError, BrokerTimeout, KnockRejected
from goplugin_py.services import service as service_module
from goplugin_py.services.broker import LinkBroker
from goplugin_py.services.broker_stream import BrokerStream
from goplugin_py.services.channel import open_channel
from goplugin_py.services.exchange import SocketExchange
from goplugin_py.services.server import Server
from goplugin_py.services.service import IDLE_CHECK, Service
from goplugin_py.services.transport import Transport
from tests.echo import add_echo, call, serving
from tests.peers import WAIT, until
from tests.services.pairs import KINDS, Pair, joined, joined_by

SHORT = 0.05


@pytest.fixture(params=KINDS)
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    with joined_by(request.param) as pair:
        yield pair


@pytest.fixture
def sockets() -> Iterator[Pair]:
    with joined(tls=False, multiplex=False) as pair:
        yield pair


both_sides = pytest.mark.parametrize("who", ["host", "plugin"])


class Parts:
    """A server and its place, played by the test."""

    def __init__(self, *, was_used: bool = False, is_in_use: bool = False) -> None:
        self.used, self.in_use = was_used, is_in_use
        self.done: list[str] = []
        self.fails = False
        self.service = Service(7, self, self, lambda _: self.done.append("forgotten"))

    def add_insecure_port(self, address: str) -> int:
        raise AssertionError

    def start(self) -> None:
        raise AssertionError

    def was_used(self) -> bool:
        return self.used

    def is_in_use(self) -> bool:
        return self.in_use

    def close(self, grace: float | None = None) -> None:
        self.done.append("place" if grace is None else f"server, grace {grace:g}")
        if self.fails and grace is not None:
            raise OSError("on purpose")


# A service


def test_a_service_stops_once_its_server_first() -> None:
    parts = Parts()
    parts.service.stop(1.5)
    parts.service.stop()
    assert parts.done == ["forgotten", "server, grace 1.5", "place"]


def test_a_server_that_can_not_be_stopped_gives_its_place_up() -> None:
    parts = Parts()
    parts.fails = True
    with pytest.raises(OSError, match="on purpose"):
        parts.service.stop()
    assert parts.done[-1] == "place"


def test_a_service_that_was_used_is_left_alone() -> None:
    parts = Parts(was_used=True)
    parts.service.stop_unless_used(5.0)
    assert parts.done == []


def test_a_service_that_was_not_used_is_stopped_and_said_to_be(
    caplog: pytest.LogCaptureFixture,
) -> None:
    parts = Parts()
    with caplog.at_level(logging.WARNING, "goplugin.broker"):
        parts.service.stop_unless_used(5.0)
    assert parts.done[-1] == "place"
    assert "nobody connected to service id 7 within 5 s" in caplog.text


def test_an_orphan_is_looked_at_until_nobody_is_connected() -> None:
    parts = Parts(was_used=True, is_in_use=True)
    assert parts.service.stop_when_idle() == IDLE_CHECK
    assert parts.done == []
    parts.in_use = False
    assert parts.service.stop_when_idle() is None
    assert parts.done[-1] == "place"


# While the link lives


@both_sides
def test_a_server_that_nobody_dials_is_stopped(pair: Pair, who: str) -> None:
    """Unlike go-plugin's, which lives as long as the broker."""
    near, far = pair.sides(who)
    near.accept_and_serve(7, add_echo, timeout=SHORT)
    until(lambda: not near._services)
    until(lambda: near._reaper._thread is None)
    assert_unreachable(far, 7)


def assert_unreachable(far: LinkBroker, service_id: int) -> None:
    """Require an error at once: of the dial, or of the first call."""
    try:
        channel = far.dial(service_id)
    except KnockRejected as exc:
        assert "no listener" in exc.reason  # noqa: PT017
    else:
        with channel, pytest.raises(grpc.RpcError) as caught:
            call(channel)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


@both_sides
def test_a_server_that_is_dialled_is_not_stopped(pair: Pair, who: str) -> None:
    near, far = pair.sides(who)
    near.accept_and_serve(7, add_echo)
    with far.dial(7) as channel:
        assert call(channel) == b"ping"
        (service,) = near._services
        service.stop_unless_used(0.0)
        assert call(channel) == b"ping"


def test_a_multiplexed_server_that_was_dialled_once_waits_for_more() -> None:
    """go-plugin: one accept serves many dials."""
    with joined(tls=False, multiplex=True) as pair:
        pair.plugin.accept_and_serve(7, add_echo)
        with pair.host.dial(7) as channel:
            assert call(channel) == b"ping"
        (service,) = pair.plugin._services
        until(lambda: not service._place.is_in_use())
        service.stop_unless_used(0.0)
        with pair.host.dial(7) as channel:
            assert call(channel) == b"ping"


def test_a_server_may_wait_as_long_as_the_link_lives(sockets: Pair) -> None:
    sockets.plugin.accept_and_serve(7, add_echo, timeout=None)
    assert sockets.plugin._reaper._checks == {}


def test_a_socket_goes_with_its_server(sockets: Pair) -> None:
    plugin = sockets.plugin
    plugin.accept_and_serve(7, add_echo, timeout=SHORT)
    (service,) = plugin._services
    path = service._place.address.text  # type: ignore[attr-defined]
    until(lambda: not os.path.exists(path))


def test_a_server_that_is_stopped_is_not_looked_at_any_more(sockets: Pair) -> None:
    sockets.plugin.accept_and_serve(7, add_echo).stop()
    until(lambda: sockets.plugin._reaper._thread is None)


# When the other side is gone


def test_a_host_stops_what_it_served_to_a_plugin_that_is_gone(pair: Pair) -> None:
    pair.host.accept_and_serve(7, add_echo)
    pair.plugin.close()  # which ends the stream
    until(lambda: not pair.host._services)


def test_a_host_without_its_plugins_broker_fails_at_once(pair: Pair) -> None:
    """go-plugin: `broker closed`; its dials wait for 5 s."""
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(pair.host.dial, 7, timeout=WAIT)
        assert not wait([waiting], SHORT).done
        pair.plugin.close()
        for action in (
            lambda: waiting.result(WAIT),
            lambda: pair.host.dial(8, timeout=WAIT),
            lambda: pair.host.accept_and_serve(9, add_echo),
        ):
            with pytest.raises(BrokerError, match="plugin has ended") as caught:
                action()
            assert not isinstance(caught.value, BrokerTimeout)


def test_a_plugin_without_a_broker_is_an_error_that_says_so() -> None:
    """As some that were made without go-plugin."""
    server = Server(max_workers=1)
    add_echo(server)
    host = LinkBroker(SocketExchange(Transport()))
    with serving(server) as channel:
        stream = BrokerStream(host, channel, "test")
        until(lambda: host._closed_because)
        with pytest.raises(BrokerError, match="the plugin has no broker"):
            host.accept_and_serve(7, add_echo)
        stream.close(WAIT)
    host.close()


def test_a_plugin_stops_what_it_served_to_a_host_that_is_gone(sockets: Pair) -> None:
    """And serves the next host, if one may attach."""
    until(lambda: sockets.plugin._streams)
    sockets.plugin.accept_and_serve(7, add_echo)
    sockets.stream.close(WAIT)
    until(lambda: not sockets.plugin._services)
    sockets.plugin.accept_and_serve(8, add_echo)
    info = sockets.plugin.attach().get(timeout=WAIT)
    assert info is not None
    assert info.service_id == 8


def test_connections_outlive_the_stream_and_then_the_server_ends(
    sockets: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """go-plugin: established connections live on."""
    monkeypatch.setattr(service_module, "IDLE_CHECK", SHORT)
    plugin = sockets.plugin
    plugin.accept_and_serve(7, add_echo)
    target = sockets.host.dial(7)._connection.target  # type: ignore[attr-defined]
    with open_channel(target) as channel:
        assert call(channel) == b"ping"
        sockets.stream.close(WAIT)
        until(lambda: plugin._reaper._checks)
        assert call(channel) == b"ping"
        assert plugin._services
    sockets.host.close()
    until(lambda: not plugin._services)


def test_what_was_offered_before_the_host_came_is_stopped_when_it_goes() -> None:
    plugin = LinkBroker(SocketExchange(Transport()))
    plugin.accept_and_serve(1, add_echo)
    stream = plugin.attach()
    plugin.detach(stream)
    until(lambda: not plugin._services)
    plugin.close()
