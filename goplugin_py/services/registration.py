"""What the servers of both kinds share: which services are whose."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import grpc

from goplugin_py.services.control import LazyServices
from goplugin_py.services.workers import Workers

# One host holds two streams open for its whole life: stdio and broker. The rest is
# for hosts that attach later, and for tools.
MAX_STREAMS = 64
CONTROL_WORKERS = 4

Handler = Any  # grpc.RpcMethodHandler, whose types say nothing of its fields


class Registration:
    """Takes the user's services and ours, and remembers which are which.

    Ours run on threads of their own, because a stream holds its thread for as long as
    it is open, and they are out of reach of the user's interceptors.
    """

    def __init__(self) -> None:
        self.streams = Workers(MAX_STREAMS, "goplugin-stream")
        self.control = Workers(CONTROL_WORKERS, "goplugin-control")
        self.own: set[str] = set(LazyServices.NAMES)
        """The services that are ours."""
        self._services: list[str] = []
        self._server: Any = None  # grpcio's own, which the heir makes

    def place(self, handler: Handler, workers: Workers) -> Handler:
        """Return a handler of ours as one that runs on `workers`."""
        raise NotImplementedError

    def add_control(self, add_to_server: Callable[..., None], servicer: object) -> None:
        """Register a servicer of ours whose calls are short."""
        add_to_server(servicer, _Placer(self, self.control))

    def add_streams(self, add_to_server: Callable[..., None], servicer: object) -> None:
        """Register a servicer of ours whose calls stay open."""
        add_to_server(servicer, _Placer(self, self.streams))

    def add_health_and_reflection(self) -> None:
        """Register the services that are imported when they are first called."""
        lazy = LazyServices(
            lambda: [*self._services, *LazyServices.NAMES],
            lambda handler: self.place(handler, self.streams),
        )
        self._server.add_generic_rpc_handlers((lazy,))

    def add_own_handlers(self, service: str, handlers: Mapping[str, Handler]) -> None:
        """Register handlers that interceptors do not see."""
        self.own.add(service)
        self._services.append(service)
        handler = grpc.method_handlers_generic_handler(service, dict(handlers))
        self._server.add_generic_rpc_handlers((handler,))

    def add_generic_rpc_handlers(
        self, generic_rpc_handlers: Iterable[grpc.GenericRpcHandler]
    ) -> None:
        """Register the user's handlers (grpcio's interface)."""
        handlers = tuple(generic_rpc_handlers)
        for handler in handlers:
            if isinstance(handler, grpc.ServiceRpcHandler):
                self._services.append(handler.service_name())
        self._server.add_generic_rpc_handlers(handlers)

    def add_registered_method_handlers(
        self, service_name: str, method_handlers: Mapping[str, Handler]
    ) -> None:
        """Register the user's handlers for fast look-up (grpcio's interface)."""
        self._server.add_registered_method_handlers(service_name, method_handlers)

    def add_insecure_port(self, address: str) -> int:
        """Bind (grpcio's interface)."""
        port: int = self._server.add_insecure_port(address)
        return port

    def add_secure_port(
        self, address: str, server_credentials: grpc.ServerCredentials
    ) -> int:
        """Bind with grpcio's own TLS (grpcio's interface)."""
        port: int = self._server.add_secure_port(address, server_credentials)
        return port


class _Placer:
    """Takes the place of a server in a generated `add_…_to_server`."""

    def __init__(self, registration: Registration, workers: Workers) -> None:
        self._registration = registration
        self._workers = workers

    def add_generic_rpc_handlers(self, handlers: object) -> None:
        """Leave the handlers to the call that knows the methods' names."""

    def add_registered_method_handlers(
        self, service: str, handlers: Mapping[str, Handler]
    ) -> None:
        placed = {
            name: self._registration.place(handler, self._workers)
            for name, handler in handlers.items()
        }
        self._registration.add_own_handlers(service, placed)


_BEHAVIOURS = ("unary_unary", "unary_stream", "stream_unary", "stream_stream")


def replace_behaviour(handler: Handler, replace: Callable[[Any], Any]) -> Handler:
    """Return a handler with another function in it."""
    for name in _BEHAVIOURS:
        behaviour = getattr(handler, name)
        if behaviour is not None:
            return handler._replace(**{name: replace(behaviour)})
    return handler


def behaviour_of(handler: Handler) -> Callable[..., Any] | None:
    """Return the function in a handler."""
    found = (getattr(handler, name) for name in _BEHAVIOURS)
    return next((each for each in found if each is not None), None)
