"""The instances of a plugin of which one process serves many mounts or databases."""

import threading
from typing import Generic, TypeVar

import grpc
from vault import MULTIPLEX_ID
from vault_pb.multiplexing_pb2 import (
    MultiplexingSupportRequest,
    MultiplexingSupportResponse,
)
from vault_pb.multiplexing_pb2_grpc import PluginMultiplexingServicer

T = TypeVar("T")

# Of the only instance, where there is one per process.
SINGLE = "single"


class Instances(PluginMultiplexingServicer, Generic[T]):
    """What there is by the name that the server sends with each call.

    Methods that find a call to be wrong end it with a status.
    """

    def __init__(self, *, multiplexed: bool) -> None:
        self._multiplexed = multiplexed
        self._found: dict[str, T] = {}
        self._lock = threading.Lock()  # guards what is found

    def MultiplexingSupport(
        self, request: MultiplexingSupportRequest, context: grpc.ServicerContext
    ) -> MultiplexingSupportResponse:
        return MultiplexingSupportResponse(supported=self._multiplexed)

    def name(self, context: grpc.ServicerContext) -> str:
        """Return which instance a call is for."""
        if not self._multiplexed:
            return SINGLE
        metadata = context.invocation_metadata()
        names = [value for key, value in metadata if key == MULTIPLEX_ID]
        if len(names) != 1 or not names[0]:
            context.abort(
                grpc.StatusCode.INVALID_ARGUMENT,
                f"each call needs one {MULTIPLEX_ID} in its metadata, not {names}",
            )
        return str(names[0])

    def get(self, context: grpc.ServicerContext) -> T:
        """Return the instance that a call is for."""
        name = self.name(context)
        with self._lock:
            instance = self._found.get(name)
        if instance is None:
            context.abort(
                grpc.StatusCode.FAILED_PRECONDITION, "there is no such instance"
            )
        return instance

    def put(self, context: grpc.ServicerContext, instance: T) -> T | None:
        """Keep an instance under the name in a call; return the one it replaces."""
        name = self.name(context)
        with self._lock:
            replaced = self._found.get(name)
            self._found[name] = instance
        return replaced

    def remove(self, context: grpc.ServicerContext) -> T | None:
        """Forget the instance that a call is for, if there is one, and return it."""
        name = self.name(context)
        with self._lock:
            return self._found.pop(name, None)
