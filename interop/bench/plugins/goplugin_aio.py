"""This library's plugin for asyncio."""

import asyncio

from goplugin_py import HandshakeConfig, Plugin, ServeConfig
from goplugin_py.aio import serve
from interop.bench.plugins.asynchronous import Echo
from interop.echo_pb2_grpc import add_EchoServicer_to_server

CONFIG = ServeConfig(
    handshake=HandshakeConfig(1, "ECHO_PLUGIN", "5f0c1a5e"),
    plugins={"echo": Plugin.from_servicer(add_EchoServicer_to_server, Echo())},
)
asyncio.run(serve(CONFIG))
