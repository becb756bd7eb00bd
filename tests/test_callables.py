"""Coroutines and coroutine functions where the blocking names take plain functions."""

from __future__ import annotations

import threading
import time
from typing import Any

import grpc
import pytest

from goplugin_py import (
    Client,
    ConfigError,
    Plugin,
    PluginServer,
    ServeTestConfig,
)
from goplugin_py.callables import is_async
from goplugin_py.services.broker import LinkBroker
from goplugin_py.services.server import Server
from goplugin_py.services.transport import Transport
from tests.echo import add_echo, client_config, serve_config
from tests.peers import WAIT, stop


async def coroutine_function(*arguments: object) -> Any: ...


def make_broker() -> LinkBroker:
    return LinkBroker(Transport().exchange())


def test_async_generators_and_methods_count_as_coroutine_functions() -> None:
    class Servicer:
        async def call(self) -> None: ...

    async def generate() -> Any:
        yield

    assert is_async(coroutine_function)
    assert is_async(generate)
    assert is_async(Servicer().call)
    assert not is_async(add_echo)
    assert not is_async(print)


def test_a_brokered_servers_register_must_be_a_plain_function() -> None:
    broker = make_broker()
    with pytest.raises(ConfigError, match=r"register must be a plain fun.*_py\.aio"):
        broker.accept_and_serve(1, coroutine_function)
    with pytest.raises(ConfigError, match="pass the function itself"):
        broker.accept_and_serve(1, coroutine_function())  # type: ignore[arg-type]
    broker.close()


def test_dispense_refuses_a_grpc_client_that_is_a_coroutine_function() -> None:
    class Async(Plugin):
        grpc_client = coroutine_function  # type: ignore[assignment]

    config = client_config(plugins={"echo": Async()}, auto_mtls=False)
    with (
        Client(config) as client,
        pytest.raises(ConfigError, match=r"grpc_client of plugin 'echo' must be a pl"),
    ):
        client.dispense("echo")


def test_a_server_refuses_a_grpc_server_that_is_a_coroutine_function() -> None:
    class Async(Plugin):
        grpc_server = coroutine_function  # type: ignore[assignment]

    server = PluginServer(serve_config(plugins={"echo": Async()}))
    with pytest.raises(ConfigError, match=r"grpc_server of plugin 'echo' must be a pl"):
        server.start()


def test_test_mode_refuses_an_on_ready_that_is_a_coroutine_function() -> None:
    test = ServeTestConfig(on_ready=coroutine_function)
    with pytest.raises(ConfigError, match="on_ready must be a plain function"):
        PluginServer(serve_config(test=test)).start()


def test_a_server_refuses_servicers_and_interceptors_of_asyncio() -> None:
    class Interceptor(grpc.ServerInterceptor):
        intercept_service = coroutine_function  # type: ignore[assignment]

    server = Server(max_workers=1)
    handler: Any = grpc.unary_unary_rpc_method_handler(coroutine_function)
    with pytest.raises(ConfigError, match=r"test\.KV/Put is a coroutine function.*aio"):
        server.add_registered_method_handlers("test.KV", {"Put": handler})
    server.close(0)
    with pytest.raises(ConfigError, match="Interceptor is an interceptor for asyncio"):
        Server(max_workers=1, interceptors=[Interceptor()])


def test_an_impatient_kill_hurries_a_patient_one() -> None:
    """`kill` is bounded by its own grace, whatever other threads give."""
    client = Client(client_config(auto_mtls=False))
    client.start()
    threads = [
        threading.Thread(target=client.kill, args=(8 * WAIT,)),
        threading.Thread(target=client.kill, args=(0.5,)),
    ]
    stop(client.pid)  # it answers nothing any more
    started = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT)
        assert not thread.is_alive()
    assert time.monotonic() - started < WAIT
    assert client.exited
