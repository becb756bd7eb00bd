"""The broker for asyncio: grpc.aio's channels and servers on the same connections."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self

import grpc.aio

from goplugin_py.aio.affinity import Affinity, awaited
from goplugin_py.aio.channel import Channel
from goplugin_py.aio.server import BlockingServer, Server
from goplugin_py.aio.threads import in_thread
from goplugin_py.callables import check_callable
from goplugin_py.deadline import Deadline
from goplugin_py.errors import BrokerError
from goplugin_py.services.broker import (
    BROKER_TIMEOUT,
    BROKERED_WORKERS,
    LinkBroker,
)
from goplugin_py.services.connection import Connection


class Broker:
    """Opens connections beside the main one; both sides have one, on their loop.

    The two sides pass ids to each other inside their own messages. Ids of the two
    directions do not clash.
    """

    def __init__(
        self, core: LinkBroker, options: Sequence[tuple[str, Any]] = ()
    ) -> None:
        """Prepare; on the loop that it will be used on.

        Args:
            core: What it opens connections with.
            options: Channel options for what is dialled.
        """
        self._core = core
        self._options = options
        self._affinity = Affinity("this broker")
        self._channels: set[Channel] = set()
        self._is_closed = False

    def next_id(self) -> int:
        """Return an id that this side has not used yet."""
        return self._core.next_id()

    async def dial(
        self, service_id: int, *, timeout: float = BROKER_TIMEOUT
    ) -> grpc.aio.Channel:
        """Connect to what the other side serves under `service_id`.

        Waits until the other side is there. Closing the channel ends the connection.

        Raises:
            BrokerTimeout: The other side did not come within `timeout` seconds.
            KnockRejected: The other side has stopped to serve the id. Multiplexed
                links tell so at once, unless it is Go that has stopped it.
            BrokerError: The link is closed, or the other side's address is unusable.
        """
        self._check()
        deadline = Deadline(timeout)
        connection = await in_thread(
            lambda: self._core.connect(service_id, deadline),
            f"dial-{service_id}",
            abort=deadline.abort,
            undo=Connection.close,
        )
        return self._open(service_id, connection)

    def _open(self, service_id: int, connection: Connection) -> Channel:
        async def hang_up(channel: Channel) -> None:
            self._channels.discard(channel)
            self._core.forget(connection.close)
            await in_thread(connection.close, f"hang-up-{service_id}")

        try:
            channel = Channel(connection.target, self._options, _closed, hang_up)
        except BaseException:  # options that grpcio refuses
            connection.close()
            raise
        self._core.remember(connection.close)
        self._channels.add(channel)
        channel.get_state(try_to_connect=True)  # as the blocking broker does
        return channel

    async def accept_and_serve(
        self,
        service_id: int,
        register: Callable[[grpc.aio.Server], Any],
        *,
        timeout: float | None = BROKER_TIMEOUT,
    ) -> BrokeredServer:
        """Serve under `service_id`; return without waiting for a dial.

        The server ends with the link, if not before.

        Args:
            service_id: From `next_id`, or agreed on in some other way.
            register: Adds servicers to the server that it is given; may be a coroutine
                function.
            timeout: Seconds in which somebody must connect, or else the server is
                stopped, with a warning; None waits as long as the link lives.

        Raises:
            BrokerError: The link is closed.
        """
        self._check()
        check_callable(register, "register")
        server = Server(max_workers=BROKERED_WORKERS)
        await awaited(register(server))
        blocking = BlockingServer(server)
        stop = await in_thread(
            lambda: self._core.serve(service_id, blocking, timeout),
            f"serve-{service_id}",
            undo=lambda stop: stop(0.0),
        )
        return BrokeredServer(service_id, stop)

    def _check(self) -> None:
        if self._is_closed:
            raise BrokerError("the broker is closed")
        self._affinity.check()

    async def close(self) -> None:
        """Close all channels that were dialled; the core stops what is served."""
        self._is_closed = True
        await asyncio.gather(*(channel.close() for channel in self._channels))


class BrokeredServer:
    """What `accept_and_serve` started; a context manager that stops it."""

    def __init__(self, service_id: int, stop: Callable[[float], None]) -> None:
        self.service_id = service_id
        """The id that the other side dials."""
        self._stop = stop

    async def stop(self, grace: float = 0.0) -> None:
        """Stop, and remove the socket; calls get `grace` seconds. Idempotent."""
        await in_thread(lambda: self._stop(grace), f"stop-{self.service_id}")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stop()


def _closed() -> BrokerError:
    return BrokerError("this channel was closed: dial again for another one")
