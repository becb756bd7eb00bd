"""pyvider-rpcplugin's plugin. It takes its settings from the environment, at import."""

import asyncio
import os
from typing import Any

os.environ |= {
    "PLUGIN_MAGIC_COOKIE_KEY": "ECHO_PLUGIN",
    "PLUGIN_MAGIC_COOKIE_VALUE": "5f0c1a5e",
    "PLUGIN_LOG_LEVEL": "ERROR",
    "PROVIDE_LOG_LEVEL": "ERROR",
}

from pyvider.rpcplugin import plugin_server
from pyvider.rpcplugin.protocol.base import RPCPluginProtocol

from interop.bench.plugins.asynchronous import Echo
from interop.echo_pb2_grpc import add_EchoServicer_to_server


class Protocol(RPCPluginProtocol[Any, Any]):
    protocol_version = 1

    async def get_grpc_descriptors(self) -> tuple[Any, str]:
        return None, "echo.Echo"

    async def add_to_server(self, server: Any, handler: Any) -> None:
        add_EchoServicer_to_server(handler, server)


async def main() -> None:
    await plugin_server(protocol=Protocol(), handler=Echo()).serve()


asyncio.run(main())
