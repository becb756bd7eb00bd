"""The tests' own service, called and served on an event loop.

As a program, `python -m tests.aio.echo`, it is a plugin that does as it is told.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import grpc
import grpc.aio

from goplugin_py import ClientConfig, Plugin, aio
from tests.echo import add_echo, client_config, method, obey, serve_config
from tests.peers import WAIT

COMMAND = (sys.executable, "-m", "tests.aio.echo")
STUB = {"echo": Plugin.from_stub(method)}

Context = grpc.aio.ServicerContext[Any, Any]


def config(*command: str, **options: Any) -> ClientConfig:
    """Configure a client, by default a plain one of the plugin that blocks."""
    return client_config(*command, **{"plugins": STUB, "auto_mtls": False, **options})


async def repeat(request: bytes, context: Context) -> bytes:
    return request


async def call(channel: grpc.aio.Channel, data: bytes = b"ping") -> bytes:
    """Call it on a channel."""
    answer: bytes = await method(channel)(data, timeout=WAIT)  # type: ignore[arg-type]
    return answer


class Echo(aio.Plugin):
    """The service as a plugin."""

    def __init__(self, behaviour: Any = repeat) -> None:
        self._behaviour = behaviour

    def grpc_server(self, broker: aio.Broker, server: grpc.aio.Server) -> None:
        add_echo(server, self._behaviour)  # type: ignore[arg-type]

    async def grpc_client(self, broker: aio.Broker, channel: grpc.aio.Channel) -> Any:
        return method(channel)  # type: ignore[arg-type]


class Obedient(Echo):
    """Reaches back to the host as well."""

    async def grpc_server(self, broker: aio.Broker, server: grpc.aio.Server) -> None:  # type: ignore[override]
        async def act(request: bytes, context: Context) -> bytes:
            order, _, rest = request.partition(b" ")
            if order == b"dial":
                async with await broker.dial(int(rest)) as channel:
                    return await call(channel, b"from the plugin")
            if order == b"serve":
                service_id = broker.next_id()
                await broker.accept_and_serve(service_id, add_echo)  # type: ignore[arg-type]
                return b"%d" % service_id
            if order == b"sleep":
                await asyncio.sleep(float(rest))
            return obey(request, context)  # type: ignore[arg-type]

        add_echo(server, act)  # type: ignore[arg-type]


if __name__ == "__main__":
    asyncio.run(aio.serve(serve_config(plugins={"echo": Obedient()})))
