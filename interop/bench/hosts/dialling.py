"""A dial through this library's broker, to what a Go plugin serves there."""

from time import perf_counter
from typing import Any

from goplugin_py import Client, ClientConfig, HandshakeConfig, Plugin
from interop.callback_pb2 import AcceptRequest, Numbers, StopRequest
from interop.callback_pb2_grpc import ActorStub, PeerStub
from interop.fixtures import binary

PLUGIN = "callback-plugin-1.8.0"
HANDSHAKE = HandshakeConfig(1, "CALLBACK_PLUGIN", "0b7d93c2")


class Dialler:
    """A plugin with an Actor that accepts what is dialled."""

    def __init__(self, link: dict[str, Any]) -> None:
        config = ClientConfig(
            command=[str(binary(PLUGIN))],
            handshake=HANDSHAKE,
            plugins={"callback": Plugin.from_stub(ActorStub)},
            **link,
        )
        self._client = Client(config)
        self._actor = self._client.dispense("callback")

    def dial(self) -> float:
        """Return the seconds from the dial to the first answer."""
        (service_id,) = self._actor.Accept(AcceptRequest(count=1)).ids
        start = perf_counter()
        with self._client.broker.dial(service_id) as channel:
            PeerStub(channel).Sum(Numbers(values=[1]))
            took = perf_counter() - start
        self._actor.Stop(StopRequest(ids=[service_id]))
        return took

    def close(self) -> None:
        self._client.kill()
