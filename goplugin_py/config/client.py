"""How hosts start plugins."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO

from goplugin_py.config.shared import (
    ChannelOptions,
    HandshakeConfig,
    check_plugins,
    sets_by_version,
)
from goplugin_py.errors import ConfigError
from goplugin_py.plugin import PluginSet

if TYPE_CHECKING:
    import ssl

    from goplugin_py.process.log import Logger
    from goplugin_py.process.runner import AttachedRunner, Runner, RunnerSpec
    from goplugin_py.process.secure import SecureConfig
    from goplugin_py.process.status import ExitStatus
    from goplugin_py.wire.reattach import ReattachConfig

_MAX_PORT = 65535


@dataclass(frozen=True, slots=True, kw_only=True)
class UnixSocketConfig:
    """Where unix sockets are made and who may connect (go-plugin's name)."""

    directory: str | None = None
    """A directory for the plugin's sockets; None leaves the choice to the plugin."""

    group: str | None = None
    """A group, by name or id, that may connect; None means the owner alone."""


@dataclass(frozen=True, kw_only=True)
class ClientConfig:
    """How a host starts a plugin and talks to it."""

    command: Sequence[str] | None = None
    """The program and its arguments; never a shell string. Exactly one of this and
    `reattach` is given, unless a `runner` knows what to run."""

    runner: Callable[[RunnerSpec], Runner] | None = None
    """Makes what runs the plugin, in a container for instance, in place of a child
    process (go-plugin: `RunnerFunc`). It is called with the command, if there is one,
    and all that the plugin must get, and may take `start_timeout` seconds to start it.
    `check_runner` of `goplugin_py.testing` tests one."""

    reattach: ReattachConfig | None = None
    """A plugin that runs already, in place of one to start. The link is plain, unless
    `tls` is given; what describes a new process is not used."""

    attached_runner: Callable[[ReattachConfig], AttachedRunner] | None = None
    """Finds the plugin of `reattach` where its process id says nothing (go-plugin:
    `ReattachFunc`): what it returns watches and ends the plugin, and translates the
    addresses of its broker. The address to reattach to is one of this side."""

    handshake: HandshakeConfig
    """What the plugin must agree on."""

    plugins: PluginSet | None = None
    """The plugins by name, for `handshake.protocol_version`. Exactly one of this and
    `versioned_plugins` is given."""

    versioned_plugins: Mapping[int, PluginSet] | None = None
    """The plugins by name, for each application protocol version on offer."""

    env: Mapping[str, str] = field(default_factory=dict)
    """Variables for the plugin. They win over inherited ones; the magic cookie and
    `PLUGIN_*` win over both."""

    inherit_env: bool | Collection[str] = True
    """Whether the plugin gets the host's environment: all of it, nothing (False), or
    the variables with these names, where they are set."""

    cwd: str | os.PathLike[str] | None = None
    """The plugin's working directory; None is the host's."""

    stdin: int | None = None
    """A descriptor, or `subprocess.DEVNULL`, for the plugin's stdin; None inherits
    the host's, so that a plugin can use the terminal."""

    auto_mtls: bool = None  # type: ignore[assignment]
    """Whether both sides make one-time certificates and verify each other. On by
    default, unless `tls` is given. A plugin without it is refused."""

    tls: ssl.SSLContext | None = None
    """A client context of your own, for plugins that bring their own certificate.
    The name it verifies is `localhost`. Excludes `auto_mtls`."""

    broker_multiplex: bool = False
    """Whether everything goes through one connection (go-plugin:
    `GRPCBrokerMultiplex`), as containers need it. A plugin that does not offer it is
    refused."""

    secure: SecureConfig | None = None
    """The checksum that the executable must have: `command[0]`, not its arguments or
    what it loads. The bytes that were checked are the ones that are executed."""

    start_timeout: float = 60.0
    """Seconds from the start of the process to its first answer."""

    kill_timeout: float = 2.0
    """Seconds that a plugin gets to end after it was asked to."""

    min_port: int = 10000
    """The first TCP port that a plugin may listen on, where it uses TCP."""

    max_port: int = 25000
    """The last one."""

    unix_socket: UnixSocketConfig | None = None
    """Where the plugin makes its sockets and who may connect. With a `runner`, the
    directory is where one for the sockets of this plugin is made."""

    sync_stdout: BinaryIO | None = None
    """Receives what the plugin writes to stdout after its handshake, as bytes, on a
    thread of the client's; None discards it."""

    sync_stderr: BinaryIO | None = None
    """Likewise for stderr. A plugin's log does not come this way: see `logger`."""

    logger: Logger | None = None
    """A `logging.Logger` or a structlog logger that receives the plugin's log and
    its plain stderr lines; None means the stdlib logger `goplugin`."""

    on_exit: Callable[[ExitStatus | None], object] | None = None
    """Called once when a plugin that was started has ended, for whatever reason, with
    its exit status; None of one that was attached to. It runs on a thread of its own,
    for which neither `kill` nor the interpreter's end waits, and may use the client.
    What it raises is logged."""

    detach: bool = False
    """Whether the plugin may outlive a host that ends without `kill`, for the next
    one to reattach to. It gets a session of its own then, and a small process that
    takes its log when the host is gone: a Go plugin would die of the broken pipe.
    Other plugins end with their host, within two seconds of a SIGKILL."""

    managed: bool = False
    """Whether `cleanup_clients` kills the plugin, which also runs at the
    interpreter's end: in order then, where other plugins are ended by a signal."""

    channel_options: ChannelOptions = ()
    """gRPC channel options. They win over ours: unlimited messages, single-threaded
    unary-stream calls."""

    def __post_init__(self) -> None:
        if self.auto_mtls is None:
            is_default = self.tls is None and self.reattach is None
            object.__setattr__(self, "auto_mtls", is_default)
        check_plugins(self.plugins, self.versioned_plugins)
        self._check_source()
        if self.auto_mtls and self.tls is not None:
            raise ConfigError("tls and auto_mtls exclude each other")
        if self.managed and self.detach:
            raise ConfigError("managed and detach exclude each other")
        if self.start_timeout <= 0 or self.kill_timeout < 0:
            raise ConfigError("start_timeout must be above 0, kill_timeout not below")
        if not 0 <= self.min_port <= self.max_port <= _MAX_PORT:
            raise ConfigError(
                f"not a range of ports: {self.min_port} to {self.max_port}"
            )
        _check_env(self.env, self.inherit_env)

    def _check_source(self) -> None:
        if self.reattach is not None:
            self._check_reattach(self.reattach)
        elif self.attached_runner is not None:
            raise ConfigError("attached_runner needs reattach, runner does not")
        elif self.runner is not None:
            self._check_runner()
        else:
            _check_command(self.command)

    def _check_runner(self) -> None:
        if not callable(self.runner):
            raise ConfigError(
                f"runner must make a Runner when it is called, not {self.runner!r:.80}"
            )
        if self.command is not None:
            _check_command(self.command)
        if self.secure is not None:
            raise ConfigError("secure is not possible with runner: let that check it")

    def _check_reattach(self, reattach: ReattachConfig) -> None:
        if self.command is not None or self.runner is not None:
            raise ConfigError("give exactly one of command, runner and reattach")
        if reattach.pid == 0 and self.attached_runner is None:
            raise ConfigError(
                "the plugin to reattach to has no process id: give attached_runner"
            )
        if reattach.protocol != "grpc":
            raise ConfigError(
                f"the plugin to reattach to speaks {reattach.protocol or 'netrpc'}, "
                "and only gRPC is supported"
            )
        if self.secure is not None:
            raise ConfigError("secure is not possible with reattach: it runs already")
        if self.auto_mtls:
            raise ConfigError(
                "auto_mtls is not possible with reattach: only the host that started "
                "the plugin has the keys"
            )
        if self.broker_multiplex:
            raise ConfigError("broker_multiplex is not possible with reattach")
        self.attached_version(reattach)

    def attached_version(self, reattach: ReattachConfig) -> int:
        """Return the version that a plugin to reattach to speaks.

        Raises:
            ConfigError: It is not one that this host offers.
        """
        offered = sorted(self.plugin_sets)
        if reattach.protocol_version in offered:
            return reattach.protocol_version
        if reattach.protocol_version == 0 and len(offered) == 1:
            return offered[0]
        raise ConfigError(
            "the plugin to reattach to speaks application protocol version "
            f"{reattach.protocol_version}, this host offers: "
            + ", ".join(map(str, offered))
        )

    @property
    def plugin_sets(self) -> Mapping[int, PluginSet]:
        """The plugins by application protocol version."""
        return sets_by_version(self.handshake, self.plugins, self.versioned_plugins)


def _check_command(command: object) -> None:
    if isinstance(command, str | bytes):
        raise ConfigError(
            "command must be a list of strings, not a shell string: "
            f"use [{command!r}], or shlex.split() it"
        )
    if not isinstance(command, Sequence) or not command:
        raise ConfigError(
            "command must be a list with the program and its arguments, unless there "
            "is something to reattach to"
        )
    for word in command:
        if not isinstance(word, str) or "\0" in word:
            raise ConfigError(f"command must hold strings, not {word!r}")


def _check_env(env: Mapping[str, str], inherit: object) -> None:
    if isinstance(inherit, str | bytes):
        raise ConfigError(
            "inherit_env must be True, False or a collection of names, not a text: "
            f"use [{inherit!r}]"
        )
    for name, value in env.items():
        if not name or "=" in name or "\0" in name + value:
            raise ConfigError(f"not an environment variable: {name!r}")
