"""The plugin of the broker's tests for asyncio: `interop.callback_plugin_aio`.

It does what `interop.callback_plugin` does, with coroutine functions.
"""

from __future__ import annotations

import asyncio
import functools
import sys
from typing import Any

import grpc
import grpc.aio

from goplugin_py import BrokerError, ServeConfig, aio
from interop.callback_pb2 import (
    AcceptRequest,
    Data,
    DialReply,
    DialRequest,
    Ids,
    Numbers,
    StopRequest,
)
from interop.callback_pb2_grpc import (
    ActorServicer,
    ActorStub,
    PeerServicer,
    PeerStub,
    add_ActorServicer_to_server,
    add_PeerServicer_to_server,
)
from interop.callback_plugin import BUSY, HANDSHAKE, begin_calls

COMMAND = (sys.executable, "-m", "interop.callback_plugin_aio")

Context = grpc.aio.ServicerContext[Any, Any]


class Peer(PeerServicer):
    """What is served through the broker."""

    def __init__(self, service_id: int) -> None:
        self._service_id = service_id
        self.waited_for = asyncio.Event()

    async def Sum(self, request: Numbers, context: Context) -> Numbers:
        return Numbers(values=[sum(request.values), self._service_id])

    async def Blob(self, request: Data, context: Context) -> Data:
        return request

    async def Wait(self, request: Numbers, context: Context) -> Numbers:
        self.waited_for.set()
        return await asyncio.Future()


class Actor(ActorServicer):
    """Does on its side's broker what it is told."""

    def __init__(self, broker: aio.Broker) -> None:
        self._broker = broker
        self._servers: dict[int, tuple[aio.BrokeredServer, Peer]] = {}

    async def Accept(self, request: AcceptRequest, context: object = None) -> Ids:
        ids = [*request.ids, *(self._broker.next_id() for _ in range(request.count))]
        for service_id in ids:
            peer = Peer(service_id)
            register: Any = functools.partial(add_PeerServicer_to_server, peer)
            server = await self._broker.accept_and_serve(
                service_id, register, timeout=None
            )
            self._servers[service_id] = server, peer
        return Ids(ids=ids)

    async def Stop(self, request: StopRequest, context: object = None) -> Ids:
        for service_id in request.ids:
            server, peer = self._servers.pop(service_id)
            if request.when_waited_for:
                await asyncio.wait_for(peer.waited_for.wait(), BUSY)
            await server.stop()
        return Ids(ids=request.ids)

    async def Dial(self, request: DialRequest, context: object = None) -> DialReply:
        reply = DialReply()
        turn = asyncio.Semaphore(max(request.at_once, 1))

        async def dial(service_id: int) -> None:
            async with turn:
                try:
                    good, error = await self._dial(service_id, request)
                except BrokerError as exc:
                    good, error = 0, f"{type(exc).__name__}: {exc}"
            reply.good += good
            if error:
                reply.errors[service_id] = error

        await asyncio.gather(*map(dial, request.ids))
        return reply

    async def _dial(self, service_id: int, request: DialRequest) -> tuple[int, str]:
        dialling = self._broker.dial(service_id, timeout=request.timeout)
        async with await dialling as channel:
            good, error = 0, ""
            calls = list(begin_calls(_Futures(channel), service_id, request))
            for answer, expected in calls:
                try:
                    good += await answer == expected
                except grpc.aio.AioRpcError as exc:
                    error = f"{exc.code()}: {exc}"
            return good, error


class _Futures:
    """A stub whose calls begin by `future`, as those of blocking stubs do."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = PeerStub(channel)

    def __getattr__(self, name: str) -> Any:
        method: Any = getattr(self._stub, name)

        class Method:
            future = staticmethod(method)

        return Method


class CallbackPlugin(aio.Plugin):
    """Both halves; the host's accepts ids when it dispenses."""

    def __init__(self, accepted: tuple[int, ...] = ()) -> None:
        self._accepted = accepted

    def grpc_server(self, broker: aio.Broker, server: grpc.aio.Server) -> None:
        add_ActorServicer_to_server(Actor(broker), server)

    async def grpc_client(
        self, broker: aio.Broker, channel: grpc.aio.Channel
    ) -> tuple[Actor, Any]:
        """Return the host's Actor and the plugin's."""
        host = Actor(broker)
        await host.Accept(AcceptRequest(ids=self._accepted))
        return host, ActorStub(channel)


def main() -> None:
    plugins = {"callback": CallbackPlugin()}
    asyncio.run(aio.serve(ServeConfig(handshake=HANDSHAKE, plugins=plugins)))


if __name__ == "__main__":
    main()
