"""Every exception this library raises. A leaf: it imports nothing of ours.

PluginError
├── ConfigError (ValueError)
├── LaunchError
│   ├── ChecksumMismatch
│   ├── ExitedEarly
│   ├── StartTimeout (TimeoutError)
│   ├── TLSRefused
│   └── HandshakeError
│       ├── MalformedHandshake
│       ├── CoreVersionMismatch
│       ├── VersionMismatch
│       ├── NetRPCUnsupported
│       └── MultiplexUnsupported
├── ReattachError
│   └── ProcessNotFound (LookupError)
├── ConnectionLost
├── ClientClosed
├── BrokerError
│   ├── BrokerTimeout (TimeoutError)
│   └── KnockRejected
├── ProtocolError
│   ├── LocalProtocolError
│   └── RemoteProtocolError
├── RegistryError
│   ├── ManifestError (ValueError)
│   └── NoSuchPlugin (LookupError)
└── UnknownPlugin (LookupError)
"""

from collections.abc import Collection, Sequence
from typing import Any, Self

__all__ = [
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


class PluginError(Exception):
    """The root of the tree: catch it to catch everything from this library."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by state: most constructors take more than `args` holds."""
        return _restored, (type(self), self.args, self.__dict__)


class ConfigError(PluginError, ValueError):
    """A configuration that can't work; raised before anything is started."""


class LaunchError(PluginError):
    """A plugin that could not be started. Its process is gone when this is raised.

    Attributes:
        command: The command line that was run; empty without a command.
        stderr_tail: The last lines that the plugin wrote to stderr.
        notes: What a look at the executable suggests, one sentence each.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.command: Sequence[str] = ()
        self.stderr_tail: Sequence[str] = ()
        self.notes: Sequence[str] = ()

    def with_evidence(
        self,
        *,
        command: Sequence[str],
        stderr_tail: Sequence[str],
        notes: Sequence[str],
    ) -> Self:
        """Attach what the launcher knows, for the attributes and the text."""
        self.command = tuple(command)
        self.stderr_tail = tuple(stderr_tail)
        self.notes = tuple(notes)
        return self

    def _facts(self) -> list[str]:
        return []

    def __str__(self) -> str:
        parts = [super().__str__(), *self._facts()]
        if self.command:
            parts.append("command: " + " ".join(map(repr, self.command)))
        parts += [f"note: {note}" for note in self.notes]
        if self.stderr_tail:
            parts.append("last lines of stderr:")
            parts += [f"  {line}" for line in self.stderr_tail]
        return "\n".join(parts)


class ChecksumMismatch(LaunchError):
    """The executable's bytes are not the ones that `SecureConfig` names."""


class ExitedEarly(LaunchError):
    """The plugin ended, or closed its stdout, without a handshake line.

    Attributes:
        status: The exit status; a negative number is a signal; None while the
            process was still running when its stdout was closed.
    """

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class StartTimeout(LaunchError, TimeoutError):
    """No handshake line, or no answer to the first call, within `start_timeout`."""


class TLSRefused(LaunchError):
    """The two sides do not agree on TLS."""


class HandshakeError(LaunchError):
    """A handshake line that this host can't accept.

    Attributes:
        line: The line as the plugin printed it; the text shortens a huge one.
    """

    def __init__(self, message: str, line: str = "") -> None:
        super().__init__(message)
        self.line = line

    def _facts(self) -> list[str]:
        return [f"line: {_shortened(self.line)!r}"]


class MalformedHandshake(HandshakeError):
    """The first line on stdout is no handshake line."""


class CoreVersionMismatch(HandshakeError):
    """The plugin speaks another version of go-plugin's own protocol."""


class VersionMismatch(HandshakeError):
    """Host and plugin have no application protocol version in common.

    Attributes:
        plugin: The version that the plugin answered with.
        host: The versions that the host offered, ascending.
    """

    def __init__(self, plugin: int, host: Collection[int], line: str = "") -> None:
        self.plugin = plugin
        self.host = tuple(sorted(host))
        offered = ", ".join(map(str, self.host)) or "none"
        super().__init__(
            f"the plugin speaks application protocol version {plugin}, "
            f"this host offers: {offered}; update the older of the two",
            line,
        )


class NetRPCUnsupported(HandshakeError):
    """The plugin speaks net/rpc, Go's own RPC; only gRPC is supported."""


class MultiplexUnsupported(HandshakeError):
    """`broker_multiplex` was asked for and the plugin does not offer it."""


class ReattachError(PluginError):
    """A running plugin could not be attached to."""


class ProcessNotFound(ReattachError, LookupError):
    """Nothing that answers as the plugin runs at the given address."""


class ConnectionLost(PluginError):
    """The plugin went away.

    Attributes:
        status: The exit status if it is known; a negative number is a signal.
    """

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class ClientClosed(PluginError):
    """The client was killed; a client is never restarted, make a new one."""


class BrokerError(PluginError):
    """A brokered connection failed."""


class BrokerTimeout(BrokerError, TimeoutError):
    """The other side of a brokered connection did not come in time.

    Attributes:
        service_id: The id that was dialled.
    """

    def __init__(self, message: str, service_id: int) -> None:
        super().__init__(message)
        self.service_id = service_id


class KnockRejected(BrokerError):
    """The other side answered a multiplexed dial with a refusal.

    Attributes:
        reason: Its words.
    """

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class ProtocolError(PluginError):
    """Bytes that the protocol does not allow."""


class LocalProtocolError(ProtocolError):
    """We were about to break the protocol: a call that is not allowed now."""


class RemoteProtocolError(ProtocolError):
    """The peer broke the protocol."""


class RegistryError(PluginError):
    """A directory of plugins that can't be read, or that others may change."""


class ManifestError(RegistryError, ValueError):
    """A manifest that does not describe a plugin, or one that may not be started."""


class NoSuchPlugin(RegistryError, LookupError):
    """A directory has no plugin with this id, or none in a version that will do."""


class UnknownPlugin(PluginError, LookupError):
    """`dispense` was called with a name that is not in the plugin set."""


def _restored(
    kind: type[PluginError], args: tuple[Any, ...], fields: dict[str, Any]
) -> PluginError:
    error = kind.__new__(kind)
    error.args = args
    error.__dict__.update(fields)
    return error


def _shortened(text: str, limit: int = 400) -> str:
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text)} characters)"
