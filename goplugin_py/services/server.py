"""A gRPC server in which the control plane never waits for the user's calls."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import grpc

from goplugin_py.services.channel import SERVER_OPTIONS, merged
from goplugin_py.services.control import LazyServices
from goplugin_py.services.workers import Workers

# One host holds two streams open for its whole life: stdio and broker. The rest is
# for hosts that attach later, and for tools.
MAX_STREAMS = 64
CONTROL_WORKERS = 4
# Cancelled calls end at once; this bounds the wait should grpcio be stuck.
STOP_TIMEOUT = 1.0

Interceptors = Sequence[grpc.ServerInterceptor]


class Server(grpc.Server):
    """A `grpc.Server` that remembers its services and places its handlers.

    The user's handlers run on `max_workers` threads. Ours run on threads of their
    own, because a stream holds its thread for as long as it is open, and they are
    out of reach of the user's interceptors.
    """

    def __init__(
        self,
        *,
        max_workers: int,
        options: Sequence[tuple[str, Any]] = (),
        interceptors: Interceptors = (),
    ) -> None:
        """Make a server that is neither bound nor started."""
        self._users = Workers(max_workers, "goplugin-worker")
        self._streams = Workers(MAX_STREAMS, "goplugin-stream")
        self._control = Workers(CONTROL_WORKERS, "goplugin-control")
        self._own: set[str] = set(LazyServices.NAMES)
        self._services: list[str] = []
        self._server = grpc.server(
            self._users,
            options=merged(SERVER_OPTIONS, options),
            interceptors=[_UsersOnly(each, self._own) for each in interceptors],
        )

    def add_control(self, add_to_server: Callable[..., None], servicer: object) -> None:
        """Register a servicer of ours whose calls are short."""
        self._add_own(add_to_server, servicer, self._control)

    def add_streams(self, add_to_server: Callable[..., None], servicer: object) -> None:
        """Register a servicer of ours whose calls stay open."""
        self._add_own(add_to_server, servicer, self._streams)

    def add_health_and_reflection(self) -> None:
        """Register the services that are imported when they are first called."""
        lazy = LazyServices(
            lambda: [*self._services, *LazyServices.NAMES],
            lambda behaviour: _placed(behaviour, self._streams),
        )
        self._server.add_generic_rpc_handlers((lazy,))

    def _add_own(
        self, add_to_server: Callable[..., None], servicer: object, workers: Workers
    ) -> None:
        add_to_server(servicer, _Placer(self, workers))

    def add_own_handlers(
        self, service: str, handlers: dict[str, grpc.RpcMethodHandler[Any, Any]]
    ) -> None:
        """Register handlers that interceptors do not see."""
        self._own.add(service)
        self._services.append(service)
        handler = grpc.method_handlers_generic_handler(service, handlers)
        self._server.add_generic_rpc_handlers((handler,))

    def add_generic_rpc_handlers(
        self, generic_rpc_handlers: Iterable[grpc.GenericRpcHandler]
    ) -> None:
        """Register the user's handlers (grpcio's interface)."""
        for handler in generic_rpc_handlers:
            if isinstance(handler, grpc.ServiceRpcHandler):
                name = handler.service_name()
                self._services.append(name)
        self._server.add_generic_rpc_handlers(generic_rpc_handlers)

    def add_registered_method_handlers(
        self,
        service_name: str,
        method_handlers: Mapping[str, grpc.RpcMethodHandler[Any, Any]],
    ) -> None:
        """Register the user's handlers for fast look-up (grpcio's interface)."""
        self._server.add_registered_method_handlers(service_name, method_handlers)

    def add_insecure_port(self, address: str) -> int:
        """Bind (grpcio's interface)."""
        return self._server.add_insecure_port(address)

    def add_secure_port(
        self, address: str, server_credentials: grpc.ServerCredentials
    ) -> int:
        """Bind with grpcio's own TLS (grpcio's interface)."""
        return self._server.add_secure_port(address, server_credentials)

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
        for workers in (self._users, self._streams, self._control):
            workers.shutdown()

    def wait_for_termination(self, timeout: float | None = None) -> bool:
        """Wait until the server has stopped (grpcio's interface)."""
        return self._server.wait_for_termination(timeout)


class _Placer:
    """Takes the place of a server in a generated `add_…_to_server`."""

    def __init__(self, server: Server, workers: Workers) -> None:
        self._server = server
        self._workers = workers

    def add_generic_rpc_handlers(self, handlers: object) -> None:
        """Leave the handlers to the call that knows the methods' names."""

    def add_registered_method_handlers(
        self, service: str, handlers: dict[str, grpc.RpcMethodHandler[Any, Any]]
    ) -> None:
        placed = {
            name: _place_handler(handler, self._workers)
            for name, handler in handlers.items()
        }
        self._server.add_own_handlers(service, placed)


class _UsersOnly(grpc.ServerInterceptor):
    """Keeps a user's interceptor away from the services of ours."""

    def __init__(self, interceptor: grpc.ServerInterceptor, own: set[str]) -> None:
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


_BEHAVIOURS = ("unary_unary", "unary_stream", "stream_unary", "stream_stream")


def _place_handler(handler: Any, workers: Workers) -> Any:
    for name in _BEHAVIOURS:
        behaviour = getattr(handler, name)
        if behaviour is not None:
            return handler._replace(**{name: _placed(behaviour, workers)})
    return handler


def _placed(behaviour: Callable[..., Any], workers: Workers) -> Callable[..., Any]:
    """Return a handler that grpcio runs on `workers`."""

    def placed(request: Any, context: grpc.ServicerContext) -> Any:
        return behaviour(request, context)

    placed.experimental_thread_pool = workers  # type: ignore[attr-defined]
    return placed
