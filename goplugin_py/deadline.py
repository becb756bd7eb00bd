"""A point in time by which a bounded operation must be done. A leaf."""

import time
from collections.abc import Callable


class Deadline:
    """Count down from a timeout, on a clock that can be replaced in tests."""

    def __init__(
        self, timeout: float | None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Start the countdown.

        Args:
            timeout: Seconds from now; None never expires.
            clock: Monotonic seconds.
        """
        self._clock = clock
        self._end = None if timeout is None else clock() + timeout

    def remaining(self) -> float | None:
        """Return the seconds left, never negative; None without a limit."""
        if self._end is None:
            return None
        return max(0.0, self._end - self._clock())

    @property
    def expired(self) -> bool:
        """Whether no time is left."""
        return self.remaining() == 0.0

    def within(self, timeout: float) -> float:
        """Return the seconds left, but no more than `timeout`."""
        remaining = self.remaining()
        return timeout if remaining is None else min(timeout, remaining)
