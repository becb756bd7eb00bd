"""A service of the tests' own, whose messages are plain bytes, and who calls it.

As a program, `python -m tests.echo`, it is a plugin that does as it is told.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import grpc

from goplugin_py import ClientConfig, HandshakeConfig, Plugin, ServeConfig, serve
from goplugin_py.services.broker import Broker
from goplugin_py.services.channel import open_channel
from goplugin_py.services.server import Server
from goplugin_py.services.transport import Transport
from tests.peers import ROOT, WAIT

SERVICE = "test.Echo"
HANDSHAKE = HandshakeConfig(1, "TEST_PLUGIN", "5f0c1a5e")
COMMAND = (sys.executable, "-m", "tests.echo")

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
    """Configure a client of this program, or of another command."""
    defaults = {"plugins": {"echo": Echo()}, "env": {"PYTHONPATH": str(ROOT)}}
    return ClientConfig(
        command=command or COMMAND, handshake=HANDSHAKE, **{**defaults, **options}
    )


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


def obey(request: bytes, context: grpc.ServicerContext) -> bytes:
    """Do what the request's first word says; repeat what says nothing."""
    order, _, rest = request.partition(b" ")
    match order:
        case b"print":
            os.write(1, rest)
        case b"complain":
            os.write(2, rest)
        case b"log":
            logging.getLogger("echo").warning("%s", rest.decode())
        case b"exit":
            os._exit(int(rest))
        case b"hang":
            threading.Event().wait()
        case b"stop":
            os.kill(os.getpid(), signal.SIGSTOP)
        case b"environ":
            return os.environ.get(rest.decode(), "").encode()
    return request


class Obedient(Echo):
    """Reaches back to the host as well."""

    def grpc_server(self, broker: Broker, server: grpc.Server) -> None:
        def act(request: bytes, context: grpc.ServicerContext) -> bytes:
            order, _, rest = request.partition(b" ")
            if order == b"dial":
                with broker.dial(int(rest)) as channel:
                    return call(channel, b"from the plugin")
            if order == b"serve":
                service_id = broker.next_id()
                broker.accept_and_serve(service_id, add_echo)
                return b"%d" % service_id
            return obey(request, context)

        add_echo(server, act)


if __name__ == "__main__":
    network = os.environ.get("TEST_NETWORK", "unix")
    serve(serve_config(plugins={"echo": Obedient()}, network=network))
