"""This library's host for asyncio."""

import asyncio
import sys
from collections.abc import Iterable
from time import perf_counter
from typing import Any

from goplugin_py import ClientConfig, HandshakeConfig, Plugin
from goplugin_py.aio import Client
from interop.echo_pb2 import Payload, StreamRequest
from interop.echo_pb2_grpc import EchoStub

ECHO = HandshakeConfig(1, "ECHO_PLUGIN", "5f0c1a5e")
CALLBACK = HandshakeConfig(1, "CALLBACK_PLUGIN", "0b7d93c2")
LINKS: dict[str, dict[str, Any]] = {
    "plain": {"auto_mtls": False},
    "mtls": {},
    "mux": {"broker_multiplex": True},
}


def client_of(link: str, command: list[str]) -> Client:
    config = ClientConfig(
        command=command,
        handshake=ECHO,
        plugins={"echo": Plugin.from_stub(EchoStub)},
        **LINKS[link],
    )
    return Client(config)


class Host:
    """What `asynchronous.Commands` needs."""

    def __init__(self, link: str, command: list[str], stub: Any) -> None:
        self._link = link
        self._command = command
        self._more: list[Client] = []
        self._stubs: list[Any] = [stub]
        self._callback: Client | None = None
        self.stub = stub

    async def received(self, request: StreamRequest) -> int:
        return sum([1 async for _ in self.stub.ServerStream(request)])

    async def dial(self) -> float:
        from interop.callback_pb2 import AcceptRequest, Numbers, StopRequest
        from interop.callback_pb2_grpc import PeerStub

        client = self._callback = self._callback or callback_client(self._link)
        actor = await client.dispense("callback")
        (service_id,) = (await actor.Accept(AcceptRequest(count=1))).ids
        start = perf_counter()
        async with await client.broker.dial(service_id) as channel:
            peer: Any = PeerStub(channel)
            await peer.Sum(Numbers(values=[1]))
            took = perf_counter() - start
        await actor.Stop(StopRequest(ids=[service_id]))
        return took

    async def more(self, count: int) -> None:
        for _ in range(count):
            await self._start()

    async def together(self, count: int) -> None:
        await asyncio.gather(*(self._start() for _ in range(count)))

    async def _start(self) -> None:
        client = client_of(self._link, self._command)
        self._more.append(client)
        self._stubs.append(await client.dispense("echo"))

    def stubs(self) -> Iterable[Any]:
        return self._stubs

    async def fewer(self) -> None:
        await asyncio.gather(*(each.kill() for each in self._more))
        self._more.clear()
        del self._stubs[1:]

    async def close(self) -> None:
        await self.fewer()
        if self._callback is not None:
            await self._callback.kill()


def callback_client(link: str) -> Client:
    from interop.callback_pb2_grpc import ActorStub
    from interop.fixtures import binary

    config = ClientConfig(
        command=[str(binary("callback-plugin-1.8.0"))],
        handshake=CALLBACK,
        plugins={"callback": Plugin.from_stub(ActorStub)},
        **LINKS[link],
    )
    return Client(config)


async def main(link: str, *command: str) -> None:
    async with client_of(link, list(command)) as client:
        host = Host(link, list(command), await client.dispense("echo"))
        await host.stub.Unary(Payload(data=b"x"))
        print("ready", client.pid, flush=True)
        from interop.bench.hosts.asynchronous import answer

        try:
            await answer(host)
        finally:
            await host.close()


asyncio.run(main(*sys.argv[1:]))
