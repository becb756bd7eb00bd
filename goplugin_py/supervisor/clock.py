"""The clock of a supervisor, which tests replace."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol


class Clock(Protocol):
    """Tells the time, and when to start a plugin again."""

    def now(self) -> float:
        """Return seconds that never go back."""

    def call_later(
        self, delay: float, callback: Callable[[], None]
    ) -> Callable[[], None]:
        """Call back once, `delay` seconds from now, on any thread.

        The callback takes as long as a plugin takes to start.

        Returns:
            What cancels it; too late once it runs.
        """


class SystemClock:
    """The real one, with a thread for each callback that is due."""

    def now(self) -> float:
        """See `Clock.now`."""
        return time.monotonic()

    def call_later(
        self, delay: float, callback: Callable[[], None]
    ) -> Callable[[], None]:
        """See `Clock.call_later`."""
        timer = threading.Timer(delay, callback)
        timer.name = "goplugin-restart"
        timer.daemon = True
        timer.start()
        return timer.cancel
