"""HashiCorp's go-plugin for Python: hosts for Go plugins, plugins for Go hosts."""

import importlib
from typing import TYPE_CHECKING

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
from goplugin_py.stdout import guard_stdout
from goplugin_py.wire.address import Address
from goplugin_py.wire.handshake import Handshake

if TYPE_CHECKING:
    from goplugin_py.client import Client, probe
    from goplugin_py.serve import PluginServer, serve
    from goplugin_py.services.broker import Broker, BrokeredServer

__all__ = [  # noqa: RUF022 - grouped
    "__version__",
    # both sides
    "Address",
    "BrokeredServer",
    "Broker",
    "Handshake",
    "HandshakeConfig",
    "Plugin",
    "UnixSocketConfig",
    # host
    "Client",
    "ClientConfig",
    "probe",
    # plugin
    "PluginServer",
    "ServeConfig",
    "guard_stdout",
    "serve",
    # errors
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
]

__version__ = "0.1.0"

# What needs grpc is imported at first use: start-up time is a feature, and a program
# that imports this package may not start a plugin at all.
_LAZY = {
    "Broker": "goplugin_py.services.broker",
    "BrokeredServer": "goplugin_py.services.broker",
    "Client": "goplugin_py.client",
    "PluginServer": "goplugin_py.serve",
    "probe": "goplugin_py.client",
    "serve": "goplugin_py.serve",
}


def __getattr__(name: str) -> object:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(importlib.import_module(_LAZY[name]), name)
    # Replaces the sub-module of the same name, which its import has put here.
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
