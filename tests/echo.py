"""A service of the tests' own, whose messages are plain bytes, and who calls it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import grpc

from goplugin_py import ClientConfig, HandshakeConfig, Plugin, ServeConfig
from goplugin_py.services.broker import Broker
from goplugin_py.services.channel import open_channel
from goplugin_py.services.server import Server
from goplugin_py.services.transport import Transport
from tests.peers import WAIT

SERVICE = "test.Echo"
HANDSHAKE = HandshakeConfig(1, "TEST_PLUGIN", "5f0c1a5e")

Behaviour = Callable[[bytes, grpc.ServicerContext], bytes]


def repeat(request: bytes, context: grpc.ServicerContext) -> bytes:
    return request


def add_echo(server: grpc.Server, behaviour: Behaviour = repeat) -> None:
    """Register the service the way generated code does."""
    handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
        "Call": grpc.unary_unary_rpc_method_handler(behaviour)
    }
    generic = grpc.method_handlers_generic_handler(SERVICE, handlers)
    server.add_generic_rpc_handlers((generic,))


def call(channel: grpc.Channel, data: bytes = b"ping", timeout: float = WAIT) -> bytes:
    """Call it."""
    answer: bytes = method(channel)(data, timeout=timeout)
    return answer


def method(channel: grpc.Channel) -> Any:
    return channel.unary_unary(f"/{SERVICE}/Call")


class Echo(Plugin):
    """The service as a plugin; `dispense` returns a function."""

    def __init__(self, behaviour: Behaviour = repeat) -> None:
        self._behaviour = behaviour

    def grpc_server(self, broker: Broker, server: grpc.Server) -> None:
        add_echo(server, self._behaviour)

    def grpc_client(self, broker: Broker, channel: grpc.Channel) -> Any:
        return lambda data=b"ping": call(channel, data)


def serve_config(behaviour: Behaviour = repeat, **options: Any) -> ServeConfig:
    options = {"plugins": {"echo": Echo(behaviour)}, **options}
    return ServeConfig(handshake=HANDSHAKE, **options)


def client_config(*command: str, **options: Any) -> ClientConfig:
    options = {"plugins": {"echo": Echo()}, **options}
    return ClientConfig(command=command, handshake=HANDSHAKE, **options)


@contextlib.contextmanager
def serving(server: Server) -> Iterator[grpc.Channel]:
    """Serve on a private socket; give a channel to it."""
    transport = Transport()
    binding = transport.bind(server)
    server.start()
    try:
        with open_channel(binding.address.target) as channel:
            yield channel
    finally:
        server.close(0)
        binding.close()
        transport.close()
