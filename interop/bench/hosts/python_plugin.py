"""python-plugin's host, with the stub that grpclib's generator would give."""

import asyncio
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import Any

from grpclib.client import UnaryStreamMethod, UnaryUnaryMethod
from pyplugin import Client, ClientConfig, HandshakeConfig, Plugin

from interop.echo_pb2 import Payload, StreamRequest

ECHO = HandshakeConfig(1, "ECHO_PLUGIN", "5f0c1a5e")
CALLBACK = HandshakeConfig(1, "CALLBACK_PLUGIN", "0b7d93c2")
# Each plugin holds one of the event loop's threads for good, and a start takes one
# more; by default there are four more than cores, and the sixth plugin never starts.
THREADS = 128


class EchoStub:
    def __init__(self, channel: Any) -> None:
        self.Unary = UnaryUnaryMethod(channel, "/echo.Echo/Unary", Payload, Payload)
        self.ServerStream = UnaryStreamMethod(
            channel, "/echo.Echo/ServerStream", StreamRequest, Payload
        )


class Echo(Plugin):
    def servicers(self, broker: Any) -> list[Any]:
        return []

    def stub(self, broker: Any, channel: Any) -> Any:
        return EchoStub(channel)


class Callback(Echo):
    def stub(self, broker: Any, channel: Any) -> Any:
        return channel


def client_of(link: str, command: list[str]) -> Any:
    return Client(
        ClientConfig(
            handshake_config=ECHO,
            plugins={"echo": Echo()},
            cmd=command,
            auto_mtls=link == "mtls",
        )
    )


class Host:
    """What `asynchronous.Commands` needs."""

    def __init__(self, link: str, command: list[str], client: Any) -> None:
        self._link = link
        self._command = command
        self._client = client
        self._more: list[Any] = []
        self._callback: Any = None
        self.stub = client.dispense("echo")

    async def received(self, request: StreamRequest) -> int:
        async with self.stub.ServerStream.open() as stream:
            await stream.send_message(request, end=True)
            return sum([1 async for _ in stream])

    async def dial(self) -> float:
        from interop.callback_pb2 import AcceptRequest, Ids, Numbers, StopRequest

        if self._callback is None:
            self._callback = await callback_client(self._link)
        channel = self._callback.dispense("callback")
        accept = UnaryUnaryMethod(channel, "/callback.Actor/Accept", AcceptRequest, Ids)
        stop = UnaryUnaryMethod(channel, "/callback.Actor/Stop", StopRequest, Ids)
        (service_id,) = (await accept(AcceptRequest(count=1))).ids
        start = perf_counter()
        peer = await self._callback.broker.dial(service_id)
        await UnaryUnaryMethod(peer, "/callback.Peer/Sum", Numbers, Numbers)(
            Numbers(values=[1])
        )
        took = perf_counter() - start
        peer.close()
        await stop(StopRequest(ids=[service_id]))
        return took

    async def more(self, count: int) -> None:
        for _ in range(count):
            self._more.append(client_of(self._link, self._command))
            await self._more[-1].start()

    async def together(self, count: int) -> None:
        self._more += [client_of(self._link, self._command) for _ in range(count)]
        await asyncio.gather(*(each.start() for each in self._more[-count:]))

    def stubs(self) -> Iterable[Any]:
        return [each.dispense("echo") for each in [self._client, *self._more]]

    async def fewer(self) -> None:
        await asyncio.gather(*(each.kill() for each in self._more))
        self._more.clear()

    async def close(self) -> None:
        await self.fewer()
        if self._callback is not None:
            await self._callback.kill()


async def callback_client(link: str) -> Any:
    from interop.fixtures import binary

    client = Client(
        ClientConfig(
            handshake_config=CALLBACK,
            plugins={"callback": Callback()},
            cmd=[str(binary("callback-plugin-1.8.0"))],
            auto_mtls=link == "mtls",
        )
    )
    await client.start()
    # Its broker's stream opens with the first offer; a plugin's offers wait for that.
    await client.broker.accept_and_serve(client.broker.next_id(), [])
    return client


async def main(link: str, *command: str) -> None:
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(THREADS))
    async with client_of(link, list(command)) as client:
        host = Host(link, list(command), client)
        await host.stub.Unary(Payload(data=b"x"))
        print("ready", client.pid, flush=True)
        from interop.bench.hosts.asynchronous import answer

        try:
            await answer(host)
        finally:
            await host.close()


asyncio.run(main(*sys.argv[1:]))
