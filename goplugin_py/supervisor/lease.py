"""One process of a plugin for calls that belong together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import grpc

from goplugin_py.errors import UnknownPlugin
from goplugin_py.plugin import blocking
from goplugin_py.services.broker import Broker
from goplugin_py.supervisor.channel import SupervisedChannel
from goplugin_py.supervisor.generation import Generation


class Lease:
    """A process that is kept until the lease ends, if it does not crash.

    Needed where one call refers to another: a brokered id is only known to the process
    that it was made with, and so is whatever a plugin keeps in its memory.
    """

    def __init__(self, generation: Generation) -> None:
        self._generation = generation
        self.channel: grpc.Channel = SupervisedChannel(generation.enter)
        """A channel to this process."""

    @property
    def broker(self) -> Broker:
        """The broker of this process."""
        return self._generation.client.broker

    def dispense(self, name: str) -> Any:
        """Return the client of a plugin, as `Client.dispense` does, in this process.

        Raises:
            UnknownPlugin: The negotiated plugin set has no such name.
        """
        return dispense(self._generation, name, self.broker, self.channel)


class _FollowingBroker:
    def __init__(self, current: Callable[[], Broker]) -> None:
        self._current = current

    def __getattr__(self, name: str) -> Any:
        return getattr(self._current(), name)


def following_broker(current: Callable[[], Broker]) -> Broker:
    """Return the broker of the current process, at each use."""
    return cast("Broker", _FollowingBroker(current))


def dispense(
    generation: Generation, name: str, broker: Broker, channel: grpc.Channel
) -> Any:
    """Return the client of a plugin, of the version that a process speaks."""
    plugins = generation.config.plugin_sets[generation.client.negotiated_version]
    if name not in plugins:
        known = ", ".join(map(repr, plugins)) or "none"
        raise UnknownPlugin(f"there is no plugin {name!r}, only {known}")
    return blocking(plugins[name], name).grpc_client(broker, channel)
