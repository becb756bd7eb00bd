"""A host and a plugin in this process whose link is one connection."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import Any

from goplugin_py._pb.broker_pb2 import ConnInfo
from goplugin_py._pb.broker_pb2_grpc import add_GRPCBrokerServicer_to_server
from goplugin_py.deadline import Deadline
from goplugin_py.net.sockets import client_context, server_context
from goplugin_py.services.broker import LinkBroker
from goplugin_py.services.broker_stream import BrokerServicer, BrokerStream
from goplugin_py.services.channel import open_channel
from goplugin_py.services.connection import Connection
from goplugin_py.services.multiplex import (
    MultiplexExchange,
    MultiplexTransport,
    run,
)
from goplugin_py.services.server import Server
from goplugin_py.services.transport import Listening
from tests.echo import add_echo, call
from tests.peers import WAIT, identity_of

SHORT = 0.05


def transport_of(own: str, peer: str, tls: bool, **options: Any) -> MultiplexTransport:
    if not tls:
        return MultiplexTransport(**options)
    identity, certificate = identity_of(own), identity_of(peer).certificate
    return MultiplexTransport(
        client_context=client_context(identity, certificate),
        server_context=server_context(identity, certificate),
        **options,
    )


class Side:
    """A transport with its broker, and the knocks that it sends."""

    def __init__(self, transport: MultiplexTransport) -> None:
        self.transport = transport
        self.broker = LinkBroker(transport.exchange())
        self.knocks: list[int] = []
        send = transport.router.send
        assert send is not None

        def noted(info: ConnInfo) -> None:
            if not info.knock.ack:
                self.knocks.append(info.service_id)
            send(info)

        transport.router.send = noted

    def dial(self, service_id: int) -> Connection:
        """Dial without the broker, which hides the connection."""
        return MultiplexExchange(self.transport).dial(service_id, Deadline(WAIT))

    @property
    def streams(self) -> int:
        session = self.transport.router._session
        return session._session.stream_count if session is not None else 0


class Pair:
    """A host and a plugin in this process, joined as by `Client` and `serve`."""

    def __init__(self, tls: bool, **listening: Any) -> None:
        self.ended = threading.Event()
        self.plugin = Side(
            transport_of(
                "plugin",
                "host",
                tls,
                listening=Listening(**listening),
                on_end=self.ended.set,
            )
        )
        self.host = Side(transport_of("host", "plugin", tls))
        self._server = Server(max_workers=2)
        servicer = BrokerServicer(self.plugin.broker)
        self._server.add_streams(add_GRPCBrokerServicer_to_server, servicer)
        add_echo(self._server)
        self._binding = self.plugin.transport.bind(self._server)
        self._server.start()
        self.address = self._binding.address
        self.connection = self.host.transport.connect(self.address)
        self.channel = open_channel(self.connection.target)
        self._stream = BrokerStream(self.host.broker, self.channel, "test")
        assert call(self.channel) == b"ping"

    def sides(self, who: str) -> tuple[Side, Side]:
        """Return this side, and the other one."""
        return (self.host, self.plugin) if who == "host" else (self.plugin, self.host)

    def hang_up(self) -> None:
        """Do what a host does at its end."""
        self.host.broker.close()
        self._stream.close(WAIT)
        self.channel.close()
        self.connection.close()
        self.host.transport.close()

    def close(self) -> None:
        self.hang_up()
        self.plugin.broker.close()
        self._server.close(0)
        self._binding.close()
        self.plugin.transport.close()


@contextlib.contextmanager
def joined(*, tls: bool = False, **listening: Any) -> Iterator[Pair]:
    pair = Pair(tls, **listening)
    try:
        yield pair
    finally:
        pair.close()


class Lone:
    """A host's exchange whose other side is played by the test."""

    def __init__(self) -> None:
        self.transport = MultiplexTransport()
        self.exchange = MultiplexExchange(self.transport)
        self.sent: list[ConnInfo] = []
        self.exchange.start(self.sent.append)
        near, self.peer = socket.socketpair()
        self.peer.settimeout(WAIT)
        router = self.transport.router
        run(lambda: router.begin(near, is_client=True, default=None, on_end=None))

    def answer(self, service_id: int, error: str = "") -> None:
        knock = ConnInfo.Knock(knock=True, ack=True, error=error)
        self.exchange.receive(ConnInfo(service_id=service_id, knock=knock))

    def close(self) -> None:
        self.transport.close()
        self.peer.close()
