"""HashiCorp's go-plugin for Python: hosts for Go plugins, plugins for Go hosts."""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from goplugin_py.client import Client, probe
    from goplugin_py.config import (
        ClientConfig,
        HandshakeConfig,
        ServeConfig,
        UnixSocketConfig,
    )
    from goplugin_py.errors import (
        BrokerError,
        BrokerTimeout,
        ChecksumMismatch,
        ClientClosed,
        ConfigError,
        ConnectionLost,
        CoreVersionMismatch,
        ExitedEarly,
        HandshakeError,
        KnockRejected,
        LaunchError,
        LocalProtocolError,
        MalformedHandshake,
        MultiplexUnsupported,
        NetRPCUnsupported,
        PluginError,
        ProcessNotFound,
        ProtocolError,
        ReattachError,
        RemoteProtocolError,
        StartTimeout,
        TLSRefused,
        UnknownPlugin,
        VersionMismatch,
    )
    from goplugin_py.plugin import Plugin
    from goplugin_py.serve import PluginServer, serve
    from goplugin_py.services.broker import Broker, BrokeredServer
    from goplugin_py.stdout import guard_stdout
    from goplugin_py.wire.address import Address
    from goplugin_py.wire.handshake import Handshake

__version__ = "0.1.0"

# Where each public name lives. They are imported at first use: start-up time is a
# feature, and a plugin needs nothing of a host.
_HOMES = {
    # host
    "goplugin_py.client": ("Client", "probe"),
    # plugin
    "goplugin_py.serve": ("PluginServer", "serve"),
    "goplugin_py.stdout": ("guard_stdout",),
    # both
    "goplugin_py.config": (
        "ClientConfig",
        "HandshakeConfig",
        "ServeConfig",
        "UnixSocketConfig",
    ),
    "goplugin_py.plugin": ("Plugin",),
    "goplugin_py.services.broker": ("Broker", "BrokeredServer"),
    "goplugin_py.wire.address": ("Address",),
    "goplugin_py.wire.handshake": ("Handshake",),
    # errors
    "goplugin_py.errors": (
        "BrokerError",
        "BrokerTimeout",
        "ChecksumMismatch",
        "ClientClosed",
        "ConfigError",
        "ConnectionLost",
        "CoreVersionMismatch",
        "ExitedEarly",
        "HandshakeError",
        "KnockRejected",
        "LaunchError",
        "LocalProtocolError",
        "MalformedHandshake",
        "MultiplexUnsupported",
        "NetRPCUnsupported",
        "PluginError",
        "ProcessNotFound",
        "ProtocolError",
        "ReattachError",
        "RemoteProtocolError",
        "StartTimeout",
        "TLSRefused",
        "UnknownPlugin",
        "VersionMismatch",
    ),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [  # noqa: PLE0604, F822 - the table above is the one list of names
    *_HOME,
    "__version__",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
