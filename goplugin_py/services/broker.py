"""The broker: further connections of a link, in either direction.

Both sides exchange messages over one stream, which the host opens (go-plugin:
`GRPCBroker`). How these bring two sides together is the exchange's business: by
addresses of sockets, or by knocks where all is multiplexed in one connection.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Any, Protocol, Self

import grpc

from goplugin_py._pb.broker_pb2 import ConnInfo
from goplugin_py._pb.broker_pb2_grpc import GRPCBrokerServicer, GRPCBrokerStub
from goplugin_py.callables import check_callable, refuse_coroutine
from goplugin_py.deadline import Deadline
from goplugin_py.errors import BrokerError
from goplugin_py.services.channel import connect_soon, open_channel
from goplugin_py.services.connection import Connection, Served
from goplugin_py.services.exchange import Exchange
from goplugin_py.services.server import Server

BROKER_TIMEOUT = 5.0  # go-plugin: GRPCBroker.Dial, timeoutWait
MAX_SERVICE_ID = 2**32 - 1
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
        self._lock = threading.Lock()  # guards all below
        self._stream: queue.SimpleQueue[ConnInfo | None] | None = None
        self._unsent: list[ConnInfo] = []
        self._open: set[Callable[[], None]] = set()
        self._is_closed = False
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
        timeout: float = BROKER_TIMEOUT,
    ) -> BrokeredServer:
        """See `Broker.accept_and_serve`."""
        self._check_open()
        check_callable(register, "register")
        server = Server(max_workers=BROKERED_WORKERS)
        refuse_coroutine(register(server), "register")
        return BrokeredServer(service_id, self.serve(service_id, server))

    def serve(self, service_id: int, server: Served) -> Callable[[float], None]:
        """Serve under an id; return what stops that, given a grace in seconds."""
        try:
            self._check_open()
            unserve = self._exchange.serve(service_id, server)
        except BaseException:
            server.close(0.0)
            raise
        once = threading.Lock()

        def stop(grace: float = 0.0) -> None:
            if once.acquire(blocking=False):
                self.forget(stop)
                server.close(grace)
                unserve()

        self.remember(stop)
        return stop

    def _check_open(self) -> None:
        with self._lock:
            if self._is_closed:
                raise BrokerError("the broker is closed")

    def receive(self, info: ConnInfo) -> None:
        """Take a message from the other side's stream."""
        self._exchange.receive(info)

    def attach(self) -> queue.SimpleQueue[ConnInfo | None]:
        """Return the queue of a new stream; what is sent from now on goes there.

        None in the queue ends the stream.
        """
        stream: queue.SimpleQueue[ConnInfo | None] = queue.SimpleQueue()
        with self._lock:
            for info in self._unsent:
                stream.put(info)
            self._unsent.clear()
            self._stream = stream
        return stream

    def detach(self, stream: queue.SimpleQueue[ConnInfo | None]) -> None:
        """Forget a stream that has ended."""
        with self._lock:
            if self._stream is stream:
                self._stream = None
        stream.put(None)

    def _send(self, info: ConnInfo) -> None:
        with self._lock:
            if self._stream is not None:
                self._stream.put(info)
            elif not self._is_closed:
                self._unsent.append(info)

    def remember(self, close: Callable[[], None]) -> None:
        """Let `close` be called when the broker is closed; at once if it is.

        Raises:
            BrokerError: It is closed.
        """
        with self._lock:
            if not self._is_closed:
                self._open.add(close)
                return
        close()
        raise BrokerError("the broker is closed")

    def forget(self, close: Callable[[], None]) -> None:
        """Undo `remember`."""
        with self._lock:
            self._open.discard(close)

    def close(self) -> None:
        """Stop all that was dialled or served; idempotent."""
        with self._lock:
            self._is_closed = True
            stream, self._stream = self._stream, None
            to_close, self._open = self._open, set()
        self._exchange.close()
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
