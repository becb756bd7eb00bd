"""Hosts on an event loop: what they start, wait for and end."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
import time
from typing import Any

import grpc
import grpc.aio
import pytest

from goplugin_py import (
    ClientClosed,
    ConnectionLost,
    ExitedEarly,
    LaunchError,
    Plugin,
    UnknownPlugin,
    aio,
)
from goplugin_py.aio.started import Core
from tests.aio.conftest import Run, eventually, our_threads
from tests.aio.echo import COMMAND, Echo, config
from tests.peers import WAIT, children

SILENT = (sys.executable, "-c", "import sys; sys.stdin.read()")


@pytest.fixture(params=["plain", "mtls", "mux"])
def link(request: pytest.FixtureRequest) -> dict[str, Any]:
    """How to be connected."""
    is_plain = request.param == "plain"
    return {"auto_mtls": not is_plain, "broker_multiplex": request.param == "mux"}


@pytest.mark.parametrize("command", [(), COMMAND], ids=["blocking", "asyncio"])
def test_a_plugin_is_started_called_and_ended(
    run: Run, link: dict[str, Any], command: tuple[str, ...]
) -> None:
    async def main() -> None:
        async with aio.Client(config(*command, **link)) as client:
            echo = await client.dispense("echo")
            assert await echo(b"hello", timeout=WAIT) == b"hello"
            await client.ping()
            assert client.id == str(client.pid)
            assert client.negotiated_version == 1
            assert (client.target == client.address.target) is not link["auto_mtls"]
            assert not client.exited
        assert client.exited
        assert client.exit_status == 0
        assert await client.wait(WAIT) == 0
        assert not our_threads()

    run(main())


def test_a_client_starts_on_first_use_once_for_all(run: Run) -> None:
    async def main() -> None:
        client = aio.Client(config(plugins={"echo": Echo()}))
        echoes = await asyncio.gather(*(client.dispense("echo") for _ in range(5)))
        assert sum(name.startswith("goplugin-output") for name in our_threads()) == 1
        answers = await asyncio.gather(*(echo(b"x", timeout=WAIT) for echo in echoes))
        assert answers == [b"x"] * 5
        await client.kill()

    run(main())


def test_unknown_plugins_and_failed_starts_are_told_as_by_the_blocking_client(
    run: Run,
) -> None:
    async def main() -> None:
        async with aio.Client(config()) as client:
            with pytest.raises(UnknownPlugin, match="no plugin 'other', only 'echo'"):
                await client.dispense("other")
        client = aio.Client(config("/bin/false"))
        for _ in range(2):  # every use is an attempt
            with pytest.raises(ExitedEarly) as caught:
                await client.start()
            assert caught.value.status == 1
        with pytest.raises(LaunchError):
            await aio.probe(["/nonexistent"])
        await client.kill()

    run(main())


def test_a_lost_plugin_is_told_by_ping_and_wait(run: Run) -> None:
    async def main() -> None:
        async with aio.Client(config()) as client:
            waiting = asyncio.create_task(client.wait())
            assert client.pid is not None
            os.kill(client.pid, signal.SIGKILL)
            assert await asyncio.wait_for(waiting, WAIT) == -signal.SIGKILL
            with pytest.raises(ConnectionLost) as caught:
                await client.ping()
            assert caught.value.status == -signal.SIGKILL

    run(main())


def test_on_exit_is_called_on_the_loop_and_may_be_a_coroutine_function(
    run: Run,
) -> None:
    async def main() -> None:
        told: asyncio.Queue[tuple[Any, Any]] = asyncio.Queue()

        async def on_exit(status: Any) -> None:
            await told.put((status, asyncio.get_running_loop()))

        async with aio.Client(config(on_exit=on_exit)):
            pass
        told_once = await asyncio.wait_for(told.get(), WAIT)
        assert told_once == (0, asyncio.get_running_loop())
        await asyncio.sleep(0)  # the callback's task ends

    run(main())


def test_an_on_exit_that_raises_is_logged(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    def on_exit(status: Any) -> None:
        raise RuntimeError("a bug")

    async def main() -> None:
        async with aio.Client(config(on_exit=on_exit)):
            pass
        await eventually(lambda: "RuntimeError: a bug" in caplog.text)

    run(main())


def test_all_managed_clients_are_killed_at_once(run: Run) -> None:
    async def main() -> None:
        clients = [aio.Client(config(managed=True)) for _ in range(2)]
        await asyncio.gather(*(client.start() for client in clients))
        await aio.cleanup_clients()
        assert [client.exit_status for client in clients] == [0, 0]
        for client in clients:
            await client.kill()

    run(main())


def test_a_plugin_can_be_reattached_to(run: Run) -> None:
    async def main() -> None:
        async with aio.Client(config()) as client:
            reattach = await client.reattach_config()
            options = {"command": None, "reattach": reattach, "auto_mtls": None}
            async with aio.Client(_reattached(options)) as second:
                echo = await second.dispense("echo")
                assert await echo(b"again", timeout=WAIT) == b"again"
            assert await client.wait(WAIT) == 0

    run(main())


def _reattached(options: dict[str, Any]) -> Any:
    import dataclasses

    return dataclasses.replace(config(), **options)


def test_a_plugin_that_is_lost_in_its_start_is_an_error_and_leaves_nothing(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = Core.start

    def start_and_lose(core: Core) -> None:
        start(core)
        assert core.pid is not None
        os.kill(core.pid, signal.SIGKILL)

    async def main() -> None:
        before = children()
        client = aio.Client(config())
        with monkeypatch.context() as patch:
            patch.setattr(Core, "start", start_and_lose)
            with pytest.raises(ConnectionLost, match="further connection"):
                await client.start()
        assert children() <= before
        assert not our_threads()
        echo = await client.dispense("echo")
        assert await echo(b"x", timeout=WAIT) == b"x"
        await client.kill()

    run(main())


def test_a_clients_channel_tells_its_state(run: Run) -> None:
    async def main() -> None:
        async with aio.Client(config()) as client:
            channel = client.channel
            assert isinstance(channel, grpc.aio.Channel)
            await channel.channel_ready()
            ready = channel.get_state()
            assert ready is grpc.ChannelConnectivity.READY
            waiting = asyncio.ensure_future(channel.wait_for_state_change(ready))
            assert client.pid is not None
            os.kill(client.pid, signal.SIGKILL)
            await asyncio.wait_for(waiting, WAIT)
            async with channel:
                pass
            with pytest.raises(ClientClosed):
                await channel.channel_ready()

    run(main())


# Cancellation


def test_a_cancelled_start_ends_the_process_and_may_be_repeated(run: Run) -> None:
    async def main() -> None:
        before = children()
        client = aio.Client(config(*SILENT, stdin=_open_pipe()))
        for _ in range(2):
            starting = asyncio.create_task(client.start())
            await eventually(lambda: children() > before)
            starting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await starting
            assert children() <= before
            assert not our_threads()
        await client.kill()
        with pytest.raises(ClientClosed):
            await client.start()

    run(main())


_PIPES: list[int] = []


def _open_pipe() -> int:
    reading, writing = os.pipe()
    _PIPES.append(writing)
    return reading


def test_a_start_goes_on_while_anybody_waits_for_it(run: Run) -> None:
    async def main() -> None:
        client = aio.Client(config())
        before = children()
        tasks = [asyncio.create_task(client.dispense("echo")) for _ in range(2)]
        await eventually(lambda: children() > before)
        tasks[0].cancel()
        echo = await tasks[1]
        assert tasks[0].cancelled()
        assert await echo(b"x", timeout=WAIT) == b"x"
        await client.kill()

    run(main())


def test_who_comes_while_a_start_is_cancelled_begins_anew(run: Run) -> None:
    async def main() -> None:
        before = children()
        client = aio.Client(config())
        first = asyncio.create_task(client.start())
        await eventually(lambda: children() > before)
        first.cancel()
        await asyncio.sleep(0)  # the cancellation is under way
        echo = await client.dispense("echo")
        assert await echo(b"x", timeout=WAIT) == b"x"
        assert first.cancelled()
        await client.kill()
        assert client.exit_status == 0

    run(main())


def test_a_forgotten_client_takes_its_plugin_along(run: Run) -> None:
    async def main() -> None:
        before = children()
        client = aio.Client(config())
        await client.start()
        del client
        gc.collect()
        await eventually(lambda: children() <= before)

    run(main())


def test_kill_ends_a_start_that_is_under_way(run: Run) -> None:
    async def main() -> None:
        before = children()
        client = aio.Client(config(*SILENT, stdin=_open_pipe()))
        starting = asyncio.create_task(client.start())
        await eventually(lambda: children() > before)
        await client.kill()
        with pytest.raises(ClientClosed):
            await starting
        assert children() <= before

    run(main())


def stop(pid: int | None) -> None:
    """Stop a child as Ctrl-Z does, and wait until none of its threads runs."""
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    os.waitid(os.P_PID, pid, os.WSTOPPED | os.WNOWAIT)


@pytest.mark.parametrize("operation", ["ping", "wait", "call"])
def test_a_cancelled_wait_for_a_stopped_plugin_ends_at_once(
    run: Run, operation: str
) -> None:
    async def main() -> None:
        async with aio.Client(config()) as client:
            echo = await client.dispense("echo")
            stop(client.pid)
            threads = our_threads()
            began = {"ping": client.ping, "wait": client.wait, "call": echo}[operation]
            task = asyncio.ensure_future(began(b"") if operation == "call" else began())
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(task, 0.05)
            assert our_threads() == threads
            assert client.pid is not None
            os.kill(client.pid, signal.SIGCONT)

    run(main())


def test_a_cancelled_kill_ends_the_plugin_at_once(run: Run) -> None:
    async def main() -> None:
        client = aio.Client(config())
        await client.start()
        assert client.pid is not None
        os.kill(client.pid, signal.SIGSTOP)
        started = time.monotonic()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.kill(grace=10 * WAIT), 0.05)
        assert time.monotonic() - started < WAIT
        assert client.exited
        assert not our_threads()

    run(main())


def test_a_cancelled_probe_leaves_no_process(run: Run) -> None:
    async def main() -> None:
        before = children()
        task = asyncio.create_task(aio.probe(["/bin/sleep", "60"]))
        await eventually(lambda: children() > before)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert children() <= before

    run(main())


def test_a_call_in_flight_fails_when_the_client_is_killed(run: Run) -> None:
    async def main() -> None:
        client = aio.Client(config(*COMMAND))
        echo = await client.dispense("echo")
        calling = asyncio.ensure_future(echo(b"sleep 60"))
        assert await echo(b"x", timeout=WAIT) == b"x"
        await client.kill()
        with pytest.raises((grpc.aio.AioRpcError, asyncio.CancelledError)) as caught:
            await calling
        if isinstance(caught.value, grpc.aio.AioRpcError):
            assert caught.value.code() is not grpc.StatusCode.OK

    run(main())


def test_a_plain_stub_class_needs_no_subclass_of_either_kind(run: Run) -> None:
    class Stub:
        def __init__(self, channel: grpc.Channel) -> None:
            self.call: Any = channel.unary_unary("/test.Echo/Call")

    async def main() -> None:
        plugins = {"echo": Plugin.from_stub(Stub)}
        async with aio.Client(config(plugins=plugins)) as client:
            stub = await client.dispense("echo")
            assert await stub.call(b"x", timeout=WAIT) == b"x"

    run(main())
