"""What calls of a supervised plugin see: results, its own errors, and its end."""

from __future__ import annotations

import gc
import os
import pickle
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest

from goplugin_py import ClientConfig, ConnectionLost, Plugin, UnknownPlugin
from goplugin_py.services.broker import Broker
from goplugin_py.supervisor import CallLost, State, Supervised, Supervisor
from interop.echo_pb2 import (
    CrashRequest,
    FailRequest,
    Payload,
    SleepRequest,
    StreamRequest,
)
from interop.echo_pb2_grpc import EchoStub
from interop.echo_plugin import COMMAND, HANDSHAKE
from tests.clock import FakeClock
from tests.echo import add_echo, client_config, method
from tests.peers import ROOT, WAIT, until

UNAVAILABLE = grpc.StatusCode.UNAVAILABLE.value[0]
CANCELLED = grpc.StatusCode.CANCELLED.value[0]


CONFIG = ClientConfig(
    command=COMMAND,
    handshake=HANDSHAKE,
    plugins={"echo": Plugin.from_stub(EchoStub)},
    env={"PYTHONPATH": str(ROOT)},
    auto_mtls=False,
)


@pytest.fixture
def plugin() -> Iterator[Supervised]:
    with Supervisor(clock=FakeClock()) as supervisor:
        added = supervisor.add("echo", CONFIG)
        added.start()
        yield added


@pytest.fixture
def echo(plugin: Supervised) -> EchoStub:
    stub: EchoStub = plugin.dispense("echo")
    return stub


def in_flight(plugin: Supervised) -> int:
    assert plugin._current is not None
    return len(plugin._current._calls)


def numbers() -> Iterator[Payload]:
    return (Payload(number=number) for number in range(3))


def endless(ended: threading.Event) -> Iterator[Payload]:
    """One request, and then none for as long as the call lasts."""
    yield Payload(number=1)
    ended.wait(WAIT)


# Results


def test_calls_of_all_kinds_give_what_they_give_without_a_supervisor(
    plugin: Supervised, echo: EchoStub
) -> None:
    assert echo.Unary(Payload(number=5), timeout=WAIT).number == 5
    response, call = echo.Unary.with_call(Payload(number=6), timeout=WAIT)
    assert (response.number, call.code()) == (6, grpc.StatusCode.OK)
    assert echo.Unary.future(Payload(number=7), timeout=WAIT).result().number == 7
    stream = echo.ServerStream(StreamRequest(count=3), timeout=WAIT)
    assert [payload.number for payload in stream] == [0, 1, 2]
    assert echo.ClientStream(numbers(), timeout=WAIT).messages == 3
    summary, call = echo.ClientStream.with_call(numbers(), timeout=WAIT)
    assert (summary.messages, call.code()) == (3, grpc.StatusCode.OK)
    assert echo.ClientStream.future(numbers(), timeout=WAIT).result().messages == 3
    assert [each.number for each in echo.Bidi(numbers(), timeout=WAIT)] == [0, 1, 2]
    until(lambda: in_flight(plugin) == 0)


def test_calls_in_flight_are_grpcs_to_those_who_ask(echo: EchoStub) -> None:
    future = echo.Unary.future(Payload(number=1), timeout=WAIT)
    assert isinstance(future, grpc.Future)
    assert isinstance(future, grpc.Call)
    done: list[grpc.Future[Payload]] = []
    future.add_done_callback(done.append)
    until(lambda: done == [future])
    assert future.exception(timeout=WAIT) is None
    assert future.code() is grpc.StatusCode.OK
    assert future.trailing_metadata() is not None


def test_interceptors_of_grpc_work_on_the_channel(plugin: Supervised) -> None:
    class Doubler(grpc.UnaryUnaryClientInterceptor):
        def intercept_unary_unary(
            self, continuation: Any, details: Any, request: Any
        ) -> Any:
            return continuation(details, Payload(number=request.number * 2))

    stub = EchoStub(grpc.intercept_channel(plugin.channel, Doubler()))
    assert stub.Unary(Payload(number=4), timeout=WAIT).number == 8


def test_the_channel_is_the_supervisors_to_close(plugin: Supervised) -> None:
    with pytest.raises(NotImplementedError, match="wait_for"):
        grpc.channel_ready_future(plugin.channel)
    plugin.channel.unsubscribe(lambda _: None)
    plugin.channel.close()
    assert EchoStub(plugin.channel).Unary(Payload(number=1)).number == 1


# The plugin's own errors


@pytest.mark.parametrize("code", [UNAVAILABLE, CANCELLED, 5])
def test_an_error_of_the_plugins_own_stays_what_it_is(
    plugin: Supervised, echo: EchoStub, code: int
) -> None:
    """UNAVAILABLE too: the plugin is there, as it answers for its health."""
    with pytest.raises(grpc.RpcError) as caught:
        echo.Fail(FailRequest(code=code, message="its own"))
    assert not isinstance(caught.value, ConnectionLost)
    assert caught.value.details() == "its own"
    future = echo.Fail.future(FailRequest(code=code, message="its own"))
    error = future.exception(timeout=WAIT) if code != CANCELLED else None
    assert not isinstance(error, ConnectionLost)
    assert plugin.status.state is State.RUNNING


def test_a_deadline_stays_a_deadline(echo: EchoStub) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        echo.Sleep(SleepRequest(seconds=60), timeout=0.1)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


def test_a_call_that_its_user_cancels_is_cancelled(
    plugin: Supervised, echo: EchoStub
) -> None:
    future = echo.Sleep.future(SleepRequest(seconds=60))
    assert in_flight(plugin) == 1
    assert future.cancel()
    with pytest.raises(grpc.FutureCancelledError):
        future.result()
    assert in_flight(plugin) == 0


# Its end


def crash_by(plugin: Supervised) -> None:
    """Kill it with a call in flight."""
    until(lambda: in_flight(plugin) == 1)
    assert plugin.status.pid is not None
    os.kill(plugin.status.pid, signal.SIGKILL)


def wait_for_unary(echo: EchoStub, crash: Callable[[], None]) -> None:
    timer = threading.Timer(0, crash)
    timer.start()
    try:
        echo.Sleep(SleepRequest(seconds=60))
    finally:
        timer.join(WAIT)


def wait_for_future(echo: EchoStub, crash: Callable[[], None]) -> None:
    future = echo.Sleep.future(SleepRequest(seconds=60))
    crash()
    assert isinstance(future.exception(timeout=WAIT), ConnectionLost)
    future.result()


def wait_for_responses(echo: EchoStub, crash: Callable[[], None]) -> None:
    stream = echo.ServerStream(StreamRequest(count=100_000, size=10_000))
    next(stream)
    crash()
    for _ in stream:
        pass


def wait_for_dialogue(echo: EchoStub, crash: Callable[[], None]) -> None:
    ended = threading.Event()
    dialogue = echo.Bidi(endless(ended))
    try:
        next(dialogue)
        crash()
        next(dialogue)
    finally:
        ended.set()


def wait_for_summary(echo: EchoStub, crash: Callable[[], None]) -> None:
    ended = threading.Event()
    future = echo.ClientStream.future(endless(ended))
    try:
        crash()
        future.result(timeout=WAIT)
    finally:
        ended.set()


def wait_for_a_connection(echo: EchoStub, crash: Callable[[], None]) -> None:
    """gRPC would wait for ever for a process that does not come back."""
    future = echo.Sleep.future(SleepRequest(seconds=60), wait_for_ready=True)
    crash()
    future.result(timeout=WAIT)


WAITS = [
    wait_for_a_connection,
    wait_for_unary,
    wait_for_future,
    wait_for_responses,
    wait_for_dialogue,
    wait_for_summary,
]


@pytest.mark.parametrize("wait", WAITS, ids=lambda wait: wait.__name__[9:])
def test_a_call_in_flight_during_a_crash_learns_how_the_process_ended(
    plugin: Supervised,
    echo: EchoStub,
    wait: Callable[[EchoStub, Callable[[], None]], None],
) -> None:
    with pytest.raises(ConnectionLost, match="SIGKILL") as caught:
        wait(echo, lambda: crash_by(plugin))
    assert caught.value.status == -signal.SIGKILL
    assert isinstance(caught.value.__cause__, grpc.RpcError | ValueError)


def test_an_exit_status_reaches_the_call_that_made_the_plugin_end(
    plugin: Supervised, echo: EchoStub
) -> None:
    with pytest.raises(ConnectionLost, match="exit status 9") as caught:
        echo.Crash(CrashRequest(kind=CrashRequest.EXIT, status=9))
    assert caught.value.status == 9
    assert plugin.wait_for(State.CRASHED, WAIT)
    assert plugin.status.exit_status == 9


def test_those_who_only_know_grpc_see_an_rpc_error_that_is_unavailable(
    plugin: Supervised, echo: EchoStub
) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        echo.Crash(CrashRequest(kind=CrashRequest.EXIT, status=9))
    error = caught.value
    assert isinstance(error, CallLost)
    assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert error.details() == "the plugin echo is gone: exit status 9"
    assert (error.initial_metadata(), error.trailing_metadata()) == ((), ())
    assert pickle.loads(pickle.dumps(error)).status == 9


def test_a_call_that_a_stop_cuts_is_told_so(plugin: Supervised, echo: EchoStub) -> None:
    future = echo.Sleep.future(SleepRequest(seconds=60))
    echo.Unary(Payload())  # the plugin has the call before it
    plugin.stop()
    with pytest.raises(ConnectionLost, match="the plugin echo is gone"):
        future.result(timeout=WAIT)


def test_calls_are_let_to_end_by_a_stop_that_drains(
    plugin: Supervised, echo: EchoStub
) -> None:
    future = echo.Sleep.future(SleepRequest(seconds=0.2))
    plugin.stop(drain_timeout=WAIT)
    assert future.result(timeout=WAIT) == Payload()


def test_a_stream_that_nobody_holds_is_not_waited_for(
    plugin: Supervised, echo: EchoStub
) -> None:
    """grpcio cancels it then."""
    stream = echo.ServerStream(StreamRequest(count=100_000, size=10_000))
    next(stream)
    assert in_flight(plugin) == 1
    del stream
    gc.collect()
    assert in_flight(plugin) == 0


def test_a_request_that_is_none_is_not_counted(
    plugin: Supervised, echo: EchoStub
) -> None:
    with pytest.raises(grpc.RpcError):
        echo.Unary("nonsense", timeout=WAIT)  # type: ignore[arg-type]
    assert in_flight(plugin) == 0
    with pytest.raises(TypeError):
        echo.Unary(Payload(), no_such_option=1)  # type: ignore[call-arg]
    assert in_flight(plugin) == 0


# Leases and brokers


def test_a_lease_keeps_its_process_with_its_broker() -> None:
    with Supervisor(clock=FakeClock()) as supervisor:
        plugin = supervisor.add("echo", client_config(auto_mtls=False))
        plugin.start()
        with plugin.lease() as lease:
            echo = lease.dispense("echo")
            service_id = lease.broker.next_id()
            with lease.broker.accept_and_serve(service_id, add_echo):
                plugin.reload()
                # Only the old process knows this id.
                assert echo(b"dial %d" % service_id) == b"from the plugin"
            with pytest.raises(UnknownPlugin):
                lease.dispense("ecco")
        assert plugin.dispense("echo")(b"new") == b"new"


def test_a_plugin_class_gets_a_broker_that_follows_the_process() -> None:
    brokers: list[Broker] = []

    class Keeping(Plugin):
        def grpc_client(self, broker: Broker, channel: grpc.Channel) -> grpc.Channel:
            brokers.append(broker)
            return channel

    with Supervisor(clock=FakeClock()) as supervisor:
        config = client_config(plugins={"keeping": Keeping()}, auto_mtls=False)
        plugin = supervisor.add("echo", config)
        plugin.start()
        call = method(plugin.dispense("keeping"))
        [broker] = brokers
        for _ in range(2):
            service_id = broker.next_id()
            with broker.accept_and_serve(service_id, add_echo):
                assert call(b"dial %d" % service_id) == b"from the plugin"
            with broker.dial(int(call(b"serve"))) as channel:
                assert method(channel)(b"x") == b"x"
            plugin.reload()
