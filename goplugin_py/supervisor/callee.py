"""A plugin that can be called, whichever process answers."""

from __future__ import annotations

import abc
import contextlib
from collections.abc import Iterator
from typing import Any

import grpc

from goplugin_py.services.broker import Broker
from goplugin_py.supervisor.channel import SupervisedChannel
from goplugin_py.supervisor.generation import Call
from goplugin_py.supervisor.lease import Lease, dispense, following_broker


class Callee(abc.ABC):
    """Hands out stubs that follow the current process, or hold on to one."""

    def __init__(self) -> None:
        self.channel: grpc.Channel = SupervisedChannel(self._enter)
        """A channel to whichever process is the current one."""

    @abc.abstractmethod
    def _enter(self) -> Call:
        """Count a call with the current process, or raise that there is none."""

    def dispense(self, name: str) -> Any:
        """Return the client of a plugin, whose calls go to the current process.

        It is made for the application protocol version of the process that is there
        now; dispense again where a later one may speak another. Calls that need one
        process for several of them, such as those with brokered ids, take a `lease`.

        Calls end in `ConnectionLost`, which is a `grpc.RpcError` as well, when their
        process ends, and at once while there is none.

        Raises:
            UnknownPlugin: The negotiated plugin set has no such name.
            ConnectionLost: It has crashed.
            ClientClosed: It is stopped.
        """
        call = self._enter()
        try:
            broker = following_broker(self._broker)
            return dispense(call.generation, name, broker, self.channel)
        finally:
            call.done()

    @contextlib.contextmanager
    def lease(self) -> Iterator[Lease]:
        """Hold on to the current process for several calls that belong together.

        `reload` waits for the end of a lease as for that of a call.

        Raises:
            ConnectionLost: It has crashed.
            ClientClosed: It is stopped.
        """
        call = self._enter()
        try:
            yield Lease(call.generation)
        finally:
            call.done()

    def _broker(self) -> Broker:
        call = self._enter()
        call.done()
        return call.generation.client.broker
