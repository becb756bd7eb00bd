"""The server in which the control plane never waits for the user's calls."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import grpc
import pytest

from goplugin_py._pb.controller_pb2 import Empty as Nothing
from goplugin_py._pb.controller_pb2_grpc import (
    GRPCControllerStub,
    add_GRPCControllerServicer_to_server,
)
from goplugin_py._pb.empty_pb2 import Empty
from goplugin_py._pb.stdio_pb2 import StdioData
from goplugin_py._pb.stdio_pb2_grpc import (
    GRPCStdioStub,
    add_GRPCStdioServicer_to_server,
)
from goplugin_py.services.channel import check_health, is_answer
from goplugin_py.services.control import Controller
from goplugin_py.services.server import Server
from goplugin_py.services.stdio import StdioServicer
from tests.echo import SERVICE, add_echo, call, method, serving
from tests.peers import WAIT, until


def make_server(
    shutdown: Callable[[], None] = lambda: None,
    readers: dict[int, StdioData.Channel.ValueType] | None = None,
    **options: Any,
) -> Server:
    """A server with everything that a plugin's has."""
    server = Server(**{"max_workers": 2, **options})
    server.add_control(add_GRPCControllerServicer_to_server, Controller(shutdown))
    server.add_streams(add_GRPCStdioServicer_to_server, StdioServicer(readers or {}))
    server.add_health_and_reflection()
    return server


def test_a_users_service_is_served() -> None:
    server = make_server()
    add_echo(server)
    with serving(server) as channel:
        assert call(channel, b"hello") == b"hello"


def test_a_message_may_be_larger_than_grpcs_default_of_4_mib() -> None:
    """go-plugin: DefaultGRPCServer, dialGRPCConn."""
    server = make_server()
    add_echo(server)
    data = bytes(20 << 20)
    with serving(server) as channel:
        assert call(channel, data) == data


def test_an_unknown_method_is_unimplemented() -> None:
    with serving(make_server()) as channel:
        with pytest.raises(grpc.RpcError) as caught:
            call(channel)
        assert is_answer(caught.value)


def test_calls_that_fill_all_workers_leave_the_control_plane_free() -> None:
    """A Go server runs each call in a goroutine of its own."""
    go_on, has_shut_down = threading.Event(), threading.Event()

    def block(request: bytes, context: grpc.ServicerContext) -> bytes:
        go_on.wait(WAIT)
        return request

    server = make_server(has_shut_down.set)
    add_echo(server, block)
    with serving(server) as channel:
        calls = [method(channel).future(b"%d" % n, timeout=WAIT) for n in range(20)]
        streams = [GRPCStdioStub(channel).StreamStdio(Empty()) for _ in range(5)]
        check_health(channel, WAIT)
        GRPCControllerStub(channel).Shutdown(Nothing(), timeout=WAIT)
        assert has_shut_down.is_set()
        assert not any(each.done() for each in calls)
        go_on.set()
        assert [each.result(WAIT) for each in calls] == [b"%d" % n for n in range(20)]
        for stream in streams:
            stream.cancel()


@pytest.mark.parametrize("max_workers", [1, 3])
def test_a_users_calls_run_on_no_more_than_max_workers(max_workers: int) -> None:
    running: set[str] = set()
    full = threading.Barrier(max_workers + 1)

    def meet(request: bytes, context: grpc.ServicerContext) -> bytes:
        running.add(threading.current_thread().name)
        full.wait(WAIT)
        return request

    server = make_server(max_workers=max_workers)
    add_echo(server, meet)
    with serving(server) as channel:
        calls = [method(channel).future(b"", timeout=WAIT) for _ in range(max_workers)]
        full.wait(WAIT)
        for each in calls:
            each.result(WAIT)
    assert len(running) == max_workers
    assert all(name.startswith("goplugin-worker") for name in running)


class Recorder(grpc.ServerInterceptor):
    """Remembers what it was asked about, and may refuse it."""

    def __init__(self, refusal: grpc.RpcMethodHandler[Any, Any] | None = None) -> None:
        self.seen: list[str] = []
        self._refusal = refusal

    def intercept_service(self, continuation: Any, handler_call_details: Any) -> Any:
        self.seen.append(handler_call_details.method)
        return self._refusal or continuation(handler_call_details)


def test_interceptors_see_the_users_services_only() -> None:
    """One that demands a token, say, must not lock the host out."""

    def refuse(request: bytes, context: grpc.ServicerContext) -> bytes:
        context.abort(grpc.StatusCode.PERMISSION_DENIED, "no token")

    recorder = Recorder(grpc.unary_unary_rpc_method_handler(refuse))
    has_shut_down = threading.Event()
    server = make_server(has_shut_down.set, interceptors=[recorder])
    add_echo(server)
    with serving(server) as channel:
        with pytest.raises(grpc.RpcError) as caught:
            call(channel)
        assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
        check_health(channel, WAIT)
        GRPCControllerStub(channel).Shutdown(Nothing(), timeout=WAIT)
        stream = GRPCStdioStub(channel).StreamStdio(Empty(), timeout=WAIT)
        stream.cancel()
    assert has_shut_down.is_set()
    assert recorder.seen == [f"/{SERVICE}/Call"]


def test_interceptors_come_in_the_users_order() -> None:
    order: list[int] = []

    class Numbered(grpc.ServerInterceptor):
        def __init__(self, number: int) -> None:
            self._number = number

        def intercept_service(
            self, continuation: Any, handler_call_details: Any
        ) -> Any:
            order.append(self._number)
            return continuation(handler_call_details)

    server = make_server(interceptors=[Numbered(1), Numbered(2)])
    add_echo(server)
    with serving(server) as channel:
        call(channel)
    assert order == [1, 2]


def test_options_of_the_user_win_over_ours() -> None:
    server = make_server(options=[("grpc.max_receive_message_length", 10)])
    add_echo(server)
    with serving(server) as channel:
        with pytest.raises(grpc.RpcError) as caught:
            call(channel, bytes(100))
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_closing_cancels_calls_and_does_not_wait_for_stubborn_handlers() -> None:
    go_on, started = threading.Event(), threading.Event()

    def stubborn(request: bytes, context: grpc.ServicerContext) -> bytes:
        started.set()
        go_on.wait(2 * WAIT)
        return request

    server = make_server()
    add_echo(server, stubborn)
    with serving(server) as channel:
        future = method(channel).future(b"", timeout=WAIT)
        assert started.wait(WAIT)
        server.close(0)
        with pytest.raises(grpc.RpcError):
            future.result(WAIT)
        assert not go_on.is_set()
        server.close(0)  # idempotent
    go_on.set()


def test_closing_gives_calls_their_grace() -> None:
    go_on, started = threading.Event(), threading.Event()

    def obedient(request: bytes, context: grpc.ServicerContext) -> bytes:
        started.set()
        go_on.wait(WAIT)
        return request

    server = make_server()
    add_echo(server, obedient)
    with serving(server) as channel:
        future = method(channel).future(b"done", timeout=WAIT)
        assert started.wait(WAIT)
        closer = threading.Thread(target=server.close, args=(WAIT,))
        closer.start()
        go_on.set()
        assert future.result(WAIT) == b"done"
        closer.join(WAIT)
        assert not closer.is_alive()


def test_a_server_may_be_used_as_any_grpc_server() -> None:
    server = Server(max_workers=1)
    add_echo(server)
    assert server.add_insecure_port("127.0.0.1:0") > 0
    port = server.add_secure_port(
        "127.0.0.1:0", grpc.local_server_credentials(grpc.LocalConnectionType.LOCAL_TCP)
    )
    assert port > 0
    server.start()
    assert server.wait_for_termination(0.01)  # it timed out
    server.stop(None).wait(WAIT)
    assert not server.wait_for_termination(WAIT)
    server.close(0)


def test_registered_methods_of_generated_code_reach_the_users_workers() -> None:
    names: list[str] = []

    def remember(request: bytes, context: grpc.ServicerContext) -> bytes:
        names.append(threading.current_thread().name)
        return request

    server = make_server()
    handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
        "Call": grpc.unary_unary_rpc_method_handler(remember)
    }
    generic = grpc.method_handlers_generic_handler(SERVICE, handlers)
    server.add_generic_rpc_handlers((generic,))
    server.add_registered_method_handlers(SERVICE, handlers)
    with serving(server) as channel:
        call(channel)
    until(lambda: names)
    assert names[0].startswith("goplugin-worker")
