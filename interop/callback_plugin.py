"""The plugin of the broker's tests: `python -m interop.callback_plugin`.

Its Actor does what proto/callback.proto says, as the Go one does; Python hosts have
one too.
"""

from __future__ import annotations

import functools
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from google.protobuf.message import Message

from goplugin_py import (
    Broker,
    BrokeredServer,
    BrokerError,
    HandshakeConfig,
    Plugin,
    ServeConfig,
    serve,
)
from interop.callback_pb2 import (
    AcceptRequest,
    Data,
    DialReply,
    DialRequest,
    Ids,
    Numbers,
    StopRequest,
)
from interop.callback_pb2_grpc import (
    ActorServicer,
    ActorStub,
    PeerServicer,
    PeerStub,
    add_ActorServicer_to_server,
    add_PeerServicer_to_server,
)

HANDSHAKE = HandshakeConfig(1, "CALLBACK_PLUGIN", "0b7d93c2")
# For calls that move megabytes or open hundreds of connections; seconds when idle.
BUSY = 50.0
COMMAND = (sys.executable, "-m", "interop.callback_plugin")


class Peer(PeerServicer):
    """What is served through the broker."""

    def __init__(self, service_id: int) -> None:
        self._service_id = service_id
        self.waited_for = threading.Event()

    def Sum(self, request: Numbers, context: grpc.ServicerContext) -> Numbers:
        return Numbers(values=[sum(request.values), self._service_id])

    def Blob(self, request: Data, context: grpc.ServicerContext) -> Data:
        return request

    def Wait(self, request: Numbers, context: grpc.ServicerContext) -> Numbers:
        ended = threading.Event()
        self.waited_for.set()
        if context.add_callback(ended.set):
            ended.wait()
        return request


class Actor(ActorServicer):
    """Does on its side's broker what it is told."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._lock = threading.Lock()  # guards the servers
        self._servers: dict[int, tuple[BrokeredServer, Peer]] = {}

    def Accept(self, request: AcceptRequest, context: object = None) -> Ids:
        ids = [*request.ids, *(self._broker.next_id() for _ in range(request.count))]
        for service_id in ids:
            peer = Peer(service_id)
            register = functools.partial(add_PeerServicer_to_server, peer)
            server = self._broker.accept_and_serve(service_id, register, timeout=None)
            with self._lock:
                self._servers[service_id] = server, peer
        return Ids(ids=ids)

    def Stop(self, request: StopRequest, context: object = None) -> Ids:
        for service_id in request.ids:
            with self._lock:
                server, peer = self._servers.pop(service_id)
            if request.when_waited_for and not peer.waited_for.wait(BUSY):
                raise TimeoutError
            server.stop()
        return Ids(ids=request.ids)

    def Dial(self, request: DialRequest, context: object = None) -> DialReply:
        reply = DialReply()

        def dial(service_id: int) -> tuple[int, str]:
            try:
                return self._dial(service_id, request)
            except BrokerError as exc:
                return 0, f"{type(exc).__name__}: {exc}"

        with ThreadPoolExecutor(max(request.at_once, 1)) as pool:
            results = pool.map(dial, request.ids)
            for service_id, (good, error) in zip(request.ids, results, strict=True):
                reply.good += good
                if error:
                    reply.errors[service_id] = error
        return reply

    def _dial(self, service_id: int, request: DialRequest) -> tuple[int, str]:
        with self._broker.dial(service_id, timeout=request.timeout) as channel:
            good, error = 0, ""
            for answer, expected in list(
                begin_calls(PeerStub(channel), service_id, request)
            ):
                try:
                    good += answer.result() == expected
                except grpc.RpcError as exc:
                    error = f"{answer.code()}: {exc}"
            return good, error


def begin_calls(
    peer: Any, service_id: int, request: DialRequest
) -> Iterator[tuple[Any, Message]]:
    """Begin all that is to be called; give futures, and what they should result in."""
    timeout = request.timeout
    for n in range(request.sums):
        numbers = Numbers(values=[n, 1])
        expected = Numbers(values=[n + 1, service_id])
        yield peer.Sum.future(numbers, timeout=timeout), expected
    for n in range(request.blobs):
        data = Data(data=bytes([service_id & 0xFF, n & 0xFF]) * (request.size // 2))
        yield peer.Blob.future(data, timeout=timeout), data
    if request.wait:
        numbers = Numbers(values=[service_id])
        yield peer.Wait.future(numbers, timeout=timeout), numbers


class CallbackPlugin(Plugin):
    """Both halves; the host's accepts ids when it dispenses."""

    def __init__(self, accepted: tuple[int, ...] = ()) -> None:
        self._accepted = accepted

    def grpc_server(self, broker: Broker, server: grpc.Server) -> None:
        add_ActorServicer_to_server(Actor(broker), server)

    def grpc_client(
        self, broker: Broker, channel: grpc.Channel
    ) -> tuple[Actor, ActorStub]:
        """Return the host's Actor and the plugin's."""
        host = Actor(broker)
        host.Accept(AcceptRequest(ids=self._accepted))
        return host, ActorStub(channel)


def main() -> None:
    plugins = {"callback": CallbackPlugin()}
    serve(ServeConfig(handshake=HANDSHAKE, plugins=plugins))


if __name__ == "__main__":
    main()
