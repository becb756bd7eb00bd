"""Plugins on an event loop: the server, its control plane, and the process."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import grpc.aio
import pytest

from goplugin_py import (
    ClientConfig,
    ConfigError,
    ReattachConfig,
    ServeConfig,
    ServeTestConfig,
    aio,
)
from goplugin_py._pb.broker_pb2 import ConnInfo
from goplugin_py._pb.broker_pb2_grpc import GRPCBrokerStub
from goplugin_py._pb.controller_pb2 import Empty as Nothing
from goplugin_py._pb.controller_pb2_grpc import GRPCControllerStub
from goplugin_py._pb.empty_pb2 import Empty
from goplugin_py._pb.stdio_pb2_grpc import GRPCStdioStub
from tests import echo
from tests.aio.conftest import Run, eventually, our_threads
from tests.aio.echo import COMMAND, Context, Echo, call, repeat
from tests.echo import HANDSHAKE, method
from tests.peers import ROOT, WAIT


def serve_config(behaviour: Any = None, **options: Any) -> ServeConfig:
    plugin = Echo() if behaviour is None else Echo(behaviour)
    return echo.serve_config(**{"plugins": {"echo": plugin}, **options})


@asynccontextmanager
async def served(
    config: ServeConfig,
) -> AsyncIterator[tuple[aio.PluginServer, grpc.aio.Channel]]:
    async with aio.PluginServer(config) as server:
        target = server.reattach_config.address.target
        async with grpc.aio.insecure_channel(target) as channel:
            yield server, channel


def is_gone(path: str) -> bool:
    return not os.path.exists(path)


def name_thread(request: bytes, context: grpc.ServicerContext) -> bytes:
    return threading.current_thread().name.encode()


def test_coroutine_functions_run_on_the_loop_and_plain_ones_on_workers(
    run: Run,
) -> None:
    async def where(request: bytes, context: Context) -> bytes:
        return threading.current_thread().name.encode()

    async def main() -> None:
        async with served(serve_config(where)) as (_, channel):
            assert await call(channel) == threading.current_thread().name.encode()
        async with served(serve_config(name_thread)) as (_, channel):
            assert (await call(channel)).startswith(b"goplugin-worker")
        await eventually(lambda: not our_threads())  # a loop waits for no worker

    run(main())


def test_a_servicer_and_a_stub_need_no_subclass(run: Run) -> None:
    def add(servicer: Any, server: Any) -> None:
        echo.add_echo(server, servicer)

    def stub_of(channel: Any) -> Any:
        return method(channel)

    async def main() -> None:
        served = {"echo": aio.Plugin.from_servicer(add, repeat)}
        called = {"echo": aio.Plugin.from_stub(stub_of)}
        # In test mode no host ends the process, which is this one.
        serving = serve_config(plugins=served, test=ServeTestConfig())
        async with aio.PluginServer(serving) as server:
            config = ClientConfig(
                reattach=server.reattach_config, handshake=HANDSHAKE, plugins=called
            )
            async with aio.Client(config) as client:
                stub = await client.dispense("echo")
                assert await stub(b"x", timeout=WAIT) == b"x"

    run(main())


def test_a_server_waits_for_its_hosts_shutdown(run: Run) -> None:
    async def main() -> None:
        async with served(serve_config()) as (server, channel):
            assert not await server.wait(0.01)
            waiting = asyncio.create_task(server.wait())
            await GRPCControllerStub(channel).Shutdown(Nothing(), timeout=WAIT)
            assert await asyncio.wait_for(waiting, WAIT)

    run(main())


def test_a_cancelled_wait_leaves_nothing(run: Run) -> None:
    async def main() -> None:
        async with served(serve_config()) as (server, _):
            threads = our_threads()
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(server.wait(), 0.01)
            assert our_threads() == threads

    run(main())


def test_stopping_cancels_calls_and_may_be_repeated_or_cancelled(run: Run) -> None:
    async def main() -> None:
        running = asyncio.Event()

        async def hang(request: bytes, context: Context) -> bytes:
            running.set()
            await asyncio.sleep(60)
            return request

        async with served(serve_config(hang)) as (server, channel):
            directory = os.path.dirname(server.reattach_config.address.text)
            calling = asyncio.ensure_future(call(channel))
            await asyncio.wait_for(running.wait(), WAIT)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(server.stop(grace=60), 0.05)
            assert not our_threads()
            assert is_gone(directory)
            with pytest.raises(grpc.aio.AioRpcError):
                await calling
            await server.stop()

    run(main())


def test_busy_workers_leave_the_control_plane_free(run: Run) -> None:
    """A Go server runs each call in a goroutine of its own."""
    go_on = threading.Event()

    def block(request: bytes, context: grpc.ServicerContext) -> bytes:
        go_on.wait(WAIT)
        return request

    async def main() -> None:
        async with served(serve_config(block, max_workers=1)) as (server, channel):
            calls = [asyncio.ensure_future(call(channel)) for _ in range(5)]
            stdio = GRPCStdioStub(channel).StreamStdio(Empty())
            assert await health(channel) == b"\x08\x01"
            await GRPCControllerStub(channel).Shutdown(Nothing(), timeout=WAIT)
            assert await server.wait(WAIT)
            assert not any(each.done() for each in calls)
            go_on.set()
            assert await asyncio.gather(*calls) == [b"ping"] * 5
            assert [chunk async for chunk in stdio] == []

    run(main())


async def health(
    channel: grpc.aio.Channel, request: bytes = b"\x0a\x06plugin"
) -> bytes:
    check = channel.unary_unary(
        "/grpc.health.v1.Health/Check",
        request_serializer=bytes,
        response_deserializer=bytes,
    )
    answer: bytes = await check(request, timeout=WAIT)
    return answer


def test_health_knows_the_plugin_and_watches_it(run: Run) -> None:
    async def main() -> None:
        async with served(serve_config()) as (_, channel):
            assert await health(channel, b"") == b"\x08\x01"
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await health(channel, b"\x0a\x05other")
            assert caught.value.code() is grpc.StatusCode.NOT_FOUND
            assert caught.value.details() == "unknown service"
            watch: Any = channel.unary_stream("/grpc.health.v1.Health/Watch")
            watching = watch(b"\x0a\x06plugin", timeout=WAIT)
            assert await watching.read() == b"\x08\x01"
            watching.cancel()

    run(main())


def test_reflection_lists_the_users_services_and_ours(run: Run) -> None:
    from grpc_reflection.v1alpha import reflection_pb2

    method = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"

    async def main() -> None:
        async with served(serve_config()) as (_, channel):
            info: Any = channel.stream_stream(
                method,
                request_serializer=lambda message: message.SerializeToString(),
                response_deserializer=(
                    reflection_pb2.ServerReflectionResponse.FromString
                ),
            )
            request = reflection_pb2.ServerReflectionRequest(list_services="")
            talking = info(timeout=WAIT)
            await talking.write(request)
            answer = await talking.read()
            names = {s.name for s in answer.list_services_response.service}
            assert {echo.SERVICE, "plugin.GRPCBroker", "plugin.GRPCStdio"} <= names
            await talking.write(request)  # one answer to each question
            assert await talking.read() == answer
            await talking.done_writing()
            assert await talking.read() is grpc.aio.EOF

    run(main())


def test_streams_of_the_control_plane_end_with_their_call(run: Run) -> None:
    """Or each host that goes would keep a thread."""

    async def come_and_go(channel: grpc.aio.Channel) -> None:
        stdio = GRPCStdioStub(channel).StreamStdio(Empty())
        broker = GRPCBrokerStub(channel).StartStream()
        await broker.write(ConnInfo(service_id=9))
        assert await health(channel)
        assert broker.cancel()
        assert stdio.cancel()

    async def main() -> None:
        async with served(serve_config()) as (_, channel):
            await come_and_go(channel)
            most = len(our_threads())
            for _ in range(10):
                await come_and_go(channel)
            # Each keeps three while it lasts, and may overlap with the next.
            await eventually(lambda: len(our_threads()) <= most + 6)

    run(main())


class Recorder(grpc.aio.ServerInterceptor):
    def __init__(self) -> None:
        self.seen: list[str] = []

    async def intercept_service(
        self, continuation: Any, handler_call_details: Any
    ) -> Any:
        self.seen.append(handler_call_details.method)
        return await continuation(handler_call_details)


def test_interceptors_see_the_users_services_alone(run: Run) -> None:
    async def main() -> None:
        recorder = Recorder()
        async with served(serve_config(interceptors=[recorder])) as (_, channel):
            await call(channel)
            await health(channel)
        assert recorder.seen == [f"/{echo.SERVICE}/Call"]

    run(main())


def test_an_exception_in_a_handler_is_an_error_of_that_call_alone(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(request: bytes, context: Context) -> bytes:
        if request == b"fail":
            raise RuntimeError("a bug")
        return request

    async def main() -> None:
        async with served(serve_config(fail)) as (_, channel):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call(channel, b"fail")
            assert caught.value.code() is grpc.StatusCode.UNKNOWN
            assert await call(channel, b"fine") == b"fine"
        assert "RuntimeError: a bug" in caplog.text

    run(main())


def test_a_plugin_that_can_not_register_leaves_nothing(
    run: Run, directory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken(aio.Plugin):
        async def grpc_server(
            self, broker: aio.Broker, server: grpc.aio.Server
        ) -> None:
            raise RuntimeError("a bug")

    async def main() -> None:
        server = aio.PluginServer(serve_config(plugins={"echo": Broken()}))
        with pytest.raises(RuntimeError, match="a bug"):
            await server.start()
        await server.stop()
        assert os.listdir(directory) == []
        assert not our_threads()

    monkeypatch.setenv("PLUGIN_UNIX_SOCKET_DIR", directory)
    run(main())


def test_a_start_can_be_cancelled_while_a_plugin_registers(run: Run) -> None:
    class Slow(aio.Plugin):
        async def grpc_server(self, broker: Any, server: Any) -> None:
            await asyncio.sleep(60)

    async def main() -> None:
        server = aio.PluginServer(serve_config(plugins={"echo": Slow()}))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(server.start(), 0.1)
        assert not our_threads()

    run(main())


@pytest.mark.parametrize("kind", ["function", "coroutine function"])
def test_test_mode_tells_where_and_ends_when_it_is_asked_to(
    run: Run, kind: str
) -> None:

    async def main() -> None:
        told: asyncio.Queue[ReattachConfig] = asyncio.Queue()
        on_ready = told.put_nowait if kind == "function" else told.put
        test = ServeTestConfig(on_ready=on_ready)
        serving = asyncio.create_task(aio.serve(serve_config(test=test)))
        config = await asyncio.wait_for(told.get(), WAIT)
        async with grpc.aio.insecure_channel(config.address.target) as channel:
            assert await call(channel) == b"ping"
        test.stop.set()
        await asyncio.wait_for(serving, WAIT)

    run(main())


def test_a_cancelled_serve_stops_the_server(run: Run) -> None:
    async def main() -> None:
        told: asyncio.Queue[ReattachConfig] = asyncio.Queue()
        test = ServeTestConfig(on_ready=told.put_nowait)
        serving = asyncio.create_task(aio.serve(serve_config(test=test)))
        config = await asyncio.wait_for(told.get(), WAIT)
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving
        assert is_gone(config.address.text)
        assert not our_threads()

    run(main())


# The process


def plugin(*, stop: Any = None, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run the plugin as a program, until it ends by itself or is asked to."""
    with subprocess.Popen(
        COMMAND,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        if stop is not None:
            stop(process, line)
        _, errors = process.communicate(timeout=4 * WAIT)
        return subprocess.CompletedProcess(COMMAND, process.returncode, line, errors)


COOKIE = dict([HANDSHAKE.cookie])


def test_a_plugin_without_a_host_explains_itself() -> None:
    ended = plugin()
    assert ended.returncode == 1
    assert "is a plugin" in ended.stderr


def test_a_plugin_that_can_not_serve_logs_why(directory: str) -> None:
    ended = plugin(PLUGIN_UNIX_SOCKET_DIR=f"{directory}/none", **COOKIE)
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert "can't serve: there is no socket directory" in ended.stderr


def test_a_plugin_ends_of_sigterm_with_its_socket_removed() -> None:
    paths: list[str] = []

    def stop(process: subprocess.Popen[str], line: str) -> None:
        paths.append(line.split("|")[3])
        process.send_signal(2)  # the host's business
        assert os.path.exists(paths[0])
        process.terminate()

    ended = plugin(stop=stop, **COOKIE)
    assert ended.returncode == -15
    assert not os.path.exists(paths[0])


def test_the_users_own_signal_handlers_go_on_to_work() -> None:
    source = """
import asyncio, os, signal
from goplugin_py import ServeTestConfig, aio
from goplugin_py.aio.signals import Signals

async def main():
    loop = asyncio.get_running_loop()
    heard, stopped = asyncio.Event(), asyncio.Event()
    loop.add_signal_handler(signal.SIGUSR1, heard.set)
    signals = Signals(stopped.set)
    for each in (signal.SIGUSR1, signal.SIGINT):
        os.kill(os.getpid(), each)
    await asyncio.wait_for(heard.wait(), 5)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, b"ready")
        signal.pause()
    os.read(reading, 5)
    os.kill(child, signal.SIGTERM)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), stopped.is_set())
    signals.restore()
    heard.clear()
    os.kill(os.getpid(), signal.SIGUSR1)
    await asyncio.wait_for(heard.wait(), 5)
    print(signal.getsignal(signal.SIGTERM) is signal.SIG_DFL)

asyncio.run(main())
"""
    done = subprocess.run(
        [sys.executable, "-c", source],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=4 * WAIT,
        check=True,
    )
    assert done.stdout.split() == ["-15", "False", "True"], done.stderr


def test_a_server_that_has_nowhere_to_listen_says_so(
    run: Run, directory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        with pytest.raises(ConfigError, match="no socket directory"):
            await aio.PluginServer(serve_config()).start()
        assert not our_threads()

    monkeypatch.setenv("PLUGIN_UNIX_SOCKET_DIR", f"{directory}/none")
    run(main())
