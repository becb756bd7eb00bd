"""Ephemeral resources: open for as long as they are used, and in no state."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar

from goplugin_py import PluginError
from goplugin_py.terraform.aio.opening import Opening
from goplugin_py.terraform.aio.operations import Operations
from goplugin_py.terraform.connection import Connection, settle
from goplugin_py.terraform.ephemeral_calls import (
    EphemeralCalls,
    OpenValues,
    renewal_delay,
)
from goplugin_py.terraform.schema import Schema

__all__ = ["EphemeralResource", "OpenResource"]

T = TypeVar("T")

# For closing what was opened although nobody waited for it any more.
CLOSE_TIMEOUT = 5.0

_log = logging.getLogger("goplugin.terraform")


class EphemeralResource:
    """A type of such; see `goplugin_py.terraform.ephemeral.EphemeralResource`.

    Attributes:
        type_name: Its name.
        schema: The form of its configuration and result.
    """

    def __init__(self, type_name: str, operations: Operations) -> None:
        self.type_name = type_name
        self.schema: Schema = operations.schema.ephemeral_resources[type_name]
        self._operations = operations

    def open(self, config: Mapping[str, object] | None = None) -> Opening[OpenResource]:
        """Open one; it is a context manager, which renews it in time and closes it.

        To be awaited, or used as the context manager at once.

        Raises:
            InvalidConfig: The configuration does not fit the schema, or is not known.
            DiagnosticError: The provider refuses it.
            InvalidAnswer: The answer breaks the rules.
        """
        return Opening(self._open(config))

    async def _open(self, config: Mapping[str, object] | None) -> OpenResource:
        calls = self._calls(self._operations.connection)
        value = calls.configured(config)
        answer = await self._operations.run(
            f"open-{self.type_name}",
            lambda connection: self._calls(connection).open(value),
            undo=lambda answer: calls.close(answer.private, CLOSE_TIMEOUT),
        )
        opened = OpenResource(self.type_name, self._operations, answer)
        try:
            opened.value = calls.result(value, answer)
        except BaseException:
            await opened.close()
            raise
        return opened

    def _calls(self, connection: Connection) -> EphemeralCalls:
        return EphemeralCalls(self.type_name, connection, self._operations.schema)


class OpenResource(OpenValues):
    """An ephemeral resource that is open: a mapping of its attributes.

    Attributes:
        type_name: The type that it is of.
        value: All attributes and blocks.
    """

    def __init__(self, type_name: str, operations: Operations, answer: Any) -> None:
        self.type_name = type_name
        self.value = {}
        self._operations = operations
        self._private: bytes = answer.private
        self._busy = asyncio.Lock()  # held by who renews or closes
        self._is_closed = False
        self._timer: asyncio.TimerHandle | None = None
        self._renewal: asyncio.Task[None] | None = None
        self._schedule(answer)

    async def _run(self, name: str, work: Callable[[EphemeralCalls], T]) -> T:
        schema = self._operations.schema
        return await self._operations.run(
            f"{name}-{self.type_name}",
            lambda connection: work(EphemeralCalls(self.type_name, connection, schema)),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def renew(self) -> None:
        """Renew it now; it happens by itself when the provider wants it.

        Raises:
            DiagnosticError: The provider can't renew it.
        """
        async with self._busy:
            if self._is_closed:
                return
            private = self._private
            answer = await self._run("renew", lambda calls: calls.renew(private))
            if answer.HasField("private"):
                self._private = answer.private
            self._schedule(answer)

    def _schedule(self, answer: Any) -> None:
        self._cancel()
        if (delay := renewal_delay(answer)) is not None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(delay, self._begin_renewal)

    def _begin_renewal(self) -> None:
        self._renewal = asyncio.create_task(self._renew_in_time())

    async def _renew_in_time(self) -> None:
        try:
            await self.renew()
        except PluginError:
            _log.exception("%s could not be renewed", self.type_name)

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    async def close(self) -> None:
        """Close it; idempotent.

        Raises:
            DiagnosticError: The provider can't close it.
        """
        async with self._busy:
            self._cancel()
            if self._is_closed:
                return
            self._is_closed = True
            private = self._private
            answer = await self._run("close", lambda calls: calls.close(private))
        if self._renewal is not None:
            await asyncio.wait([self._renewal])  # it was waiting for the lock
        settle(answer.diagnostics)
