"""A clock that tests move."""

from __future__ import annotations

from collections.abc import Callable


class FakeClock:
    """Stands still; what is due runs on the thread that moves it on."""

    def __init__(self) -> None:
        self._now = 0.0
        self._due: dict[object, tuple[float, Callable[[], None]]] = {}

    def now(self) -> float:
        return self._now

    def call_later(
        self, delay: float, callback: Callable[[], None]
    ) -> Callable[[], None]:
        key = object()
        self._due[key] = (self._now + delay, callback)
        return lambda: self._drop(key)

    def _drop(self, key: object) -> None:
        self._due.pop(key, None)

    @property
    def planned(self) -> list[float]:
        """Seconds from now to each call."""
        return sorted(due - self._now for due, _ in self._due.values())

    def advance(self, seconds: float) -> None:
        """Move on, and run what has become due."""
        self._now += seconds
        for key, (due, callback) in list(self._due.items()):
            if due <= self._now and self._due.pop(key, None) is not None:
                callback()
