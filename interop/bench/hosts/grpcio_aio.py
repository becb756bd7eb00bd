"""grpcio without any library on top: the floor of what is awaited."""

import asyncio
import sys
from time import perf_counter
from typing import Any

import grpc.aio

from interop.bench.hosts.bare import UNLIMITED, started
from interop.echo_pb2 import Payload, StreamRequest
from interop.echo_pb2_grpc import EchoStub


class Host:
    """What of `asynchronous.Commands` can be done without a library."""

    def __init__(self, target: str, channel: grpc.aio.Channel) -> None:
        self._target = target
        self.stub: Any = EchoStub(channel)

    async def received(self, request: StreamRequest) -> int:
        return sum([1 async for _ in self.stub.ServerStream(request)])

    async def dial(self) -> float:
        """Connect anew to the plugin's own socket, as there is no broker."""
        options = [*UNLIMITED, ("grpc.use_local_subchannel_pool", 1)]
        start = perf_counter()
        async with grpc.aio.insecure_channel(self._target, options=options) as channel:
            stub: Any = EchoStub(channel)
            await stub.Unary(Payload())
            return perf_counter() - start


async def main(link: str, *command: str) -> None:
    assert link == "plain"
    with started(list(command)) as (pid, target):
        async with grpc.aio.insecure_channel(target, options=UNLIMITED) as channel:
            host: Any = Host(target, channel)
            await host.stub.Unary(Payload(data=b"x"))
            print("ready", pid, flush=True)
            from interop.bench.hosts.asynchronous import answer

            await answer(host)


asyncio.run(main(*sys.argv[1:]))
