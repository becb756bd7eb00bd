"""A grpc.aio server with the control plane of a plugin."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import grpc
import grpc.aio

from goplugin_py.aio.affinity import Affinity
from goplugin_py.aio.bridge import bridged
from goplugin_py.aio.poller import quiet_poller
from goplugin_py.aio.threads import wait_on
from goplugin_py.errors import ConfigError
from goplugin_py.services.channel import SERVER_OPTIONS, merged
from goplugin_py.services.registration import Handler, Registration
from goplugin_py.services.workers import Workers

# Cancelled calls end at once; this bounds the wait should a handler go on regardless.
STOP_TIMEOUT = 1.0
# A loop that runs gets to it in microseconds, one that the user blocks does not.
START_TIMEOUT = 30.0


class Server(Registration, grpc.aio.Server):
    """A `grpc.aio.Server` that remembers its services and places its handlers.

    The user's coroutine functions run on the loop, plain functions on `max_workers`
    threads.
    """

    def __init__(
        self,
        *,
        max_workers: int,
        options: Sequence[tuple[str, Any]] = (),
        interceptors: Sequence[Any] = (),
    ) -> None:
        """Make a server that is neither bound nor started, on the running loop."""
        super().__init__()
        self.loop = Affinity("a server").loop
        self._users = Workers(max_workers, "goplugin-worker")
        with quiet_poller(self.loop):
            self._server = grpc.aio.server(
                self._users,
                options=merged(SERVER_OPTIONS, options),
                interceptors=[_UsersOnly(each, self.own) for each in interceptors],
            )

    def place(self, handler: Handler, workers: Workers) -> Handler:
        """See `Registration.place`."""
        return bridged(handler, workers)

    async def start(self) -> None:
        """Start to serve."""
        await self._server.start()

    async def stop(self, grace: float | None) -> None:
        """Stop (grpcio's interface); `close` bounds it."""
        await self._server.stop(grace)

    async def close(self, grace: float) -> None:
        """Stop, cancelling calls after `grace` seconds; idempotent."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._server.stop(grace), grace + STOP_TIMEOUT)
        for workers in (self._users, self.streams, self.control):
            workers.shutdown()

    async def wait_for_termination(self, timeout: float | None = None) -> bool:
        """Wait until the server has stopped (grpcio's interface)."""
        ended: bool = await self._server.wait_for_termination(timeout)
        return ended


class BlockingServer:
    """A server as the core uses it, from its threads, while the loop runs."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.add_control = server.add_control
        self.add_streams = server.add_streams
        self.add_health_and_reflection = server.add_health_and_reflection
        self.add_insecure_port = server.add_insecure_port

    def start(self) -> None:
        """Start to serve."""
        wait_on(self.server.loop, self.server.start(), START_TIMEOUT)

    def close(self, grace: float) -> None:
        """Stop, cancelling calls after `grace` seconds; idempotent.

        A loop that has ended took its handlers along.
        """
        timeout = grace + 2 * STOP_TIMEOUT
        with contextlib.suppress(RuntimeError, TimeoutError):
            wait_on(self.server.loop, self.server.close(grace), timeout)


class _UsersOnly(grpc.aio.ServerInterceptor):
    """Keeps a user's interceptor away from the services of ours."""

    def __init__(self, interceptor: Any, own: set[str]) -> None:
        if not isinstance(interceptor, grpc.aio.ServerInterceptor):
            raise ConfigError(
                f"{type(interceptor).__name__} is no interceptor for asyncio: make it "
                "a grpc.aio.ServerInterceptor, or serve with goplugin_py.serve"
            )
        self._interceptor = interceptor
        self._own = own

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        if handler_call_details.method.split("/")[1] in self._own:
            return await continuation(handler_call_details)
        return await self._interceptor.intercept_service(
            continuation, handler_call_details
        )
