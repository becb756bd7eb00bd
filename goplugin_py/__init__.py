"""HashiCorp's go-plugin for Python: hosts for Go plugins, plugins for Go hosts."""

from goplugin_py.lazy import lazy

# What `typing` calls so; importing that costs more than all else here.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from goplugin_py.client import Client, probe
    from goplugin_py.config.client import ClientConfig, UnixSocketConfig
    from goplugin_py.config.serve import ServeConfig, ServeTestConfig
    from goplugin_py.config.shared import HandshakeConfig
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
        ManifestError,
        MultiplexUnsupported,
        NetRPCUnsupported,
        NoSuchPlugin,
        PluginError,
        ProcessNotFound,
        ProtocolError,
        ReattachError,
        RegistryError,
        RemoteProtocolError,
        StartTimeout,
        TLSRefused,
        UnknownPlugin,
        VersionMismatch,
    )
    from goplugin_py.managed import cleanup_clients
    from goplugin_py.plugin import Plugin
    from goplugin_py.process.command import CommandRunner
    from goplugin_py.process.pid import PidRunner
    from goplugin_py.process.runner import (
        AddressTranslator,
        AttachedRunner,
        DirectoryTranslator,
        Runner,
        RunnerSpec,
    )
    from goplugin_py.process.secure import SecureConfig
    from goplugin_py.process.status import ExitStatus
    from goplugin_py.services.broker import Broker, BrokeredServer
    from goplugin_py.serving import PluginServer, serve
    from goplugin_py.stdout import guard_stdout
    from goplugin_py.wire.address import Address
    from goplugin_py.wire.handshake import Handshake
    from goplugin_py.wire.reattach import ReattachConfig

__all__ = [  # noqa: RUF022 - grouped
    "__version__",
    # both sides
    "Address",
    "BrokeredServer",
    "Broker",
    "Handshake",
    "HandshakeConfig",
    "Plugin",
    "ReattachConfig",
    "UnixSocketConfig",
    # host
    "Client",
    "ClientConfig",
    "ExitStatus",
    "SecureConfig",
    "cleanup_clients",
    "probe",
    # runners
    "AddressTranslator",
    "AttachedRunner",
    "CommandRunner",
    "DirectoryTranslator",
    "PidRunner",
    "Runner",
    "RunnerSpec",
    # plugin
    "PluginServer",
    "ServeConfig",
    "ServeTestConfig",
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
    "ManifestError",
    "MultiplexUnsupported",
    "NetRPCUnsupported",
    "NoSuchPlugin",
    "PluginError",
    "ProcessNotFound",
    "ProtocolError",
    "ReattachError",
    "RegistryError",
    "RemoteProtocolError",
    "StartTimeout",
    "TLSRefused",
    "UnknownPlugin",
    "VersionMismatch",
]

__version__ = "0.1.0"

# Everything is imported at first use: start-up time is a feature. Names that are not
# listed are errors.
_HOMES = {
    "Address": "wire.address",
    "AddressTranslator": "process.runner",
    "AttachedRunner": "process.runner",
    "Broker": "services.broker",
    "BrokeredServer": "services.broker",
    "Client": "client",
    "ClientConfig": "config.client",
    "CommandRunner": "process.command",
    "DirectoryTranslator": "process.runner",
    "ExitStatus": "process.status",
    "Handshake": "wire.handshake",
    "HandshakeConfig": "config.shared",
    "Plugin": "plugin",
    "PidRunner": "process.pid",
    "PluginServer": "serving",
    "ReattachConfig": "wire.reattach",
    "Runner": "process.runner",
    "RunnerSpec": "process.runner",
    "SecureConfig": "process.secure",
    "ServeConfig": "config.serve",
    "ServeTestConfig": "config.serve",
    "UnixSocketConfig": "config.client",
    "cleanup_clients": "managed",
    "guard_stdout": "stdout",
    "probe": "client",
    "serve": "serving",
}

__getattr__, __dir__ = lazy(__name__, dict.fromkeys(__all__, "errors") | _HOMES)
