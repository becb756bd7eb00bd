"""What can be done wrong with an event loop, and what the errors say to do."""

from __future__ import annotations

import asyncio
import functools
import pickle
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import grpc
import grpc.aio
import pytest

from goplugin_py import (
    BrokerError,
    Client,
    ClientClosed,
    ConfigError,
    LocalProtocolError,
    PluginServer,
    aio,
)
from tests.aio.conftest import Run
from tests.aio.echo import COMMAND, Echo, call, config
from tests.echo import serve_config
from tests.peers import WAIT


def elsewhere(begin: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """Await something on a loop of another thread; return its error, if any."""
    outcome: list[Any] = []

    def work() -> None:
        try:
            outcome.append(asyncio.run(begin()))
        except Exception as exc:
            outcome.append(exc)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(2 * WAIT)
    return outcome[0]


def started(test: Callable[[aio.Client], Coroutine[Any, Any, None]]) -> Any:
    """Run a test with a client that has started."""

    async def main() -> None:
        async with aio.Client(config()) as client:
            await test(client)

    return main()


OPERATIONS: dict[str, Callable[[aio.Client], Any]] = {
    "dispense": lambda client: client.dispense("echo"),
    "ping": lambda client: client.ping(),
    "wait": lambda client: client.wait(),
    "reattach": lambda client: client.reattach_config(),
    "dial": lambda client: client.broker.dial(1),
    "serve": lambda client: client.broker.accept_and_serve(1, lambda server: None),
    "call": lambda client: call(client.channel),
}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_use_from_another_loop_is_refused(run: Run, operation: str) -> None:
    async def test(client: aio.Client) -> None:
        async def begin() -> None:
            await OPERATIONS[operation](client)

        error = await asyncio.to_thread(elsewhere, begin)
        assert isinstance(error, LocalProtocolError)
        assert "belongs to another event loop" in str(error)
        assert "run_coroutine_threadsafe" in str(error)

    run(started(test))


def test_a_client_that_starts_on_one_loop_is_refused_on_another(run: Run) -> None:
    async def main() -> None:
        client = aio.Client(config())
        starting = asyncio.create_task(client.start())
        await asyncio.sleep(0)
        error = await asyncio.to_thread(elsewhere, client.start)
        assert isinstance(error, LocalProtocolError)
        await starting
        await client.kill()

    run(main())


def test_a_client_may_be_killed_from_another_loop(run: Run) -> None:
    async def test(client: aio.Client) -> None:
        assert await asyncio.to_thread(elsewhere, client.kill) is None
        assert client.exit_status == 0

    run(started(test))


def test_a_client_of_a_loop_that_is_closed_can_still_be_killed() -> None:
    client = aio.Client(config())

    asyncio.run(client.start())
    asyncio.run(client.kill())
    assert client.exit_status == 0


def test_a_call_without_a_loop_is_refused(run: Run) -> None:
    async def test(client: aio.Client) -> None:
        echo = await client.dispense("echo")
        with pytest.raises(LocalProtocolError, match="needs a running event loop"):
            await asyncio.to_thread(echo, b"x")

    run(started(test))


USES_AFTER_KILL = {**OPERATIONS, "start": aio.Client.start}
del USES_AFTER_KILL["wait"]  # which tells how it ended


@pytest.mark.parametrize("operation", USES_AFTER_KILL)
def test_use_after_kill_is_refused(run: Run, operation: str) -> None:
    async def main() -> None:
        client = aio.Client(config())
        await client.start()
        await client.kill()
        with pytest.raises(ClientClosed, match="make a new one"):
            await USES_AFTER_KILL[operation](client)

    run(main())


def test_what_was_taken_from_a_killed_client_is_refused_too(run: Run) -> None:
    async def main() -> None:
        async with aio.Client(config()) as client:
            echo, broker = await client.dispense("echo"), client.broker
        with pytest.raises(ClientClosed, match="make a new one"):
            await echo(b"x")
        with pytest.raises(BrokerError, match="closed"):
            await broker.dial(1)

    run(main())


def test_what_needs_a_start_says_so(run: Run) -> None:
    async def main() -> None:
        client = aio.Client(config())
        for name in ("address", "target", "channel", "broker", "negotiated_version"):
            with pytest.raises(LocalProtocolError, match=r"await client\.start"):
                getattr(client, name)
        assert (client.id, client.pid, client.exited) == ("", None, False)
        with pytest.raises(LocalProtocolError, match=r"await start\(\) first"):
            await aio.PluginServer(serve_config()).wait()
        await client.kill()

    run(main())


@pytest.mark.parametrize("name", ["future", "with_call"])
def test_the_blocking_ways_to_call_a_stub_are_refused(run: Run, name: str) -> None:
    async def test(client: aio.Client) -> None:
        echo = await client.dispense("echo")
        with pytest.raises(LocalProtocolError, match=r"asyncio channel.*await"):
            getattr(echo, name)(b"x")

    run(started(test))


@pytest.mark.parametrize("what", ["client", "channel", "method"])
def test_what_is_tied_to_its_process_can_not_be_pickled(run: Run, what: str) -> None:
    async def test(client: aio.Client) -> None:
        echo = await client.dispense("echo")
        tied = {"client": client, "channel": client.channel, "method": echo}[what]
        with pytest.raises(TypeError, match="tied to this process"):
            pickle.dumps(tied)

    run(started(test))


def test_a_coroutine_is_refused_where_a_function_is_due(run: Run) -> None:
    async def register(server: object) -> None: ...

    async def test(client: aio.Client) -> None:
        unfinished: Any = register(None)
        with pytest.raises(ConfigError, match="pass the function itself"):
            await client.broker.accept_and_serve(1, unfinished)
        for make in (aio.Plugin.from_stub, aio.Plugin.from_servicer):
            unfinished = functools.partial(make, register(None))  # type: ignore[arg-type]
            with pytest.raises(ConfigError, match="pass the function itself"):
                unfinished() if make is aio.Plugin.from_stub else unfinished(object())

    run(started(test))


def test_plugins_for_asyncio_are_refused_by_those_who_block() -> None:
    with (
        Client(config(plugins={"echo": Echo()})) as client,
        pytest.raises(ConfigError, match=r"plugin 'echo' is .*\.aio\.Plugin"),
    ):
        client.dispense("echo")
    with pytest.raises(ConfigError, match=r"plugin 'echo' is .*\.aio\.Plugin"):
        PluginServer(serve_config(plugins={"echo": Echo()})).start()


def test_interceptors_that_block_are_refused_on_a_loop(run: Run) -> None:
    class Blocking(grpc.ServerInterceptor):
        def intercept_service(
            self, continuation: Any, handler_call_details: Any
        ) -> Any:
            return continuation(handler_call_details)

    async def main() -> None:
        server = aio.PluginServer(serve_config(interceptors=[Blocking()]))
        with pytest.raises(ConfigError, match="no interceptor for asyncio"):
            await server.start()
        await server.stop()

    run(main())


def test_serve_needs_the_main_thread() -> None:
    error = elsewhere(lambda: aio.serve(serve_config()))
    assert isinstance(error, LocalProtocolError)
    assert "main thread" in str(error)


def test_a_side_that_is_not_overridden_says_so(run: Run) -> None:
    async def main() -> None:
        client = aio.Client(config(*COMMAND, plugins={"echo": aio.Plugin()}))
        with pytest.raises(NotImplementedError, match="no client side"):
            await client.dispense("echo")
        await client.kill()
        with pytest.raises(NotImplementedError, match="no server side"):
            await aio.PluginServer(serve_config(plugins={"e": aio.Plugin()})).start()

    run(main())
