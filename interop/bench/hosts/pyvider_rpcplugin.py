"""pyvider-rpcplugin's host. It takes its settings from the environment, at import."""

import asyncio
import os
import sys
from typing import Any

os.environ |= {
    "PLUGIN_MAGIC_COOKIE_KEY": "ECHO_PLUGIN",
    "PLUGIN_MAGIC_COOKIE_VALUE": "5f0c1a5e",
    "PLUGIN_AUTO_MTLS": str(sys.argv[1] == "mtls").lower(),
    "PLUGIN_LOG_LEVEL": "ERROR",
    "PROVIDE_LOG_LEVEL": "ERROR",
}

from pyvider.rpcplugin import plugin_client

from interop.echo_pb2 import Payload, StreamRequest
from interop.echo_pb2_grpc import EchoStub


class Host:
    """What of `asynchronous.Commands` is measured: it has no dial of the broker."""

    def __init__(self, channel: Any) -> None:
        self.stub: Any = EchoStub(channel)

    async def received(self, request: StreamRequest) -> int:
        return sum([1 async for _ in self.stub.ServerStream(request)])


async def main() -> None:
    async with plugin_client(sys.argv[2:]) as client:
        host: Any = Host(client.grpc_channel)
        await host.stub.Unary(Payload(data=b"x"))
        print("ready", client._process.pid, flush=True)
        from interop.bench.hosts.asynchronous import answer

        await answer(host)


asyncio.run(main())
