"""A point in time by which a bounded operation must be done. A leaf."""

import contextlib
import time
from collections.abc import Callable, Iterator


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
        self._wakers: set[Callable[[], None]] = set()

    def abort(self) -> None:
        """Expire now, and wake those who wait for something by this deadline.

        Safe from any thread.
        """
        self._end = self._clock()
        for wake in tuple(self._wakers):
            wake()

    @contextlib.contextmanager
    def waking(self, wake: Callable[[], None]) -> Iterator[None]:
        """Call `wake` when the deadline is aborted meanwhile.

        Whoever waits must look at `remaining` after it has begun this, and again
        once it was woken.
        """
        self._wakers.add(wake)
        try:
            yield
        finally:
            self._wakers.discard(wake)

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
