"""`Plugin` with the types of asyncio's channels and servers."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any

from goplugin_py import plugin

if TYPE_CHECKING:
    import grpc.aio

    from goplugin_py.aio.broker import Broker


class Plugin(plugin.Plugin):
    """One kind of plugin, for type checkers; `goplugin_py.Plugin` does as well.

    Both methods may be coroutine functions.
    """

    def grpc_server(  # type: ignore[override]
        self, broker: Broker, server: grpc.aio.Server
    ) -> Awaitable[None] | None:
        """Register the implementation on a plugin's server.

        Args:
            broker: For connections of one's own beside the main one.
            server: Takes servicers through the generated `add_…_to_server`.
        """
        unbound: Any = super().grpc_server
        unbound(broker, server)
        return None

    def grpc_client(  # type: ignore[override]
        self, broker: Broker, channel: grpc.aio.Channel
    ) -> Any:
        """Build what `Client.dispense` returns, or what it awaits to return.

        Args:
            broker: For connections of one's own beside the main one.
            channel: Connected to the plugin.
        """
        unbound: Any = super().grpc_client
        return unbound(broker, channel)
