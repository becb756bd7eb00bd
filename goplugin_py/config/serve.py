"""How plugins serve."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

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

    import grpc

    from goplugin_py.process.log import Logger
    from goplugin_py.wire.reattach import ReattachConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeTestConfig:
    """How a plugin serves that no host has started (go-plugin's name).

    It looks for no cookie and prints no line, and leaves stdout, stderr and signals
    alone: Ctrl-C is a `KeyboardInterrupt`.
    """

    on_ready: Callable[[ReattachConfig], object] | None = None
    """Receives what a host needs to reattach, once the plugin listens (go-plugin:
    `ReattachConfigCh`)."""

    stop: threading.Event = field(default_factory=threading.Event)
    """Ends the plugin when it is set (go-plugin: `Context`). So does a host that asks
    for it, which those in test mode don't."""


@dataclass(frozen=True, kw_only=True)
class ServeConfig:
    """How a plugin serves."""

    handshake: HandshakeConfig
    """What the host must agree on."""

    plugins: PluginSet | None = None
    """The plugins by name, for `handshake.protocol_version`. Exactly one of this and
    `versioned_plugins` is given."""

    versioned_plugins: Mapping[int, PluginSet] | None = None
    """The plugins by name, for each application protocol version that is spoken."""

    tls: Callable[[], ssl.SSLContext] | None = None
    """Makes a server context of your own (go-plugin: `TLSProvider`). It wins over
    the host's AutoMTLS, and the host must be set up to trust it."""

    logger: Logger | None = None
    """A `logging.Logger` or a structlog logger for what the library itself has to say:
    why it can't serve, and exceptions that nobody caught. None means the stdlib
    logger `goplugin.serve`."""

    max_workers: int = 10
    """How many of the plugin's own calls run at once. Health, stdio, broker and
    shutdown never wait for these."""

    server_options: ChannelOptions = ()
    """gRPC server options. They win over ours: unlimited messages."""

    interceptors: Sequence[grpc.ServerInterceptor] = ()
    """gRPC interceptors for the plugin's own services."""

    network: Literal["unix", "tcp"] = "unix"
    """What to listen on. Hosts take either; TCP stays on the loopback interface, in
    the range of ports that the host gives."""

    outlive_host: bool = False
    """Whether the plugin lives on when its host dies, for the next one to reattach
    to, as Go plugins do. By default it stops then (on Linux), unless a Python host
    has set `detach`. A Python host that has not ends the plugin in any case."""

    keep_environ: bool = False
    """Whether the magic cookie and `PLUGIN_*` stay in `os.environ`. By default `serve`
    removes them once it has read them: a process that the plugin starts would take
    itself for a plugin of the same host, or tell its own plugins that they are."""

    test: ServeTestConfig | None = None
    """Serve in a test or in a debugger, for hosts that reattach."""

    def __post_init__(self) -> None:
        check_plugins(self.plugins, self.versioned_plugins)
        if self.max_workers < 1:
            raise ConfigError("max_workers must be 1 or more")
        if self.network not in ("unix", "tcp"):
            raise ConfigError(f"network must be unix or tcp, not {self.network!r}")

    @property
    def plugin_sets(self) -> Mapping[int, PluginSet]:
        """The plugins by application protocol version."""
        return sets_by_version(self.handshake, self.plugins, self.versioned_plugins)
