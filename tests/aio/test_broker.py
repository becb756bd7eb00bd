"""Brokered connections of event loops, in both directions and with both kinds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import grpc.aio
import pytest

from goplugin_py import BrokerError, BrokerTimeout, aio
from tests.aio.conftest import Run, our_threads
from tests.aio.echo import COMMAND, Context, call, config, repeat
from tests.echo import add_echo
from tests.peers import WAIT

LINKS = {
    "plain": {"auto_mtls": False},
    "mtls": {"auto_mtls": True},
    "mux": {"auto_mtls": True, "broker_multiplex": True},
}


@pytest.fixture(params=LINKS.values(), ids=list(LINKS))
def link(request: pytest.FixtureRequest) -> Any:
    """How to be connected."""
    return request.param


@asynccontextmanager
async def connected(
    link: Any, command: tuple[str, ...] = ()
) -> AsyncIterator[tuple[aio.Client, Any]]:
    async with aio.Client(config(*command, **link)) as client:
        yield client, await client.dispense("echo")


def register(server: grpc.aio.Server) -> None:
    add_echo(server, repeat)  # type: ignore[arg-type]


async def register_later(server: grpc.aio.Server) -> None:
    await asyncio.sleep(0)
    register(server)


@pytest.mark.parametrize("command", [(), COMMAND], ids=["blocking", "asyncio"])
def test_both_sides_dial_what_the_other_serves(
    run: Run, link: Any, command: tuple[str, ...]
) -> None:
    async def main() -> None:
        async with connected(link, command) as (client, echo):
            broker = client.broker
            for each in (register, register_later):
                ours = broker.next_id()
                async with await broker.accept_and_serve(ours, each) as server:
                    assert server.service_id == ours
                    answer = await echo(b"dial %d" % ours, timeout=WAIT)
                    assert answer == b"from the plugin"
            theirs = int(await echo(b"serve", timeout=WAIT))
            async with await broker.dial(theirs) as channel:
                assert await call(channel, b"from the host") == b"from the host"
            with pytest.raises(BrokerError, match="dial again"):
                await call(channel)

    run(main())


def test_what_is_left_open_ends_with_the_client(run: Run, link: Any) -> None:
    async def main() -> None:
        async with connected(link) as (client, echo):
            channel = await client.broker.dial(int(await echo(b"serve", timeout=WAIT)))
            await client.broker.accept_and_serve(1, register)
            calling = asyncio.ensure_future(call(channel))
            await calling
        assert not our_threads()
        with pytest.raises(BrokerError, match="dial again"):
            await call(channel)

    run(main())


def test_many_dials_at_once_all_come_through(run: Run, link: Any) -> None:
    async def main() -> None:
        async with connected(link, COMMAND) as (client, echo):

            async def there_and_back(number: int) -> bytes:
                theirs = int(await echo(b"serve", timeout=4 * WAIT))
                async with await client.broker.dial(
                    theirs, timeout=4 * WAIT
                ) as channel:
                    return await call(channel, b"%d" % number)

            answers = await asyncio.gather(*(there_and_back(n) for n in range(20)))
            assert answers == [b"%d" % n for n in range(20)]

    run(main())


def test_a_dial_that_nobody_answers_times_out_or_is_cancelled(
    run: Run, link: Any
) -> None:
    async def main() -> None:
        async with connected(link) as (client, echo):
            with pytest.raises(BrokerTimeout) as caught:
                await client.broker.dial(77, timeout=0.05)
            assert caught.value.service_id == 77
            threads = our_threads()
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(client.broker.dial(78, timeout=60), 0.05)
            assert our_threads() == threads
            # The link is none the worse.
            theirs = int(await echo(b"serve", timeout=WAIT))
            async with await client.broker.dial(theirs) as channel:
                await call(channel)

    run(main())


def test_a_cancelled_accept_serves_nothing(run: Run, link: Any) -> None:
    async def main() -> None:
        async with connected(link) as (client, _):
            before = our_threads()
            serving = asyncio.create_task(
                client.broker.accept_and_serve(5, register, timeout=None)
            )
            await asyncio.sleep(0)  # it has begun
            serving.cancel()
            with pytest.raises(asyncio.CancelledError):
                await serving
            assert our_threads() == before

    run(main())


def test_stopping_a_server_cancels_its_calls(run: Run) -> None:
    async def main() -> None:
        running, cancelled = asyncio.Event(), asyncio.Event()

        async def hang(request: bytes, context: Context) -> bytes:
            running.set()
            try:
                await asyncio.sleep(60)
            finally:
                cancelled.set()
            return request

        def serve_hang(server: grpc.aio.Server) -> None:
            add_echo(server, hang)  # type: ignore[arg-type]

        async with connected(LINKS["plain"], COMMAND) as (client, echo):
            server = await client.broker.accept_and_serve(3, serve_hang)
            calling = asyncio.ensure_future(echo(b"dial 3", timeout=WAIT))
            await asyncio.wait_for(running.wait(), WAIT)
            await server.stop()
            await server.stop()
            assert cancelled.is_set()
            with pytest.raises(grpc.aio.AioRpcError):
                await calling

    run(main())
