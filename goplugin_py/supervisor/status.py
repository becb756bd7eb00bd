"""What a supervisor says about a plugin, and to whom."""

from __future__ import annotations

import enum
import logging
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from goplugin_py.errors import PluginError

_log = logging.getLogger("goplugin.supervisor")


class State(enum.Enum):
    """Where a plugin is in its life."""

    STOPPED = "stopped"
    """Nobody wants it to run."""

    RUNNING = "running"
    """It answers calls."""

    CRASHED = "crashed"
    """It failed: it is started again after a while, or not at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """A plugin at one moment."""

    state: State = State.STOPPED

    generation: int = 0
    """The number of the latest process that ran; 0 before the first."""

    pid: int | None = None
    """Its process id, while it runs."""

    error: PluginError | None = None
    """Why it crashed: a `LaunchError` when it did not start, else `ConnectionLost`,
    with the exit status in it."""

    failures: int = 0
    """How many there were in a row."""

    restart_in: float | None = None
    """Seconds from the crash to the next start; None if there is to be none."""

    @property
    def exit_status(self) -> int | None:
        """How the process ended that crashed; a negative number is a signal."""
        return getattr(self.error, "status", None)

    @property
    def has_given_up(self) -> bool:
        """Whether it crashed and is not started again."""
        return self.state is State.CRASHED and self.restart_in is None


@dataclass(frozen=True, slots=True)
class Change:
    """From one status of a plugin to the next."""

    plugin: str
    """Its name."""

    before: Status
    after: Status


class Announcer:
    """Tells of changes in their order, on the thread of whoever comes first.

    A callback runs with no lock held, so it may use the supervisor.
    """

    def __init__(self, callback: Callable[[Change], None] | None) -> None:
        self._callback = callback
        self._changes: deque[Change] = deque()
        self._telling = threading.Lock()  # held by the thread that calls back

    def add(self, change: Change) -> None:
        """Take a change, to be told at the next `tell`."""
        _log.info("plugin %s is %s", change.plugin, change.after.state.value)
        if self._callback is not None:
            self._changes.append(change)

    def tell(self) -> None:
        """Tell what was added, unless another thread is about to."""
        while self._changes and self._telling.acquire(blocking=False):
            try:
                while self._changes:
                    self._tell(self._changes.popleft())
            finally:
                self._telling.release()

    def _tell(self, change: Change) -> None:
        assert self._callback is not None
        try:
            self._callback(change)
        except Exception:
            # It runs where plugins are watched: they must not end with it.
            _log.exception("the callback for plugin %s failed", change.plugin)
