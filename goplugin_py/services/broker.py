"""The broker: further connections of a link, in either direction.

Both sides exchange messages over one stream, which the host opens (go-plugin:
`GRPCBroker`). How these bring two sides together is the exchange's business: by
addresses of sockets, or by knocks where all is multiplexed in one connection.
"""

from __future__ import annotations

import collections
import contextlib
import functools
import itertools
import logging
import queue
import threading
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Protocol, Self, TypeAlias

import grpc

from goplugin_py._pb.broker_pb2 import ConnInfo
from goplugin_py.callables import check_callable, refuse_coroutine
from goplugin_py.deadline import Deadline
from goplugin_py.errors import BrokerError
from goplugin_py.services.brokered_channel import BrokeredChannel
from goplugin_py.services.channel import connect_soon, open_channel
from goplugin_py.services.connection import Connection, Served
from goplugin_py.services.exchange import Exchange
from goplugin_py.services.reaper import Reaper
from goplugin_py.services.server import Server
from goplugin_py.services.service import Service
from goplugin_py.wire.offers import MAX_OFFERS

# A dial waits so long for the other side, and a server for its first connection: the
# address of a server is forgotten then (go-plugin: GRPCBroker.Dial, timeoutWait).
BROKER_TIMEOUT = 5.0
MAX_SERVICE_ID = 2**32 - 1
# How many messages wait for a stream, or for the other side to read its own. It keeps
# no more than that anyway, and can make us answer.
MAX_UNSENT = MAX_OFFERS
BROKERED_WORKERS = 10

_log = logging.getLogger("goplugin.broker")

# What is to be sent on one stream; None ends it.
Outgoing: TypeAlias = "queue.SimpleQueue[ConnInfo | None]"


class Broker(Protocol):
    """Opens connections beside the main one; both sides have one, safe from any thread.

    The two sides pass ids to each other inside their own messages. Ids of the two
    directions do not clash.
    """

    def next_id(self) -> int:
        """Return an id that this side has not used yet."""

    def dial(self, service_id: int, *, timeout: float = BROKER_TIMEOUT) -> grpc.Channel:
        """Connect to what the other side serves under `service_id`.

        Waits until the other side is there. Closing the channel ends the connection.

        Raises:
            BrokerTimeout: The other side did not come within `timeout` seconds.
            KnockRejected: The other side has stopped to serve the id. Multiplexed
                links tell so at once, unless it is Go that has stopped it.
            BrokerError: The link is closed, or the other side's address is unusable.
        """

    def accept_and_serve(
        self,
        service_id: int,
        register: Callable[[grpc.Server], Any],
        *,
        timeout: float | None = BROKER_TIMEOUT,
    ) -> BrokeredServer:
        """Serve under `service_id`; return at once, without waiting for a dial.

        The server ends with the link, if not before.

        Args:
            service_id: From `next_id`, or agreed on in some other way.
            register: Adds servicers to the server that it is given.
            timeout: Seconds in which somebody must connect, or else the server is
                stopped, with a warning; None waits as long as the link lives.

        Raises:
            BrokerError: The link is closed.
        """


class BrokeredServer:
    """What `accept_and_serve` started; a context manager that stops it."""

    def __init__(self, service_id: int, stop: Callable[[float], None]) -> None:
        self.service_id = service_id
        """The id that the other side dials."""
        self._stop = stop

    def stop(self, grace: float = 0.0) -> None:
        """Stop, and remove the socket; calls get `grace` seconds. Idempotent."""
        self._stop(grace)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()


class LinkBroker:
    """The broker of one link, for whichever side."""

    def __init__(
        self, exchange: Exchange, options: Sequence[tuple[str, Any]] = ()
    ) -> None:
        """Prepare; a stream is attached later.

        Args:
            exchange: Finds the other side.
            options: Channel options for what is dialled.
        """
        self._exchange = exchange
        self._options = options
        self._ids = itertools.count(1)
        self._reaper = Reaper()
        self._lock = threading.Lock()  # guards all below
        self._streams: list[Outgoing] = []  # the newest last
        self._unsent: collections.deque[ConnInfo] = collections.deque(maxlen=MAX_UNSENT)
        self._open: set[Callable[[], None]] = set()
        # With the stream by which the other side learned of it.
        self._services: dict[Service, Outgoing | None] = {}
        self._closed_because = ""
        exchange.start(self._send)

    def next_id(self) -> int:
        """See `Broker.next_id`."""
        return (next(self._ids) - 1) % MAX_SERVICE_ID + 1

    def dial(self, service_id: int, *, timeout: float = BROKER_TIMEOUT) -> grpc.Channel:
        """See `Broker.dial`."""
        connection = self.connect(service_id, Deadline(timeout))
        try:
            channel = open_channel(connection.target, self._options)
        except BaseException:  # options that grpcio refuses
            connection.close()
            raise
        brokered = BrokeredChannel(channel, connection, self.forget)
        self.remember(brokered.close)
        # As Go's Dial. Go's server waits for the first bytes even if it is stopped.
        connect_soon(channel)
        return brokered

    def connect(self, service_id: int, deadline: Deadline) -> Connection:
        """Return how to reach what the other side serves; see `Broker.dial`."""
        self._check_open()
        return self._exchange.dial(service_id, deadline)

    def accept_and_serve(
        self,
        service_id: int,
        register: Callable[[grpc.Server], Any],
        *,
        timeout: float | None = BROKER_TIMEOUT,
    ) -> BrokeredServer:
        """See `Broker.accept_and_serve`."""
        self._check_open()
        check_callable(register, "register")
        server = Server(max_workers=BROKERED_WORKERS)
        refuse_coroutine(register(server), "register")
        return BrokeredServer(service_id, self.serve(service_id, server, timeout))

    def serve(
        self, service_id: int, server: Served, timeout: float | None = BROKER_TIMEOUT
    ) -> Callable[[float], None]:
        """Serve under an id; return what stops that, given a grace in seconds.

        Args:
            service_id: The id.
            server: Is started, and closed in the end, on whatever thread.
            timeout: See `Broker.accept_and_serve`.
        """
        try:
            self._check_open()
            place = self._exchange.serve(service_id, server)
        except BaseException:
            server.close(0.0)
            raise
        service = Service(service_id, server, place, self._stopped)
        self._keep(service)
        if timeout is not None:
            check = functools.partial(service.stop_unless_used, timeout)
            self._reaper.watch(service, timeout, check)
        return service.stop

    def _keep(self, service: Service) -> None:
        with self._lock:
            if not self._closed_because:
                self._services[service] = self._streams[-1] if self._streams else None
                return
        service.stop()
        self._check_open()

    def _stopped(self, service: Service) -> None:
        with self._lock:
            self._services.pop(service, None)
        self._reaper.forget(service)

    def _check_open(self) -> None:
        with self._lock:
            if self._closed_because:
                raise BrokerError(self._closed_because)

    def receive(self, info: ConnInfo) -> None:
        """Take a message from the other side's stream."""
        self._exchange.receive(info)

    def attach(self) -> Outgoing:
        """Return what is to be sent on a new stream, now and later."""
        stream: Outgoing = queue.SimpleQueue()
        with self._lock:
            for info in self._unsent:
                stream.put(info)
            self._unsent.clear()
            self._streams.append(stream)
            for service, via in self._services.items():
                self._services[service] = via or stream
            if self._closed_because:
                stream.put(None)
        return stream

    def detach(self, stream: Outgoing) -> None:
        """Forget a stream that has ended, and stop what was served to its other end.

        Connections outlive the stream, as with Go; nobody else can come. Idempotent.
        """
        with self._lock:
            if stream in self._streams:
                self._streams.remove(stream)
            orphans = [each for each, via in self._services.items() if via is stream]
        stream.put(None)
        for service in orphans:
            self._reaper.watch(service, 0.0, service.stop_when_idle)

    def lose(self, stream: Outgoing, reason: str) -> None:
        """Detach a stream that no other can follow, and fail all who wait for it."""
        self._end(reason)
        self.detach(stream)

    def _end(self, reason: str) -> None:
        with self._lock:
            if self._closed_because:
                return
            self._closed_because = reason
        self._exchange.close(reason)

    def _send(self, info: ConnInfo) -> None:
        with self._lock:
            if not self._streams:
                if not self._closed_because:
                    self._unsent.append(info)
            elif self._streams[-1].qsize() < MAX_UNSENT:
                self._streams[-1].put(info)
            else:
                _log.debug("the other side does not read what its broker is sent")

    def remember(self, close: Callable[[], None]) -> None:
        """Let `close` be called when the broker is closed; at once if it is.

        Raises:
            BrokerError: It is closed.
        """
        with self._lock:
            if not self._closed_because:
                self._open.add(close)
                return
        close()
        self._check_open()

    def forget(self, close: Callable[[], None]) -> None:
        """Undo `remember`."""
        with self._lock:
            self._open.discard(close)

    def close(self) -> None:
        """Stop all that was dialled or served; idempotent."""
        with contextlib.ExitStack() as steps:  # every one, though others fail
            with self._lock:
                streams = list(self._streams)
                ends = [*self._open, *(each.stop for each in self._services)]
            steps.callback(self._reaper.close)
            for stream in streams:
                steps.callback(stream.put, None)
            for end in ends:
                steps.callback(end)
            self._end("the broker is closed")

    def remove_stale(self) -> None:
        """Remove the sockets that the other side's process has left at its end.

        Go plugins leave those of servers that run until their end, and all who are
        killed do.
        """
        self._exchange.remove_stale()
