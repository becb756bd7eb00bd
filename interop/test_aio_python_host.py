"""Hosts on an event loop call real Go plugins, over every kind of link."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
import uvloop

from goplugin_py import ClientConfig, ConnectionLost, ExitedEarly, aio
from interop.echo_pb2 import (
    CrashRequest,
    FailRequest,
    Payload,
    PrintRequest,
    SleepRequest,
    StreamRequest,
)
from interop.fixtures import binary
from interop.python_host import (
    WAIT,
    children,
    descriptors,
    echo_config,
    eventually,
    our_threads,
)

pytestmark = pytest.mark.usefixtures("nothing_left")

MIB = 1 << 20
BIG_TIMEOUT = 60.0

LINKS = {
    "unix-plain": ("echo-plugin", {"auto_mtls": False}),
    "unix-mtls": ("echo-plugin", {}),
    "tcp-plain": ("tcp-plugin", {"auto_mtls": False}),
    "tcp-mtls": ("tcp-plugin", {}),
    "mux-plain": ("echo-plugin", {"auto_mtls": False, "broker_multiplex": True}),
    "mux-mtls": ("echo-plugin", {"broker_multiplex": True}),
}
Run = Callable[[Coroutine[Any, Any, Any]], Any]


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest, nothing_left: object) -> Iterator[Run]:
    """Run coroutines on a loop of each kind; no task may be left."""
    factory = uvloop.new_event_loop if request.param == "uvloop" else None

    async def leaving_no_task(coroutine: Coroutine[Any, Any, Any]) -> None:
        await coroutine
        assert asyncio.all_tasks() == {asyncio.current_task()}

    with asyncio.Runner(loop_factory=factory) as runner:
        yield lambda coroutine: runner.run(leaving_no_task(coroutine))


@pytest.fixture(params=LINKS.values(), ids=list(LINKS))
def config(request: pytest.FixtureRequest) -> ClientConfig:
    """Give a configuration of each kind of link."""
    name, options = request.param
    return echo_config(str(binary(name)), **options)


@asynccontextmanager
async def echo(config: ClientConfig) -> AsyncIterator[tuple[aio.Client, Any]]:
    async with aio.Client(config) as client:
        yield client, await client.dispense("echo")
    assert not our_threads()


def blocks(count: int, size: int) -> list[Payload]:
    return [Payload(data=bytes([n % 256]) * size, number=n) for n in range(count)]


def test_calls_of_every_kind(run: Run, config: ClientConfig) -> None:
    """gRPC: unary, and the three kinds of stream, one of them in lockstep."""

    async def main() -> None:
        async with echo(config) as (client, stub):
            await client.ping()
            sent = Payload(data=bytes(range(256)) * 4096)
            assert await stub.Unary(sent, timeout=WAIT) == sent
            request = StreamRequest(count=500, size=1000)
            stream = stub.ServerStream(request, timeout=4 * WAIT)
            assert [p.number async for p in stream] == list(range(500))
            many = blocks(200, 5000)
            summary = await stub.ClientStream(iter(many), timeout=4 * WAIT)
            whole = b"".join(block.data for block in many)
            assert summary.sha256 == hashlib.sha256(whole).digest()
            bidi = stub.Bidi(timeout=4 * WAIT)
            for block in blocks(50, 100):
                await bidi.write(block)
                assert await bidi.read() == block
            await bidi.done_writing()
            assert await bidi.read() is grpc.aio.EOF

    run(main())


def test_messages_of_64_mib_pass(run: Run, config: ClientConfig) -> None:
    """go-plugin: `dialGRPCConn` lifts the limits, grpcio's default is 4 MiB."""

    async def main() -> None:
        async with echo(config) as (_, stub):
            sent = Payload(data=bytes(256) * (64 * MIB // 256 - 1) + b"end.")
            assert await stub.Unary(sent, timeout=BIG_TIMEOUT) == sent

    run(main())


def test_500_calls_in_flight_share_one_link(run: Run, config: ClientConfig) -> None:
    """Each answer goes to the caller whose it is."""

    async def main() -> None:
        async with echo(config) as (_, stub):
            sent = blocks(500, 100)
            calls = [stub.Unary(block, timeout=4 * WAIT) for block in sent]
            assert await asyncio.gather(*calls) == sent

    run(main())


def test_deadlines_cancellation_status_and_metadata(
    run: Run, config: ClientConfig
) -> None:
    """gRPC: each ends its own call, and the link lives on."""

    async def main() -> None:
        async with echo(config) as (_, stub):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stub.Sleep(SleepRequest(seconds=60), timeout=0.1)
            assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(stub.Sleep(SleepRequest(seconds=60)), 0.1)
            stream = stub.ServerStream(StreamRequest(count=100_000, size=1000))
            assert (await stream.read()).number == 0
            assert stream.cancel()
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stub.Fail(FailRequest(code=9, message="not now"), timeout=WAIT)
            assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
            assert caught.value.details() == "not now"
            call = stub.Metadata(
                Payload(), metadata=(("x-echo", "there"),), timeout=WAIT
            )
            assert (await call).received["x-echo"] == "there"
            assert (await call.initial_metadata())["x-initial"] == "there"
            assert (await call.trailing_metadata())["x-trailing"] == "there"

    run(main())


def test_megabyte_on_both_streams_arrives_intact(run: Run) -> None:
    """go-plugin: `SyncStdout`; all of it is there when `kill` returns."""
    out, err = BytesIO(), BytesIO()
    config = echo_config(sync_stdout=out, sync_stderr=err)

    async def main() -> None:
        async with echo(config) as (_, stub):
            await stub.Print(
                PrintRequest(stdout=b"o" * 1024, stderr=b"e" * 1024, repeat=1024),
                timeout=4 * WAIT,
            )

    run(main())
    assert out.getvalue() == b"o" * MIB
    assert err.getvalue() == b"e" * MIB


def test_killed_plugin_has_exited_gracefully(run: Run, config: ClientConfig) -> None:
    """go-plugin: `Client.Kill` asks first; a Go plugin then ends with status 0."""

    async def main() -> None:
        client = aio.Client(config)
        stub = await client.dispense("echo")
        held = asyncio.ensure_future(stub.Sleep(SleepRequest(seconds=60)))
        await stub.Unary(Payload(), timeout=WAIT)
        await asyncio.gather(client.kill(), client.kill())
        assert client.exit_status == 0
        assert await client.wait(0) == 0
        assert not our_threads()
        with pytest.raises((grpc.aio.AioRpcError, asyncio.CancelledError)):
            await held

    run(main())


def test_crash_is_seen_by_calls_by_ping_and_by_wait(
    run: Run, config: ClientConfig
) -> None:
    """Requirement: whoever waits learns of it, with the status."""

    async def main() -> None:
        async with echo(config) as (client, stub):
            waiting = asyncio.create_task(client.wait())
            held = asyncio.ensure_future(stub.Sleep(SleepRequest(seconds=60)))
            await stub.Unary(Payload(), timeout=WAIT)
            crash = CrashRequest(kind=CrashRequest.EXIT, status=7)
            with pytest.raises(grpc.aio.AioRpcError):
                await stub.Crash(crash, timeout=WAIT)
            assert await asyncio.wait_for(waiting, WAIT) == 7
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await held
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
            with pytest.raises(ConnectionLost) as lost:
                await client.ping()
            assert lost.value.status == 7

    run(main())


def test_stopped_plugin_is_killed_within_its_grace_and_a_second(
    run: Run, nothing_left: Path
) -> None:
    """`kill` returns within its grace and one second, and the loop goes on."""

    async def main() -> None:
        client = aio.Client(echo_config())
        await client.start()
        assert client.pid is not None
        os.kill(client.pid, signal.SIGSTOP)
        started = time.monotonic()
        killing = asyncio.create_task(client.kill(grace=0.5))
        ticks = 0
        while not killing.done():
            await asyncio.wait([killing], timeout=0.01)
            ticks += 1
        assert time.monotonic() - started < 2 * WAIT
        assert ticks > 5
        assert client.exit_status == -signal.SIGKILL

    run(main())
    for path in nothing_left.iterdir():  # nobody was left to remove its socket
        path.unlink()


def test_start_that_fails_explains_itself(run: Run) -> None:
    """The same errors as the blocking client's, with the same evidence."""

    async def main() -> None:
        client = aio.Client(echo_config(str(binary("kv-plugin"))))
        with pytest.raises(ExitedEarly) as caught:
            await client.start()
        assert caught.value.status == 1
        assert any("magic cookie" in note for note in caught.value.notes)
        handshake = await aio.probe(
            ["/usr/bin/env", "BASIC_PLUGIN=hello", str(binary("kv-plugin"))]
        )
        assert handshake.protocol == "grpc"
        await client.kill()

    run(main())


def test_start_that_is_cancelled_at_any_moment_leaves_nothing(
    run: Run, nothing_left: Path
) -> None:
    """Requirement: no process, thread, task or descriptor."""

    async def main() -> None:
        before = children()

        async def cancel_at_any_moment() -> None:
            for moment in range(40):
                client = aio.Client(echo_config())
                try:
                    await asyncio.wait_for(client.start(), moment * 0.003)
                except TimeoutError:
                    assert children() <= before
                    assert not our_threads()
                await client.kill()
            assert children() <= before

        await cancel_at_any_moment()  # grpcio opens some of its own, once
        gc.collect()  # tracebacks of what was cancelled hold some
        open_before = descriptors()
        await cancel_at_any_moment()
        gc.collect()
        few = open_before + 20  # grpcio opens some for itself; a leak would leave 40
        assert await asyncio.to_thread(eventually, lambda: descriptors() <= few)

    run(main())
    # Before its line a plugin has told nobody which socket is its own.
    for path in nothing_left.glob("plugin*"):
        path.unlink()


def test_plugin_outlives_its_host_and_serves_the_next(run: Run) -> None:
    """go-plugin: `Reattach`; the next host ends it."""
    config = echo_config(auto_mtls=False)

    async def main() -> None:
        async with echo(config) as (client, _):
            reattach = await client.reattach_config()
            second = ClientConfig(
                reattach=reattach, handshake=config.handshake, plugins=config.plugins
            )
            attached = aio.Client(second)
            stub = await attached.dispense("echo")
            sent = Payload(number=7)
            assert await stub.Unary(sent, timeout=WAIT) == sent
            waiting = asyncio.create_task(attached.wait())
            await attached.kill()
            await asyncio.wait_for(waiting, WAIT)
            assert attached.exited
            assert attached.exit_status is None
            assert await client.wait(WAIT) == 0

    run(main())


def test_clients_that_come_and_go_leave_no_descriptor(config: ClientConfig) -> None:
    """Requirement: 10 cycles on one loop."""

    async def cycle() -> None:
        async with echo(config) as (_, stub):
            await stub.Unary(Payload(), timeout=WAIT)

    async def main() -> None:
        await cycle()
        before = descriptors()
        for _ in range(10):
            await cycle()
        assert eventually(lambda: descriptors() <= before + 3)

    asyncio.run(main())
