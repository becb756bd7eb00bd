"""A gRPC server in which the control plane never waits for the user's calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import grpc

from goplugin_py.callables import is_async
from goplugin_py.errors import ConfigError
from goplugin_py.services.channel import SERVER_OPTIONS, merged
from goplugin_py.services.registration import (
    Handler,
    Registration,
    behaviour_of,
    replace_behaviour,
)
from goplugin_py.services.workers import Workers

# Cancelled calls end at once; this bounds the wait should grpcio be stuck.
STOP_TIMEOUT = 1.0

Interceptors = Sequence[grpc.ServerInterceptor]


class Server(Registration, grpc.Server):
    """A `grpc.Server` that remembers its services and places its handlers.

    The user's handlers run on `max_workers` threads.
    """

    def __init__(
        self,
        *,
        max_workers: int,
        options: Sequence[tuple[str, Any]] = (),
        interceptors: Interceptors = (),
    ) -> None:
        """Make a server that is neither bound nor started."""
        super().__init__()
        self._users = Workers(max_workers, "goplugin-worker")
        self._server = grpc.server(
            self._users,
            options=merged(SERVER_OPTIONS, options),
            interceptors=[_UsersOnly(each, self.own) for each in interceptors],
        )

    def place(self, handler: Handler, workers: Workers) -> Handler:
        """See `Registration.place`."""
        return replace_behaviour(handler, lambda each: _placed(each, workers))

    def add_registered_method_handlers(
        self, service_name: str, method_handlers: Mapping[str, Handler]
    ) -> None:
        """Register the user's handlers for fast look-up (grpcio's interface).

        Raises:
            ConfigError: They are coroutine functions, which nobody would await.
        """
        for name, handler in method_handlers.items():
            if is_async(behaviour_of(handler)):
                raise ConfigError(
                    f"{service_name}/{name} is a coroutine function: serve it with "
                    "goplugin_py.aio, or make it a plain one"
                )
        super().add_registered_method_handlers(service_name, method_handlers)

    def start(self) -> None:
        """Start to serve."""
        self._server.start()

    def stop(self, grace: float | None) -> Any:
        """Begin to stop (grpcio's interface); `close` does it whole."""
        return self._server.stop(grace)

    def close(self, grace: float) -> None:
        """Stop, cancelling calls after `grace` seconds; idempotent.

        Handlers can't be interrupted. One that goes on after its call was cancelled
        keeps a daemon thread and nothing else.
        """
        self._server.stop(grace).wait(grace + STOP_TIMEOUT)
        for workers in (self._users, self.streams, self.control):
            workers.shutdown()

    def wait_for_termination(self, timeout: float | None = None) -> bool:
        """Wait until the server has stopped (grpcio's interface)."""
        ended: bool = self._server.wait_for_termination(timeout)
        return ended


class _UsersOnly(grpc.ServerInterceptor):
    """Keeps a user's interceptor away from the services of ours."""

    def __init__(self, interceptor: grpc.ServerInterceptor, own: set[str]) -> None:
        if is_async(interceptor.intercept_service):
            raise ConfigError(
                f"{type(interceptor).__name__} is an interceptor for asyncio: serve "
                "with goplugin_py.aio, or make it a grpc.ServerInterceptor"
            )
        self._interceptor = interceptor
        self._own = own

    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Any],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        service = handler_call_details.method.split("/")[1]
        if service in self._own:
            return continuation(handler_call_details)
        return self._interceptor.intercept_service(continuation, handler_call_details)


def _placed(behaviour: Callable[..., Any], workers: Workers) -> Callable[..., Any]:
    """Return a handler that grpcio runs on `workers`."""

    def placed(request: Any, context: grpc.ServicerContext) -> Any:
        return behaviour(request, context)

    placed.experimental_thread_pool = workers  # type: ignore[attr-defined]
    return placed
