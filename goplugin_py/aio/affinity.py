"""Which event loop an object belongs to: grpc.aio's do not work on another."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

from goplugin_py.errors import LocalProtocolError

running_loop = asyncio._get_running_loop  # noqa: SLF001 - None where there is none


class Affinity:
    """Bound to the loop that it is made on."""

    __slots__ = ("_name", "loop")

    def __init__(self, name: str) -> None:
        """Bind to the running loop.

        Args:
            name: What is bound, for errors: "this client".

        Raises:
            LocalProtocolError: There is none.
        """
        self._name = name
        loop = running_loop()
        if loop is None:
            raise LocalProtocolError(_outside(name))
        self.loop = loop

    @property
    def is_here(self) -> bool:
        """Whether the caller runs on the loop."""
        return running_loop() is self.loop

    def check(self) -> None:
        """Refuse a caller that runs on another loop, or on none.

        Raises:
            LocalProtocolError: It does.
        """
        running = running_loop()
        if running is self.loop:
            return
        if running is None:
            raise LocalProtocolError(_outside(self._name))
        raise LocalProtocolError(
            f"{self._name} belongs to another event loop: use it there, by "
            "asyncio.run_coroutine_threadsafe() from here, or make one for this loop"
        )


def _outside(name: str) -> str:
    return (
        f"{name} needs a running event loop: call it from a coroutine, by "
        "asyncio.run_coroutine_threadsafe() from other threads, or use the same name "
        "from goplugin_py, which blocks"
    )


async def awaited(result: Any) -> Any:
    """Return what a callback came to, whether a plain function or a coroutine one."""
    return await result if inspect.isawaitable(result) else result
