"""Controller, health and reflection, as every go-plugin server has them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import grpc

from goplugin_py._pb.controller_pb2 import Empty
from goplugin_py._pb.controller_pb2_grpc import GRPCControllerServicer

if TYPE_CHECKING:
    from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

SERVICE = "plugin"  # go-plugin: GRPCServiceName
_HEALTH = "grpc.health.v1.Health"
_REFLECTIONS = (
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
)


class Controller(GRPCControllerServicer):
    """Ends the plugin when its host asks (go-plugin: `grpcControllerServer`)."""

    def __init__(self, shutdown: Callable[[], None]) -> None:
        """Prepare.

        Args:
            shutdown: Called once the host asks; returns when the answer may go out.
        """
        self._shutdown = shutdown

    def Shutdown(self, request: Empty, context: grpc.ServicerContext) -> Empty:
        """Begin to shut down."""
        self._shutdown()
        return Empty()


class LazyServices(grpc.GenericRpcHandler):
    """Health and reflection, imported at the first call that needs them.

    A plugin must print its handshake soon, and many hosts call neither.
    """

    def __init__(
        self,
        services: Callable[[], Iterable[str]],
        place: Callable[[Any], Any],
    ) -> None:
        """Prepare.

        Args:
            services: Names the services of the server, when asked.
            place: Moves a handler to workers that are not the user's.
        """
        self._services = services
        self._place = place
        self._handlers: dict[str, grpc.GenericRpcHandler] = {}

    NAMES = (_HEALTH, *_REFLECTIONS)

    def service(
        self, handler_call_details: grpc.HandlerCallDetails
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        """Find the handler of a method (grpcio's interface)."""
        name = handler_call_details.method.split("/")[1]
        if name not in self.NAMES:
            return None
        if name not in self._handlers:
            make = self._health if name == _HEALTH else self._reflection
            self._handlers[name] = make(name)
        return self._handlers[name].service(handler_call_details)

    def _health(self, name: str) -> grpc.GenericRpcHandler:
        from grpc_health.v1 import health, health_pb2

        class Health(health.HealthServicer):
            def Check(
                self, request: HealthCheckRequest, context: grpc.ServicerContext
            ) -> HealthCheckResponse:
                response = super().Check(request, context)
                if response.status == health_pb2.HealthCheckResponse.UNKNOWN:
                    context.set_details("unknown service")  # grpc-go's words
                return response

        servicer = Health()
        servicer.set(SERVICE, health_pb2.HealthCheckResponse.SERVING)
        return self._generic_handler(
            name,
            {
                "Check": grpc.unary_unary_rpc_method_handler(
                    servicer.Check,
                    request_deserializer=health_pb2.HealthCheckRequest.FromString,
                    response_serializer=_serialize,
                ),
                "Watch": grpc.unary_stream_rpc_method_handler(
                    servicer.Watch,
                    request_deserializer=health_pb2.HealthCheckRequest.FromString,
                    response_serializer=_serialize,
                ),
            },
        )

    def _reflection(self, name: str) -> grpc.GenericRpcHandler:
        # Both versions have the same messages under different names.
        from grpc_reflection.v1alpha import reflection, reflection_pb2

        servicer = reflection.ReflectionServicer(self._services(), pool=_Pools())
        return self._generic_handler(
            name,
            {
                "ServerReflectionInfo": grpc.stream_stream_rpc_method_handler(
                    servicer.ServerReflectionInfo,
                    request_deserializer=(
                        reflection_pb2.ServerReflectionRequest.FromString
                    ),
                    response_serializer=_serialize,
                )
            },
        )

    def _generic_handler(
        self, name: str, methods: dict[str, grpc.RpcMethodHandler[Any, Any]]
    ) -> grpc.GenericRpcHandler:
        placed = {method: self._place(handler) for method, handler in methods.items()}
        return grpc.method_handlers_generic_handler(name, placed)


class _Pools:
    """Our private descriptors and the user's, as one pool for reflection."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def find(*args: Any) -> Any:
            for pool in _pools():
                try:
                    return getattr(pool, name)(*args)
                except KeyError:
                    continue
            raise KeyError(args)

        return find


def _pools() -> Iterator[Any]:
    from google.protobuf import descriptor_pool
    from grpc_health.v1 import health_pb2

    from goplugin_py._pb import broker_pb2, controller_pb2, stdio_pb2
    from goplugin_py._pb._private import POOL

    # Importing them fills the pools.
    del broker_pb2, controller_pb2, health_pb2, stdio_pb2
    yield POOL
    yield descriptor_pool.Default()


def _serialize(message: Any) -> bytes:
    data: bytes = message.SerializeToString()
    return data
