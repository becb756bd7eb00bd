"""grpcio without any library on top: the least that a host takes for a plugin."""

import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc

from interop.bench.plugins.blocking import Echo
from interop.echo_pb2_grpc import add_EchoServicer_to_server

UNLIMITED = (
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
)
stopped = threading.Event()


def shut_down(request: bytes, context: grpc.ServicerContext) -> bytes:
    stopped.set()
    return b""


with tempfile.TemporaryDirectory() as directory:
    # As many workers as this library has.
    server = grpc.server(ThreadPoolExecutor(10), options=UNLIMITED)
    add_EchoServicer_to_server(Echo(), server)
    end: Any = grpc.unary_unary_rpc_method_handler(shut_down)
    server.add_registered_method_handlers("plugin.GRPCController", {"Shutdown": end})
    server.add_insecure_port(f"unix:{directory}/s")
    server.start()
    print(f"1|1|unix|{directory}/s|grpc|", flush=True)
    stopped.wait()
    server.stop(grace=1).wait()
