"""Calls of a user's code that may never return."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

_T = TypeVar("_T")


class NoAnswer(TimeoutError):
    """A call that was given up."""


class BoundedCalls:
    """Makes each call on a thread of its own, and gives up waiting when it must.

    The thread of a call that was given up lives as long as the call.
    """

    def __init__(self, name: str) -> None:
        """Prepare; the threads are called `name`."""
        self._name = name
        self._changed = threading.Condition()  # guards the flag and all outcomes
        self._is_cancelled = False

    def make(self, function: Callable[[], _T], timeout: float) -> _T:
        """Return what `function` returns, or raise what it raises.

        Raises:
            NoAnswer: It took more than `timeout` seconds, or calls were cancelled.
            RuntimeError: It raised what is no `Exception`.
        """
        results: list[_T] = []
        failures: list[BaseException] = []

        def run() -> None:
            try:
                result = function()
            except BaseException as exc:  # whatever it is, the caller gets it
                with self._changed:
                    failures.append(exc)
                    self._changed.notify_all()
            else:
                with self._changed:
                    results.append(result)
                    self._changed.notify_all()

        threading.Thread(target=run, name=self._name, daemon=True).start()
        with self._changed:
            self._changed.wait_for(
                lambda: results or failures or self._is_cancelled, timeout
            )
        if results:
            return results[0]
        if failures and isinstance(failures[0], Exception):
            raise failures[0]
        if failures:  # a SystemExit, say, which is not meant for the caller
            raise RuntimeError(words(failures[0])) from failures[0]
        raise NoAnswer(f"no answer within {timeout:g} seconds")

    def cancel(self) -> None:
        """Wait for no call any more; idempotent."""
        with self._changed:
            self._is_cancelled = True
            self._changed.notify_all()


def words(exc: BaseException) -> str:
    """Return an exception of a user's code in words."""
    return f"{type(exc).__name__}: {exc}"
