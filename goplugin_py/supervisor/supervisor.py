"""Several plugins in the care of one object."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from types import MappingProxyType, TracebackType
from typing import Self

from goplugin_py import managed
from goplugin_py.config.client import ClientConfig
from goplugin_py.deadline import Deadline
from goplugin_py.errors import ClientClosed, ConfigError, UnknownPlugin
from goplugin_py.supervisor.clock import Clock, SystemClock
from goplugin_py.supervisor.policy import HealthPolicy, RestartPolicy
from goplugin_py.supervisor.recovery import Care
from goplugin_py.supervisor.status import Announcer, Change
from goplugin_py.supervisor.supervised import STOP_SLACK, Supervised


class Supervisor:
    """Keeps plugins running.

    A context manager, which closes it at the end. `cleanup_clients` closes it as well,
    and so does the interpreter's end. All methods are safe from any thread.
    """

    def __init__(
        self,
        *,
        restart: RestartPolicy | None = None,
        health: HealthPolicy | None = None,
        on_change: Callable[[Change], None] | None = None,
        clock: Clock | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """Prepare; it has no plugins yet.

        Args:
            restart: When to start a plugin again; None means the defaults.
            health: How to ask plugins whether they answer; None means not to.
            on_change: Receives each change of a plugin, in order, on any thread. It may
                use the supervisor; while it runs no further change is told.
            clock: For tests.
            chance: Numbers from 0 up to 1, for the jitter of delays.
        """
        self._care = Care(
            restart=restart or RestartPolicy(),
            health=health,
            clock=clock or SystemClock(),
            announcer=Announcer(on_change),
            chance=chance,
        )
        self._lock = threading.Lock()  # guards all below
        self._plugins: dict[str, Supervised] = {}
        self._longest_kill = 0.0
        self._is_closed = False

    def add(self, name: str, config: ClientConfig) -> Supervised:
        """Take a plugin into care; it is stopped until `start()` is called.

        Raises:
            ConfigError: There is one of this name, or the configuration is not one of
                a plugin that can be started again.
            ClientClosed: The supervisor is closed.
        """
        plugin = Supervised(name, config, self._care)
        with self._lock:
            if self._is_closed:
                raise ClientClosed("the supervisor is closed: make a new one")
            if name in self._plugins:
                raise ConfigError(f"there is a plugin {name!r} already")
            self._plugins[name] = plugin
            self._longest_kill = max(self._longest_kill, config.kill_timeout)
            managed.add(self, self._longest_kill + STOP_SLACK)
        return plugin

    @property
    def plugins(self) -> MappingProxyType[str, Supervised]:
        """The plugins by name, as they are now."""
        with self._lock:
            return MappingProxyType(dict(self._plugins))

    def __getitem__(self, name: str) -> Supervised:
        """Return a plugin.

        Raises:
            UnknownPlugin: There is none of this name.
        """
        try:
            return self._plugins[name]
        except KeyError:
            raise UnknownPlugin(f"there is no plugin {name!r} in care") from None

    def remove(self, name: str, drain_timeout: float = 0.0) -> None:
        """Stop a plugin and forget it.

        Args:
            name: Which.
            drain_timeout: As for `Supervised.stop`.

        Raises:
            UnknownPlugin: There is none of this name.
        """
        plugin = self[name]
        plugin.close(drain_timeout)
        with self._lock:
            if self._plugins.get(name) is plugin:
                del self._plugins[name]

    def close(self) -> None:
        """Stop all plugins at once; idempotent.

        Takes as long as the slowest `Client.kill` of them.
        """
        with self._lock:
            self._is_closed = True
            plugins = list(self._plugins.values())
            deadline = Deadline(self._longest_kill + STOP_SLACK)
        managed.end_all([plugin.close for plugin in plugins], deadline)
        managed.discard(self)

    kill = close  # what `cleanup_clients` calls

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
