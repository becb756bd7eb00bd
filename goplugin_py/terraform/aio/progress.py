"""Telling on the loop how long an apply has taken, while a thread makes it."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future, wait

from goplugin_py.aio.affinity import awaited
from goplugin_py.aio.threads import settled
from goplugin_py.terraform.connection import Progress

__all__ = ["LoopProgress"]


class LoopProgress:
    """Calls a user's function on the loop, for a thread, which waits for it."""

    def __init__(self, progress: Progress) -> None:
        """Bind to the running loop."""
        self._progress = progress
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[None] | None = None
        self._lock = threading.Lock()  # guards the two below
        self._telling: Future[None] | None = None
        self._is_cancelled = False

    def __call__(self, seconds: float) -> None:
        """Tell; an error of the function is the caller's."""
        with self._lock:
            if self._is_cancelled:
                return
            telling = asyncio.run_coroutine_threadsafe(self._tell(seconds), self._loop)
            self._telling = telling
        wait([telling])
        if not telling.cancelled():
            telling.result()

    async def _tell(self, seconds: float) -> None:
        self._task = asyncio.current_task()
        await awaited(self._progress(seconds))

    def cancel(self) -> None:
        """Tell nothing more, and cancel what is being told."""
        with self._lock:
            self._is_cancelled = True
            if self._telling is not None:
                self._telling.cancel()

    async def close(self) -> None:
        """Wait for the end of what is being told."""
        if self._task is not None:
            await settled(self._task)
