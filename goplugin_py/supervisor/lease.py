"""One process of a plugin for calls that belong together."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import grpc

from goplugin_py.errors import UnknownPlugin
from goplugin_py.supervisor.channel import SupervisedChannel
from goplugin_py.supervisor.generation import Generation

if TYPE_CHECKING:
    from goplugin_py.services.broker import Broker, BrokeredServer


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


class FollowingBroker:
    """The broker of the current process, at each call of a method."""

    def __init__(self, current: Callable[[], Broker]) -> None:
        self._current = current

    def next_id(self) -> int:
        """See `Broker.next_id`."""
        return self._current().next_id()

    def dial(self, service_id: int, **options: float) -> grpc.Channel:
        """See `Broker.dial`."""
        return self._current().dial(service_id, **options)

    def accept_and_serve(
        self,
        service_id: int,
        register: Callable[[grpc.Server], Any],
        **options: float,
    ) -> BrokeredServer:
        """See `Broker.accept_and_serve`."""
        return self._current().accept_and_serve(service_id, register, **options)


def dispense(
    generation: Generation, name: str, broker: Broker, channel: grpc.Channel
) -> Any:
    """Return the client of a plugin, of the version that a process speaks."""
    plugins = generation.config.plugin_sets[generation.client.negotiated_version]
    if name not in plugins:
        known = ", ".join(map(repr, plugins)) or "none"
        raise UnknownPlugin(f"there is no plugin {name!r}, only {known}")
    return plugins[name].grpc_client(broker, channel)
