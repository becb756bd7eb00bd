"""A link in one connection: every gRPC connection is a stream of a yamux session.

Streams carry what sockets carry otherwise, TLS included. The main connection's stream
is opened without a word; those of the broker are announced by a knock (go-plugin:
`GRPCBrokerMultiplex`).
"""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from goplugin_py.deadline import Deadline
from goplugin_py.errors import BrokerError, BrokerTimeout
from goplugin_py.net.dial import BACKLOG_RETRY
from goplugin_py.net.loop import READ, Timer, shared_loop
from goplugin_py.net.sockets import address_of, connect
from goplugin_py.services.connection import Binding, Connection, Place
from goplugin_py.services.relayed import Context, RelayedTransport
from goplugin_py.services.router import Router, Take, no_answer
from goplugin_py.services.transport import Listening

if TYPE_CHECKING:
    from goplugin_py._pb.broker_pb2 import ConnInfo
    from goplugin_py.net.multiplex import StreamEndpoint
    from goplugin_py.net.relay import Relay
    from goplugin_py.services.connection import Bindable, Served
    from goplugin_py.services.exchange import Send
    from goplugin_py.services.router import Done
    from goplugin_py.wire.address import Address

# go-plugin's plugins give up on a host that has not connected within this
# (GRPCServerMuxer.session).
CONNECT_TIMEOUT = 5.0
LOOP_TIMEOUT = 5.0  # the loop answers at once, unless the process is starved

_log = logging.getLogger("goplugin.multiplex")


class MultiplexTransport(RelayedTransport):
    """A transport whose connections are streams of one session."""

    def __init__(
        self,
        *,
        client_context: Context | None = None,
        server_context: Context | None = None,
        listening: Listening | None = None,
        on_end: Callable[[], None] | None = None,
    ) -> None:
        """Prepare; see `RelayedTransport`.

        Args:
            client_context: For what we dial.
            server_context: For what we listen on.
            listening: Where to make the one socket.
            on_end: Called on the loop's thread when a host has hung up.
        """
        super().__init__(
            client_context=client_context,
            server_context=server_context,
            listening=listening,
        )
        self.router = Router()
        self._on_end = on_end

    def connect(self, address: Address) -> Connection:
        """Connect to a plugin at once, and return what reaches its main server."""
        sock = connect(address, CONNECT_TIMEOUT)
        router = self.router
        try:
            run(lambda: router.begin(sock, is_client=True, default=None, on_end=None))
        except BaseException:
            sock.close()
            raise
        return self._relayed(router.open)

    def bind(self, server: Bindable) -> Binding:
        """Listen for the one connection of a host; its streams reach `server`."""
        relay = self._relay_to(server, None)
        listener = self._listen()
        acceptor = _Acceptor(listener, lambda sock: self._begin(sock, relay.take))
        address = address_of(listener)
        shared_loop().call_soon(acceptor.start)

        def close() -> None:
            run(acceptor.close)
            relay.close()

        return Binding(address, close)

    def _begin(self, sock: socket.socket, take: Take) -> None:
        self.router.begin(sock, is_client=False, default=take, on_end=self._on_end)

    def serve(self, service_id: int, server: Served) -> Place:
        """Serve what is knocked for under an id."""
        relay = self._relay_to(server, None)
        try:
            server.start()
            return _Route(self.router, service_id, relay)
        except BaseException:
            relay.close()
            raise

    def dial(self, service_id: int, stream: StreamEndpoint) -> Connection:
        """Return what reaches an id; its first connection has its stream already."""
        first = _First(self.router, service_id, stream)
        try:
            return _KnockedConnection(self._relayed(first.dial), first)
        except BaseException:
            run(first.close)
            raise

    def exchange(self) -> MultiplexExchange:
        """Return how the broker finds the other side."""
        return MultiplexExchange(self)

    def close(self) -> None:
        """End the session, and remove the private directory; idempotent."""
        try:
            run(self.router.close)
        finally:
            super().close()


class MultiplexExchange:
    """Knocks, instead of sockets and their addresses; an `Exchange`."""

    def __init__(self, transport: MultiplexTransport) -> None:
        self._transport = transport
        self._router = transport.router

    def start(self, send: Send) -> None:
        """See `Exchange.start`."""
        self._router.send = send

    def dial(self, service_id: int, deadline: Deadline) -> Connection:
        """See `Exchange.dial`. Knocks at once: only the answer tells who is there."""
        while True:
            try:
                stream = _Knock(self._router, service_id).wait(deadline)
            except BrokerTimeout:
                if deadline.expired:
                    raise
                # One knock has an end of its own; the other side may yet come.
            else:
                return self._transport.dial(service_id, stream)

    def serve(self, service_id: int, server: Served) -> Place:
        """See `Exchange.serve`."""
        return self._transport.serve(service_id, server)

    def receive(self, info: ConnInfo) -> None:
        """See `Exchange.receive`."""
        router = self._router
        shared_loop().call_soon(lambda: router.receive(info))

    def close(self, reason: str) -> None:
        """See `Exchange.close`."""
        run(lambda: self._router.give_up_all(reason))

    def remove_stale(self) -> None:
        """See `Exchange.remove_stale`; here are none."""


class _Route:
    """Where an id leads to as long as it is accepted; a `Place`."""

    def __init__(self, router: Router, service_id: int, relay: Relay) -> None:
        self._router = router
        self._service_id = service_id
        self._relay = relay
        run(lambda: router.accept(service_id, relay.take))

    def was_used(self) -> bool:
        """See `Place.was_used`."""
        return self._relay.was_used

    def is_in_use(self) -> bool:
        """See `Place.is_in_use`."""
        return self._relay.is_in_use

    def close(self) -> None:
        """See `Place.close`."""
        run(lambda: self._router.withdraw(self._service_id, self._relay.take))
        self._relay.close()


class _Knock:
    """One knock, awaited by a thread."""

    def __init__(self, router: Router, service_id: int) -> None:
        self._service_id = service_id
        self._answered = threading.Event()
        self._stream: StreamEndpoint | None = None
        self._failure: Exception | None = None
        self._give_up: Callable[[], None] = lambda: None
        run(lambda: self._begin(router))

    def _begin(self, router: Router) -> None:
        self._give_up = router.dial(self._service_id, self._done)

    def _done(self, stream: StreamEndpoint | None, failure: Exception | None) -> None:
        self._stream, self._failure = stream, failure
        self._answered.set()

    def wait(self, deadline: Deadline) -> StreamEndpoint:
        """Return the stream.

        Raises:
            BrokerError: There is none.
        """
        with deadline.waking(self._answered.set):
            self._answered.wait(deadline.remaining())
        if self._stream is None and self._failure is None:
            run(self._give_up)
            self._failure = None if self._stream else no_answer(self._service_id)
        if self._stream is not None:
            return self._stream
        if isinstance(self._failure, BrokerError):
            raise self._failure
        raise BrokerError(f"service id {self._service_id}: {self._failure}")


class _First:
    """The stream that a dial has opened, kept for the first connection.

    On the loop's thread, as all that has to do with streams.
    """

    def __init__(self, router: Router, service_id: int, stream: StreamEndpoint) -> None:
        self._router = router
        self._service_id = service_id
        self._stream: StreamEndpoint | None = stream

    def dial(self, done: Done) -> Callable[[], None]:
        """Give the stream away, or knock again; a `goplugin_py.net.dial.Dial`."""
        # A server waits for a connection's first bytes, but not for ever.
        if self._stream is None or self._stream.has_ended:
            self.close()
            return self._router.dial(self._service_id, done)
        stream, self._stream = self._stream, None
        done(stream, None)
        return lambda: None

    def close(self) -> None:
        """Reset a stream that nobody took; idempotent."""
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close(reset=True)


class _KnockedConnection(Connection):
    """A relayed connection together with its first stream."""

    def __init__(self, relayed: Connection, first: _First) -> None:
        super().__init__(relayed.address)
        self._relayed = relayed
        self._first = first

    @property
    def failure(self) -> Exception | None:
        """See `Connection.failure`."""
        return self._relayed.failure

    def close(self) -> None:
        """See `Connection.close`."""
        self._relayed.close()
        run(self._first.close)


class _Acceptor:
    """Accepts one connection, as go-plugin's `GRPCServerMuxer`, and no more."""

    def __init__(
        self, listener: socket.socket, take: Callable[[socket.socket], None]
    ) -> None:
        self._listener = listener
        self._take = take
        self._retry: Timer | None = None

    def start(self) -> None:
        """Begin; on the loop's thread, as all else."""
        self._listener.setblocking(False)
        shared_loop().watch(self._listener, READ, self._accept)

    def _accept(self, _events: int) -> None:
        try:
            sock, _ = self._listener.accept()
        except OSError as exc:
            # As in a relay: descriptors may have run out, and the listener stays ready.
            _log.warning("could not accept: %s", exc)
            shared_loop().forget(self._listener)
            self._retry = shared_loop().call_later(BACKLOG_RETRY, self.start)
            return
        self.close()
        self._take(sock)

    def close(self) -> None:
        """Stop listening; idempotent."""
        if self._retry is not None:
            self._retry.cancel()
        shared_loop().forget(self._listener)
        self._listener.close()


def run(call: Callable[[], None]) -> None:
    """Make a call on the loop's thread, and wait for it.

    Raises:
        BrokerError: Something holds that thread up.
    """
    try:
        shared_loop().run(call, LOOP_TIMEOUT)
    except TimeoutError as exc:
        raise BrokerError(
            f"the thread that moves all bytes did nothing for {LOOP_TIMEOUT:g} s: "
            "the process is starved of CPU time, or was stopped"
        ) from exc
