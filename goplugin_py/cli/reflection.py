"""What a plugin says about its services, over gRPC's reflection (v1alpha).

go-plugin: `GRPCServer.Init` registers it in every plugin.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import grpc
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

from goplugin_py.errors import PluginError

# For one question; the answers come from the plugin's memory.
TIMEOUT = 10.0


class NotDescribed(PluginError):
    """The plugin does not say anything about that."""


class Reflection:
    """The services and types of one plugin."""

    def __init__(self, channel: grpc.Channel) -> None:
        """Ask through a channel, when asked."""
        database = ProtoReflectionDescriptorDatabase(
            grpc.intercept_channel(channel, _Bounded())
        )
        self._database = database
        self.pool: Any = DescriptorPool(database)

    def services(self) -> list[str]:
        """Return the names of all services, sorted.

        Raises:
            NotDescribed: The plugin has no reflection.
        """
        try:
            return sorted(self._database.get_services())
        except grpc.RpcError as exc:
            if isinstance(exc, grpc.Call) and (
                exc.code() is grpc.StatusCode.UNIMPLEMENTED
            ):
                raise NotDescribed("the plugin has no reflection service") from exc
            raise

    def methods(self, service: str) -> list[MethodDescriptor]:
        """Return a service's methods, in the order of its .proto."""
        found = self._find(self.pool.FindServiceByName, service)
        return list(found.methods)

    def method(self, path: str) -> MethodDescriptor:
        """Return a method by `SERVICE/METHOD`, or with a dot.

        Raises:
            NotDescribed: There is none of that name.
        """
        service, _, name = path.lstrip("/").replace("/", ".").rpartition(".")
        if service not in self.services():
            known = ", ".join(self.services())
            raise NotDescribed(f"no service {service!r}; the plugin serves {known}")
        methods = {method.name: method for method in self.methods(service)}
        if name not in methods:
            known = ", ".join(methods)
            raise NotDescribed(f"{service} has no method {name!r}; it has {known}")
        return methods[name]

    def symbol(self, name: str) -> Any:
        """Return the descriptor of a service, a method, a message or an enum.

        Raises:
            NotDescribed: There is none of that name.
        """
        name = name.lstrip("/").replace("/", ".")
        self.services()  # whether there is reflection at all
        finders: tuple[Callable[[str], Any], ...] = (
            self.pool.FindServiceByName,
            self.pool.FindMessageTypeByName,
            self.pool.FindEnumTypeByName,
            self.pool.FindMethodByName,
        )
        for find in finders:
            try:
                return find(name)
            except KeyError:
                continue
        raise NotDescribed(f"the plugin knows no {name!r}")

    @staticmethod
    def _find(find: Callable[[str], Any], name: str) -> Any:
        try:
            return find(name)
        except (KeyError, TypeError) as exc:  # TypeError: what it sent does not fit
            raise NotDescribed(f"the plugin does not describe {name}") from exc


class _Details(NamedTuple):
    method: str
    timeout: float | None
    metadata: Any
    credentials: Any
    wait_for_ready: Any
    compression: Any


class _Bounded(grpc.StreamStreamClientInterceptor):
    """Gives each question a time limit, which the database's own client has not."""

    def intercept_stream_stream(
        self, continuation: Any, client_call_details: Any, request_iterator: Any
    ) -> Any:
        details = _Details(
            client_call_details.method,
            TIMEOUT,
            client_call_details.metadata,
            client_call_details.credentials,
            client_call_details.wait_for_ready,
            client_call_details.compression,
        )
        return continuation(details, request_iterator)
