"""Two brokers that are joined as those of a host and of a plugin."""

import contextlib
from collections.abc import Iterator

from goplugin_py._pb.broker_pb2_grpc import add_GRPCBrokerServicer_to_server
from goplugin_py.net.sockets import client_context, server_context
from goplugin_py.services.broker import LinkBroker
from goplugin_py.services.broker_stream import BrokerServicer, BrokerStream
from goplugin_py.services.channel import open_channel
from goplugin_py.services.server import Server
from goplugin_py.services.transport import Transport
from goplugin_py.services.transports import transport_for
from tests.peers import WAIT, identity_of

KINDS = ["plain", "tls", "multiplex", "multiplex-tls"]


def transport_of(multiplexed: bool, own: str, peer: str, tls: bool) -> Transport:
    kind = transport_for(tls=tls, multiplexed=multiplexed)
    if not tls:
        return kind()
    identity, certificate = identity_of(own), identity_of(peer).certificate
    return kind(
        client_context=client_context(identity, certificate),
        server_context=server_context(identity, certificate),
    )


class Pair:
    """A host's and a plugin's broker, joined by a stream."""

    def __init__(
        self, host: LinkBroker, plugin: LinkBroker, stream: BrokerStream
    ) -> None:
        self.host = host
        self.plugin = plugin
        self.stream = stream

    def sides(self, who: str) -> tuple[LinkBroker, LinkBroker]:
        """Return this side, and the other one."""
        return (self.host, self.plugin) if who == "host" else (self.plugin, self.host)


@contextlib.contextmanager
def joined(*, tls: bool, multiplex: bool) -> Iterator[Pair]:
    near = transport_of(multiplex, "host", "plugin", tls)
    far = transport_of(multiplex, "plugin", "host", tls)
    host, plugin = (LinkBroker(each.exchange()) for each in (near, far))
    server = Server(max_workers=1)
    server.add_streams(add_GRPCBrokerServicer_to_server, BrokerServicer(plugin))
    binding = far.bind(server)
    server.start()
    connection = near.connect(binding.address)
    channel = open_channel(connection.target)
    stream = BrokerStream(host, channel, "test")
    try:
        yield Pair(host, plugin, stream)
    finally:
        for broker in (host, plugin):
            broker.close()
            broker.close()
        stream.close(WAIT)
        channel.close()
        connection.close()
        server.close(0)
        binding.close()
        near.close()
        far.close()


def joined_by(kind: str) -> contextlib.AbstractContextManager[Pair]:
    """Join two brokers in one of `KINDS`."""
    return joined(tls="tls" in kind, multiplex="multiplex" in kind)
