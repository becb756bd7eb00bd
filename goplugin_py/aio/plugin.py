"""`Plugin` with the types of asyncio's channels and servers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from goplugin_py.callables import check_callable
from goplugin_py.plugin import AnyPlugin

if TYPE_CHECKING:
    import grpc.aio

    from goplugin_py.aio.broker import Broker


class Plugin(AnyPlugin):
    """One kind of plugin (go-plugin: `GRPCPlugin`), for asyncio.

    Both methods may be coroutine functions. A `goplugin_py.Plugin` does as well, and
    only its types are those of the other kind.
    """

    def grpc_server(
        self, broker: Broker, server: grpc.aio.Server
    ) -> Awaitable[None] | None:
        """Register the implementation on a plugin's server.

        Args:
            broker: For connections of one's own beside the main one.
            server: Takes servicers through the generated `add_…_to_server`.
        """
        raise NotImplementedError(
            f"{type(self).__name__} has no server side: override grpc_server()"
        )

    def grpc_client(self, broker: Broker, channel: grpc.aio.Channel) -> Any:
        """Build what `Client.dispense` returns.

        Args:
            broker: For connections of one's own beside the main one.
            channel: Connected to the plugin.
        """
        raise NotImplementedError(
            f"{type(self).__name__} has no client side: override grpc_client()"
        )

    @staticmethod
    def from_stub(stub_class: Callable[[grpc.aio.Channel], Any]) -> Plugin:
        """Return a host-side plugin whose `dispense` gives a generated stub.

        Raises:
            ConfigError: It can't be called.
        """
        check_callable(stub_class, "stub_class")
        return _StubPlugin(stub_class)

    @staticmethod
    def from_servicer(
        add_to_server: Callable[[Any, grpc.aio.Server], None], servicer: object
    ) -> Plugin:
        """Return a plugin-side plugin that serves one servicer.

        Args:
            add_to_server: The generated `add_…Servicer_to_server`.
            servicer: The implementation.

        Raises:
            ConfigError: `add_to_server` can't be called.
        """
        check_callable(add_to_server, "add_to_server")
        return _ServicerPlugin(add_to_server, servicer)


class _StubPlugin(Plugin):
    def __init__(self, stub_class: Callable[[grpc.aio.Channel], Any]) -> None:
        self._stub_class = stub_class

    def grpc_client(self, broker: Broker, channel: grpc.aio.Channel) -> Any:
        return self._stub_class(channel)


class _ServicerPlugin(Plugin):
    def __init__(
        self, add_to_server: Callable[[Any, grpc.aio.Server], None], servicer: object
    ) -> None:
        self._add_to_server = add_to_server
        self._servicer = servicer

    def grpc_server(self, broker: Broker, server: grpc.aio.Server) -> None:
        self._add_to_server(self._servicer, server)
