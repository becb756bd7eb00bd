"""The stream by which the brokers of a link exchange messages, at either end."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterator

import grpc

from goplugin_py._pb.broker_pb2 import ConnInfo
from goplugin_py._pb.broker_pb2_grpc import GRPCBrokerServicer, GRPCBrokerStub
from goplugin_py.services.broker import LinkBroker, Outgoing

_log = logging.getLogger("goplugin.broker")


class BrokerServicer(GRPCBrokerServicer):
    """The plugin's end of the broker's stream (go-plugin: `gRPCBrokerServer`)."""

    def __init__(self, broker: LinkBroker) -> None:
        self._broker = broker

    def StartStream(
        self, request_iterator: Iterator[ConnInfo], context: grpc.ServicerContext
    ) -> Iterator[ConnInfo]:
        """Exchange messages until the host hangs up or the plugin shuts down."""
        stream = self._broker.attach()
        if not context.add_callback(lambda: self._broker.detach(stream)):
            self._broker.detach(stream)  # the host has gone already
            return
        threading.Thread(
            target=self._receive,
            args=(request_iterator, stream),
            name="goplugin-broker",
            daemon=True,
        ).start()
        yield from iter(stream.get, None)

    def _receive(self, requests: Iterator[ConnInfo], stream: Outgoing) -> None:
        for info in _until_lost(requests):
            self._broker.receive(info)
        self._broker.detach(stream)


def _until_lost(requests: Iterator[ConnInfo]) -> Iterator[ConnInfo]:
    # grpcio reports a lost host by a bare Exception from the iterator.
    with contextlib.suppress(Exception):
        yield from requests


class BrokerStream:
    """The host's end of the broker's stream (go-plugin: `gRPCBrokerClientImpl`)."""

    def __init__(self, broker: LinkBroker, channel: grpc.Channel, name: str) -> None:
        """Open the stream, for the whole life of the link.

        A plugin may wait for it inside a call, so it must not be opened later.
        """
        self._broker = broker
        self._queue = broker.attach()
        self._call = GRPCBrokerStub(channel).StartStream(iter(self._queue.get, None))
        self._thread = threading.Thread(
            target=self._receive, name=f"goplugin-broker-{name}", daemon=True
        )
        self._thread.start()

    def _receive(self) -> None:
        reason = "the plugin has ended, or its broker has"
        try:
            for info in self._call:
                self._broker.receive(info)
        except grpc.RpcError as exc:
            _log.debug("the broker's stream ended: %s", exc)
            if self._call.code() is grpc.StatusCode.UNIMPLEMENTED:
                reason = "the plugin has no broker"
        finally:
            # It is not opened again (go-plugin: gRPCBrokerClientImpl.StartStream).
            self._broker.lose(self._queue, reason)

    def close(self, timeout: float) -> None:
        """End the stream."""
        self._queue.put(None)
        self._call.cancel()
        self._thread.join(timeout)
