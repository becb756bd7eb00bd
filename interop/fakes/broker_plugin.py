"""A plugin whose broker misbehaves: its argument says how.

silent    takes no notice of what the host's broker says
refuse    answers every knock with a refusal
garbage   begins with messages that mean nothing, each under an id of its own
breach    when it is knocked for an id of BREACHES, writes these bytes into its session
"""

import sys
from pathlib import Path

import grpc

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from goplugin_py import Broker, ServeConfig, serve
from goplugin_py._pb.broker_pb2 import ConnInfo
from goplugin_py.net.loop import shared_loop
from goplugin_py.services.broker import LinkBroker
from goplugin_py.services.multiplex import MultiplexExchange
from interop.callback_plugin import HANDSHAKE, CallbackPlugin
from tests.wire import frames

HUGE = 1 << 20
GARBAGE = [
    *(
        ConnInfo(service_id=number, knock=ConnInfo.Knock(knock=True))
        for number in range(1000, 2000)
    ),
    ConnInfo(),
    ConnInfo(service_id=101, network="carrier pigeon", address="loft"),
    ConnInfo(service_id=102, network="unix", address=""),
    ConnInfo(service_id=103, network="unix", address="/tmp/\0"),
    ConnInfo(service_id=104, network="unix", address="/" + "x" * HUGE),
    ConnInfo(service_id=105, network="tcp", address="no port"),
    ConnInfo(service_id=106, network="x" * HUGE, address="\0"),
    ConnInfo(service_id=107),
    ConnInfo(service_id=108, knock=ConnInfo.Knock(knock=True, ack=True, error="?")),
    ConnInfo(service_id=109, knock=ConnInfo.Knock(ack=True, error="\0" * HUGE)),
]
GARBAGE_IDS = range(101, 110)

MAIN_STREAM = 1
# What ends a session, by the id that provokes it.
BREACHES = {
    201: frames.frame(frames.DATA, version=1),
    202: frames.frame(9),
    203: frames.data(MAIN_STREAM, claims=frames.WINDOW + 1),
    204: frames.syn(MAIN_STREAM),
    205: frames.fin(MAIN_STREAM) * 2,
    206: frames.frame(frames.GO_AWAY, length=2),
}
# And what does not.
NUISANCES = {
    301: frames.data(998, b"for nobody"),
    302: frames.update(998, 1 << 20) + frames.rst(998) + frames.fin(998),
    303: b"".join(map(frames.syn, range(1000, 21000, 2))),
    304: frames.frame(frames.PING, frames.SYN) * 10_000,
    305: frames.frame(frames.PING, frames.ACK, length=7),
}


def inject(broker: LinkBroker, data: bytes) -> None:
    """Write bytes between the frames of a link's session."""
    exchange = broker._exchange
    assert isinstance(exchange, MultiplexExchange)
    session = exchange._router._session
    assert session is not None

    def write() -> None:
        session._session._output._chunks.append(data)
        session.flush_soon()

    shared_loop().call_soon(write)


def breach(broker: LinkBroker, info: ConnInfo) -> None:
    if data := (BREACHES | NUISANCES).get(info.service_id):
        inject(broker, data)
    else:
        broker._exchange.receive(info)


def refuse(broker: LinkBroker, info: ConnInfo) -> None:
    refusal = ConnInfo.Knock(knock=True, ack=True, error="not today")
    broker._send(ConnInfo(service_id=info.service_id, knock=refusal))


class GarbagePlugin(CallbackPlugin):
    def grpc_server(self, broker: Broker, server: grpc.Server) -> None:
        super().grpc_server(broker, server)
        assert isinstance(broker, LinkBroker)
        for info in GARBAGE:
            broker._send(info)


def main(behaviour: str) -> None:
    if behaviour == "silent":
        LinkBroker.receive = lambda self, info: None  # type: ignore[method-assign]
    if behaviour == "refuse":
        LinkBroker.receive = refuse  # type: ignore[assignment,method-assign]
    if behaviour == "breach":
        LinkBroker.receive = breach  # type: ignore[assignment,method-assign]
    plugin = GarbagePlugin() if behaviour == "garbage" else CallbackPlugin()
    serve(ServeConfig(handshake=HANDSHAKE, plugins={"callback": plugin}))


if __name__ == "__main__":
    main(sys.argv[1])
