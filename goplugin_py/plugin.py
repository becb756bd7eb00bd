"""What a plugin is, to both sides: a way to register it and a way to call it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from goplugin_py.callables import check_callable
from goplugin_py.errors import ConfigError

if TYPE_CHECKING:
    import grpc

    from goplugin_py.services.broker import Broker


class AnyPlugin:
    """What a configuration takes: a `Plugin`, or one of `goplugin_py.aio`."""


class Plugin(AnyPlugin):
    """One kind of plugin (go-plugin: `GRPCPlugin`).

    A host overrides `grpc_client`, a plugin `grpc_server`; code shared by the two
    overrides both. `from_stub` and `from_servicer` spare the subclass.
    """

    def grpc_server(self, broker: Broker, server: grpc.Server) -> None:
        """Register the implementation on a plugin's server.

        Args:
            broker: For connections of one's own beside the main one.
            server: Takes servicers through the generated `add_…_to_server`.
        """
        raise NotImplementedError(
            f"{type(self).__name__} has no server side: override grpc_server()"
        )

    def grpc_client(self, broker: Broker, channel: grpc.Channel) -> Any:
        """Build what `Client.dispense` returns.

        Args:
            broker: For connections of one's own beside the main one.
            channel: Connected to the plugin.
        """
        raise NotImplementedError(
            f"{type(self).__name__} has no client side: override grpc_client()"
        )

    @staticmethod
    def from_stub(stub_class: Callable[[grpc.Channel], Any]) -> Plugin:
        """Return a host-side plugin whose `dispense` gives a generated stub.

        Raises:
            ConfigError: It can't be called.
        """
        check_callable(stub_class, "stub_class")
        return _StubPlugin(stub_class)

    @staticmethod
    def from_servicer(
        add_to_server: Callable[[Any, grpc.Server], None], servicer: object
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


PluginSet = Mapping[str, AnyPlugin]


def blocking(plugin: AnyPlugin, name: str) -> Plugin:
    """Return a plugin of a set, for those who block.

    Raises:
        ConfigError: It is one for asyncio.
    """
    if isinstance(plugin, Plugin):
        return plugin
    raise ConfigError(
        f"plugin {name!r} is a goplugin_py.aio.Plugin: use it with goplugin_py.aio, or "
        "make it a goplugin_py.Plugin"
    )


class _StubPlugin(Plugin):
    def __init__(self, stub_class: Callable[[grpc.Channel], Any]) -> None:
        self._stub_class = stub_class

    def grpc_client(self, broker: Broker, channel: grpc.Channel) -> Any:
        return self._stub_class(channel)


class _ServicerPlugin(Plugin):
    def __init__(
        self, add_to_server: Callable[[Any, grpc.Server], None], servicer: object
    ) -> None:
        self._add_to_server = add_to_server
        self._servicer = servicer

    def grpc_server(self, broker: Broker, server: grpc.Server) -> None:
        self._add_to_server(self._servicer, server)
