"""The broker: further connections of a link, in either direction.

One side listens and sends a ConnInfo with an id and an address over the broker's
stream; the other waits for the id that it wants and dials the address (go-plugin:
`GRPCBroker`). The host opens the stream, with its first use of the broker.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import queue
import threading
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Protocol, Self

import grpc

from goplugin_py._pb.broker_pb2 import ConnInfo
from goplugin_py._pb.broker_pb2_grpc import GRPCBrokerServicer, GRPCBrokerStub
from goplugin_py.deadline import Deadline
from goplugin_py.errors import BrokerError, BrokerTimeout
from goplugin_py.services.channel import open_channel
from goplugin_py.services.server import Server
from goplugin_py.services.transport import Connection, Transport
from goplugin_py.wire.address import Address

BROKER_TIMEOUT = 5.0  # go-plugin: GRPCBroker.Dial, timeoutWait
MAX_SERVICE_ID = 2**32 - 1
# A ConnInfo is kept for BROKER_TIMEOUT; a peer can't make us keep more than these.
MAX_PENDING = 4096
BROKERED_WORKERS = 10

_log = logging.getLogger("goplugin.broker")


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
            BrokerError: The link is closed, or the other side's address is unusable.
        """

    def accept_and_serve(
        self,
        service_id: int,
        register: Callable[[grpc.Server], Any],
        *,
        timeout: float = BROKER_TIMEOUT,
    ) -> BrokeredServer:
        """Serve under `service_id`; return at once, without waiting for a dial.

        Args:
            service_id: From `next_id`, or agreed on in some other way.
            register: Adds servicers to the server that it is given.
            timeout: Seconds for handing the address to the link.

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
        self, transport: Transport, options: tuple[tuple[str, Any], ...] = ()
    ) -> None:
        """Prepare; a stream is attached later.

        Args:
            transport: Dials and listens for the link.
            options: Channel options for what is dialled.
        """
        self._transport = transport
        self._options = options
        self._ids = itertools.count(1)
        self._changed = threading.Condition()  # guards all below
        self._offers: dict[int, tuple[ConnInfo, Deadline]] = {}
        self._stream: queue.SimpleQueue[ConnInfo | None] | None = None
        self._unsent: list[ConnInfo] = []
        self._open: set[Callable[[], None]] = set()
        self._is_closed = False

    def next_id(self) -> int:
        """See `Broker.next_id`."""
        return (next(self._ids) - 1) % MAX_SERVICE_ID + 1

    def dial(self, service_id: int, *, timeout: float = BROKER_TIMEOUT) -> grpc.Channel:
        """See `Broker.dial`."""
        offer = self._wait_for_offer(service_id, Deadline(timeout))
        try:
            address = Address(offer.network, offer.address)
        except ValueError as exc:
            raise BrokerError(f"service id {service_id}: {exc}") from exc
        connection = self._transport.connect(address)
        channel = open_channel(connection.target, self._options)
        brokered = BrokeredChannel(channel, connection, self._forget)
        self._remember(brokered.close)
        return brokered

    def accept_and_serve(
        self,
        service_id: int,
        register: Callable[[grpc.Server], Any],
        *,
        timeout: float = BROKER_TIMEOUT,
    ) -> BrokeredServer:
        """See `Broker.accept_and_serve`."""
        server = Server(max_workers=BROKERED_WORKERS)
        register(server)
        binding = self._transport.bind(server)
        server.start()
        once = threading.Lock()

        def stop(grace: float = 0.0) -> None:
            if once.acquire(blocking=False):
                self._forget(stop)
                server.close(grace)
                binding.close()

        try:
            self._remember(stop)
            self._send(
                ConnInfo(
                    service_id=service_id,
                    network=binding.address.network,
                    address=binding.address.text,
                )
            )
        except BrokerError:
            stop()
            raise
        return BrokeredServer(service_id, stop)

    def _wait_for_offer(self, service_id: int, deadline: Deadline) -> ConnInfo:
        with self._changed:
            while not self._is_closed:
                self._drop_expired()
                if service_id in self._offers:
                    return self._offers.pop(service_id)[0]
                if not self._changed.wait(deadline.remaining()) or deadline.expired:
                    raise BrokerTimeout(
                        f"nothing was offered under service id {service_id}: "
                        "the other side must accept it within seconds of the dial",
                        service_id,
                    )
        raise BrokerError("the broker is closed")

    def _drop_expired(self) -> None:
        for service_id in [i for i, (_, d) in self._offers.items() if d.expired]:
            del self._offers[service_id]

    def receive(self, info: ConnInfo) -> None:
        """Take a message from the other side's stream."""
        with self._changed:
            self._drop_expired()
            # An id has one slot: a second offer while one waits is dropped, as by
            # go-plugin.
            if info.service_id in self._offers or len(self._offers) >= MAX_PENDING:
                _log.warning("dropped an offer of service id %d", info.service_id)
                return
            self._offers[info.service_id] = (info, Deadline(BROKER_TIMEOUT))
            self._changed.notify_all()

    def attach(self) -> queue.SimpleQueue[ConnInfo | None]:
        """Return the queue of a new stream; what is sent from now on goes there.

        None in the queue ends the stream.
        """
        stream: queue.SimpleQueue[ConnInfo | None] = queue.SimpleQueue()
        with self._changed:
            for info in self._unsent:
                stream.put(info)
            self._unsent.clear()
            self._stream = stream
        return stream

    def detach(self, stream: queue.SimpleQueue[ConnInfo | None]) -> None:
        """Forget a stream that has ended."""
        with self._changed:
            if self._stream is stream:
                self._stream = None
        stream.put(None)

    def _send(self, info: ConnInfo) -> None:
        with self._changed:
            if self._is_closed:
                raise BrokerError("the broker is closed")
            if self._stream is not None:
                self._stream.put(info)
            else:
                self._unsent.append(info)

    def _remember(self, close: Callable[[], None]) -> None:
        with self._changed:
            if not self._is_closed:
                self._open.add(close)
                return
        close()
        raise BrokerError("the broker is closed")

    def _forget(self, close: Callable[[], None]) -> None:
        with self._changed:
            self._open.discard(close)

    def close(self) -> None:
        """Stop all that was dialled or served; idempotent."""
        with self._changed:
            self._is_closed = True
            stream, self._stream = self._stream, None
            to_close, self._open = self._open, set()
            self._changed.notify_all()
        for close in to_close:
            close()
        if stream is not None:
            stream.put(None)


class BrokeredChannel(grpc.Channel):
    """A channel that takes its relay along when it is closed."""

    def __init__(
        self,
        channel: grpc.Channel,
        connection: Connection,
        on_close: Callable[[Callable[[], None]], None],
    ) -> None:
        self._channel = channel
        self._connection = connection
        self._on_close = on_close

    def subscribe(
        self, callback: Callable[..., Any], try_to_connect: bool = False
    ) -> None:
        """See `grpc.Channel.subscribe`."""
        self._channel.subscribe(callback, try_to_connect)

    def unsubscribe(self, callback: Callable[..., Any]) -> None:
        """See `grpc.Channel.unsubscribe`."""
        self._channel.unsubscribe(callback)

    def unary_unary(self, *args: Any, **kwargs: Any) -> Any:
        """See `grpc.Channel.unary_unary`."""
        return self._channel.unary_unary(*args, **kwargs)

    def unary_stream(self, *args: Any, **kwargs: Any) -> Any:
        """See `grpc.Channel.unary_stream`."""
        return self._channel.unary_stream(*args, **kwargs)

    def stream_unary(self, *args: Any, **kwargs: Any) -> Any:
        """See `grpc.Channel.stream_unary`."""
        return self._channel.stream_unary(*args, **kwargs)

    def stream_stream(self, *args: Any, **kwargs: Any) -> Any:
        """See `grpc.Channel.stream_stream`."""
        return self._channel.stream_stream(*args, **kwargs)

    def close(self) -> None:
        """Close the channel and its connection; idempotent."""
        self._on_close(self.close)
        self._channel.close()
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


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
            return
        threading.Thread(
            target=self._receive,
            args=(request_iterator, stream),
            name="goplugin-broker",
            daemon=True,
        ).start()
        yield from iter(stream.get, None)

    def _receive(
        self,
        requests: Iterator[ConnInfo],
        stream: queue.SimpleQueue[ConnInfo | None],
    ) -> None:
        # grpcio reports a lost host by an exception from the iterator.
        with contextlib.suppress(grpc.RpcError, Exception):
            for info in requests:
                self._broker.receive(info)
        self._broker.detach(stream)


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
        try:
            for info in self._call:
                self._broker.receive(info)
        except grpc.RpcError as exc:
            # The link has ended, or the plugin has no broker.
            _log.debug("the broker's stream ended: %s", exc)
        self._broker.detach(self._queue)

    def close(self, timeout: float) -> None:
        """End the stream."""
        self._queue.put(None)
        self._call.cancel()
        self._thread.join(timeout)
