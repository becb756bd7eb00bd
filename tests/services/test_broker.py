"""The broker: further connections of a link, in either direction."""

import contextlib
import logging
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import grpc
import pytest

from goplugin_py._pb.broker_pb2 import ConnInfo
from goplugin_py.errors import BrokerError, BrokerTimeout
from goplugin_py.net.sockets import address_of, listen_unix
from goplugin_py.services.broker import MAX_SERVICE_ID, MAX_UNSENT, LinkBroker
from goplugin_py.services.exchange import MAX_ADDRESS, SocketExchange
from goplugin_py.services.transport import Transport
from tests.echo import add_echo, call
from tests.peers import WAIT, until
from tests.services.pairs import KINDS, Pair, joined, joined_by

SHORT = 0.05


@pytest.fixture(params=KINDS)
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    with joined_by(request.param) as pair:
        yield pair


@pytest.fixture
def lone() -> Iterator[LinkBroker]:
    """A broker whose other side is played by the test."""
    broker = LinkBroker(SocketExchange(Transport()))
    yield broker
    broker.close()


both_sides = pytest.mark.parametrize("who", ["host", "plugin"])


def offer(
    service_id: int, address: str = "/nonexistent", network: str = "unix"
) -> ConnInfo:
    return ConnInfo(service_id=service_id, network=network, address=address)


# Connections


@both_sides
def test_what_one_side_serves_the_other_can_dial(pair: Pair, who: str) -> None:
    """go-plugin: GRPCBroker.AcceptAndServe, GRPCBroker.Dial."""
    near, far = pair.sides(who)
    service_id = near.next_id()
    with near.accept_and_serve(service_id, add_echo) as served:
        assert served.service_id == service_id
        with far.dial(service_id) as channel:
            assert call(channel, b"hello") == b"hello"


@both_sides
def test_a_dial_waits_for_the_other_side(pair: Pair, who: str) -> None:
    near, far = pair.sides(who)
    with ThreadPoolExecutor(1) as pool:
        dialled = pool.submit(far.dial, 7)
        assert not wait([dialled], SHORT).done
        with near.accept_and_serve(7, add_echo), dialled.result(WAIT) as channel:
            assert call(channel) == b"ping"


@both_sides
def test_a_dialled_channel_connects_before_it_is_used(pair: Pair, who: str) -> None:
    """go-plugin: dialGRPCConn."""
    near, far = pair.sides(who)
    states: list[grpc.ChannelConnectivity] = []
    with near.accept_and_serve(7, add_echo), far.dial(7) as channel:
        channel.subscribe(states.append)
        until(lambda: grpc.ChannelConnectivity.READY in states)
        channel.unsubscribe(states.append)


def test_a_channel_may_be_closed_while_it_connects(pair: Pair) -> None:
    with pair.host.accept_and_serve(7, add_echo):
        pair.plugin.dial(7).close()
    with pair.host.accept_and_serve(8, add_echo), pair.plugin.dial(8) as channel:
        assert call(channel) == b"ping"


def test_many_connections_are_open_at_once_in_both_directions(pair: Pair) -> None:
    with contextlib.ExitStack() as stack:
        channels = []
        for near, far in (pair.sides("host"), pair.sides("plugin")):
            for _ in range(5):
                service_id = near.next_id()
                stack.enter_context(near.accept_and_serve(service_id, add_echo))
                channels.append(stack.enter_context(far.dial(service_id)))
        with ThreadPoolExecutor(10) as pool:
            answers = pool.map(call, channels, [b"%d" % n for n in range(10)])
            assert list(answers) == [b"%d" % n for n in range(10)]


def test_an_offer_of_a_socket_is_taken_by_one_dial() -> None:
    """go-plugin: an id has one slot, which a dial empties."""
    with (
        joined(tls=False, multiplex=False) as pair,
        pair.host.accept_and_serve(3, add_echo),
        pair.plugin.dial(3),
        pytest.raises(BrokerTimeout),
    ):
        pair.plugin.dial(3, timeout=SHORT)


def test_stopping_a_brokered_server_ends_its_calls_and_is_idempotent(
    pair: Pair,
) -> None:
    served = pair.host.accept_and_serve(1, add_echo)
    with pair.plugin.dial(1) as channel:
        assert call(channel) == b"ping"
        served.stop()
        served.stop()
        with pytest.raises(grpc.RpcError):
            call(channel)


def test_a_brokered_channel_is_a_channel_of_every_kind(pair: Pair) -> None:
    def register(server: grpc.Server) -> None:
        handlers: dict[str, Any] = {
            "A": grpc.unary_unary_rpc_method_handler(lambda data, _: data),
            "B": grpc.unary_stream_rpc_method_handler(lambda data, _: iter([data])),
            "C": grpc.stream_unary_rpc_method_handler(lambda all_, _: b"".join(all_)),
            "D": grpc.stream_stream_rpc_method_handler(lambda all_, _: all_),
        }
        generic = grpc.method_handlers_generic_handler("x.Y", handlers)
        server.add_generic_rpc_handlers((generic,))

    states: list[grpc.ChannelConnectivity] = []
    with pair.host.accept_and_serve(1, register), pair.plugin.dial(1) as any_channel:
        channel: Any = any_channel
        channel.subscribe(states.append, try_to_connect=True)
        assert channel.unary_unary("/x.Y/A")(b"1", timeout=WAIT) == b"1"
        assert list(channel.unary_stream("/x.Y/B")(b"2", timeout=WAIT)) == [b"2"]
        assert channel.stream_unary("/x.Y/C")(iter([b"3", b"4"]), timeout=WAIT) == b"34"
        several = channel.stream_stream("/x.Y/D")(iter([b"5", b"6"]), timeout=WAIT)
        assert list(several) == [b"5", b"6"]
        until(lambda: grpc.ChannelConnectivity.READY in states)
        channel.unsubscribe(states.append)
        channel.close()
        channel.close()
        with pytest.raises(ValueError, match="closed"):
            call(channel)


# Ids


def test_ids_start_at_one_are_never_used_twice_and_never_zero(
    lone: LinkBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """go-plugin: GRPCBroker.NextId, which counts in 32 bits."""
    with ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(lambda _: lone.next_id(), range(800)))
    assert sorted(ids) == list(range(1, 801))
    monkeypatch.setattr(lone, "_ids", iter([MAX_SERVICE_ID, MAX_SERVICE_ID + 1]))
    assert [lone.next_id(), lone.next_id()] == [MAX_SERVICE_ID, 1]


# Offers


def test_a_dial_that_nobody_answers_names_the_id(pair: Pair) -> None:
    with pytest.raises(BrokerTimeout, match="service id 4711") as caught:
        pair.host.dial(4711, timeout=SHORT)
    assert caught.value.service_id == 4711
    assert isinstance(caught.value, TimeoutError)


def test_an_offer_that_came_first_is_kept(lone: LinkBroker) -> None:
    lone.receive(offer(1))
    lone.dial(1, timeout=0).close()


@pytest.mark.parametrize(
    ("network", "address"),
    [("udp", "127.0.0.1:1"), ("tcp", "nonsense"), ("unix", ""), ("", "")],
)
def test_an_address_that_can_not_be_used_is_a_broker_error(
    lone: LinkBroker, network: str, address: str
) -> None:
    lone.receive(offer(5, address, network))
    with pytest.raises(BrokerError, match="service id 5: ") as caught:
        lone.dial(5)
    assert not isinstance(caught.value, BrokerTimeout)


def test_an_endless_address_is_not_kept(
    lone: LinkBroker, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "goplugin.broker"):
        lone.receive(offer(5, "/" + "x" * MAX_ADDRESS))
    assert "service id 5 has an endless address" in caplog.text
    with pytest.raises(BrokerTimeout, match="service id 5"):
        lone.dial(5, timeout=0)


def test_a_knock_is_no_offer(
    lone: LinkBroker, caplog: pytest.LogCaptureFixture
) -> None:
    """go-plugin: GRPCBroker.Run keeps knocks apart from addresses."""
    knock = offer(5, "/tmp/plugin1")
    knock.knock.knock = True
    with caplog.at_level(logging.WARNING, "goplugin.broker"):
        lone.receive(knock)
    assert "service id 5: a knock needs multiplexing" in caplog.text
    with pytest.raises(BrokerTimeout, match="service id 5"):
        lone.dial(5, timeout=0)


def test_sockets_that_the_other_side_has_left_are_removed_and_no_others(
    lone: LinkBroker, directory: str
) -> None:
    """go-plugin: a plugin that ends leaves the sockets of its brokered servers."""
    file = Path(directory, "file")
    file.touch()
    with listen_unix(directory) as left, listen_unix(directory) as in_use:
        paths = [address_of(each).text for each in (left, in_use)]
        left.close()
        for service_id, path in enumerate([*paths, str(file), "/tmp/\0"], 1):
            lone.receive(offer(service_id, path))
        lone.remove_stale()
        assert [os.path.exists(path) for path in paths] == [False, True]
        assert file.exists()


def test_offers_made_before_the_stream_opens_are_sent_then(lone: LinkBroker) -> None:
    with lone.accept_and_serve(1, add_echo):
        stream = lone.attach()
        info = stream.get(timeout=WAIT)
        assert info is not None
        assert (info.service_id, info.network) == (1, "unix")
        lone.detach(stream)
        assert stream.get(timeout=WAIT) is None
        # Kept for the next stream.
        with lone.accept_and_serve(2, add_echo):
            again = lone.attach().get(timeout=WAIT)
            assert again is not None
            assert again.service_id == 2


def test_what_waits_for_a_stream_is_limited(lone: LinkBroker) -> None:
    """The other side would not keep more of it either."""
    for service_id in range(1, MAX_UNSENT + 3):
        lone._send(offer(service_id))
    stream = lone.attach()
    assert stream.qsize() == MAX_UNSENT
    first = stream.get(timeout=WAIT)
    assert first is not None
    assert first.service_id == 3


def test_what_the_other_side_does_not_read_is_limited(
    lone: LinkBroker, caplog: pytest.LogCaptureFixture
) -> None:
    """It may knock without end for what was stopped."""
    stream = lone.attach()
    with caplog.at_level(logging.DEBUG, "goplugin.broker"):
        for _ in range(MAX_UNSENT + 1):
            lone._send(offer(1))
    assert stream.qsize() == MAX_UNSENT
    assert "does not read" in caplog.text


def test_offers_go_to_the_host_that_came_last_and_is_still_there(
    lone: LinkBroker,
) -> None:
    """In test mode several may be attached; go-plugin: a random one gets them."""
    streams = [lone.attach(), lone.attach()]
    lone._send(offer(1))
    lone.detach(streams[1])
    lone._send(offer(2))
    lone.detach(streams[0])
    lone.detach(streams[0])
    for stream, service_id in zip(streams, (2, 1), strict=True):
        info = stream.get(timeout=WAIT)
        assert info is not None
        assert info.service_id == service_id
        assert stream.get(timeout=WAIT) is None


# Ends


def test_closing_a_broker_wakes_who_waits(pair: Pair) -> None:
    with ThreadPoolExecutor(1) as pool:
        dialled = pool.submit(pair.host.dial, 1)
        assert not wait([dialled], SHORT).done
        pair.host.close()
        with pytest.raises(BrokerError) as caught:
            dialled.result(WAIT)
        assert not isinstance(caught.value, BrokerTimeout)


def test_a_closed_broker_closes_all_though_one_fails(lone: LinkBroker) -> None:
    def fail() -> None:
        raise OSError("on purpose")

    stream = lone.attach()
    lone.accept_and_serve(1, add_echo)
    lone.remember(fail)
    with pytest.raises(OSError, match="on purpose"):
        lone.close()
    lone.forget(fail)
    assert lone._services == {}
    sent = [stream.get(timeout=WAIT), stream.get(timeout=WAIT)]
    assert sent[1] is None
    assert lone.attach().get(timeout=WAIT) is None


def test_a_closed_broker_refuses_everything(lone: LinkBroker) -> None:
    lone.receive(offer(1))
    lone.close()
    with pytest.raises(BrokerError, match="closed"):
        lone.dial(1)
    with pytest.raises(BrokerError, match="closed"):
        lone.accept_and_serve(2, add_echo)
    assert lone._open == set()


def test_closing_a_broker_ends_all_that_it_opened() -> None:
    with joined(tls=True, multiplex=False) as pair:
        served = pair.host.accept_and_serve(1, add_echo)
        channel = pair.plugin.dial(1)
        assert call(channel) == b"ping"
        pair.plugin.close()
        with pytest.raises(ValueError, match="closed"):
            call(channel)
        pair.host.close()
        served.stop()
    assert not [
        thread.name
        for thread in threading.enumerate()
        if thread.name == "goplugin-broker-test"
    ]


def test_a_register_function_that_fails_leaves_nothing_open(lone: LinkBroker) -> None:
    def register(server: grpc.Server) -> None:
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        lone.accept_and_serve(1, register)
    assert lone._open == set()
