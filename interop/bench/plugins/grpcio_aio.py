"""grpcio without any library on top, awaited."""

import asyncio
import tempfile
from typing import Any

import grpc.aio

from interop.bench.plugins.asynchronous import Echo
from interop.echo_pb2_grpc import add_EchoServicer_to_server

UNLIMITED = (
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
)


async def main(directory: str) -> None:
    stopped = asyncio.Event()

    async def shut_down(request: bytes, context: object) -> bytes:
        stopped.set()
        return b""

    server = grpc.aio.server(options=UNLIMITED)
    add_EchoServicer_to_server(Echo(), server)
    end: Any = grpc.unary_unary_rpc_method_handler(shut_down)
    server.add_registered_method_handlers("plugin.GRPCController", {"Shutdown": end})
    server.add_insecure_port(f"unix:{directory}/s")
    await server.start()
    print(f"1|1|unix|{directory}/s|grpc|", flush=True)
    await stopped.wait()
    await server.stop(grace=1)


with tempfile.TemporaryDirectory() as directory:
    asyncio.run(main(directory))
