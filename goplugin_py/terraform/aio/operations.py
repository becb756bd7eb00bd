"""Runs a provider's operations for the loop, each on a thread of its own."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterator
from typing import Any, TypeVar

from goplugin_py.aio.affinity import Affinity
from goplugin_py.aio.threads import in_thread
from goplugin_py.terraform.aio.operation import Operation
from goplugin_py.terraform.connection import Connection
from goplugin_py.terraform.schema import ProviderSchema

__all__ = ["Operations"]

T = TypeVar("T")

_END: Any = object()


class Operations:
    """What a provider and its parts share.

    Attributes:
        connection: The provider's.
        schema: Everything in it.
    """

    def __init__(
        self, affinity: Affinity, connection: Connection, schema: ProviderSchema
    ) -> None:
        self._affinity = affinity
        self.connection = connection
        self.schema = schema

    def check(self) -> None:
        """Refuse a caller on another loop.

        Raises:
            LocalProtocolError: It is on one.
        """
        self._affinity.check()

    async def run(
        self,
        name: str,
        work: Callable[[Connection], T],
        *,
        undo: Callable[[T], object] | None = None,
    ) -> T:
        """Run an operation; see `in_thread`.

        Args:
            name: Of the thread.
            work: The operation, which makes its calls through what it is given.
            undo: Takes back what came of it although it was cancelled.
        """
        self.check()
        operation = Operation(self.connection)
        return await in_thread(
            lambda: work(operation), name, abort=operation.cancel, undo=undo
        )

    async def stream(
        self, name: str, work: Callable[[Connection], Iterator[T]]
    ) -> AsyncGenerator[T]:
        """Yield what an operation yields; closing it cancels its call."""
        self.check()
        operation = Operation(self.connection)
        try:
            items = await in_thread(
                lambda: work(operation), name, abort=operation.cancel
            )
            while True:
                item = await in_thread(
                    lambda: next(items, _END), name, abort=operation.cancel
                )
                if item is _END:
                    return
                yield item
        finally:
            operation.cancel()
