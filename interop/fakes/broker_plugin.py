"""A plugin whose broker misbehaves: its argument says how.

silent    takes no notice of what the host's broker says
refuse    answers every knock with a refusal
garbage   begins with messages that mean nothing, each under an id of its own
"""

import sys
from pathlib import Path

import grpc

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from goplugin_py import Broker, ServeConfig, serve
from goplugin_py._pb.broker_pb2 import ConnInfo
from goplugin_py.services.broker import LinkBroker
from interop.callback_plugin import HANDSHAKE, CallbackPlugin

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
    plugin = GarbagePlugin() if behaviour == "garbage" else CallbackPlugin()
    serve(ServeConfig(handshake=HANDSHAKE, plugins={"callback": plugin}))


if __name__ == "__main__":
    main(sys.argv[1])
