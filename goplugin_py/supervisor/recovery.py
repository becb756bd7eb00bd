"""What follows from the failures of one plugin: a planned restart, or none."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable

from goplugin_py.errors import PluginError
from goplugin_py.supervisor.clock import Clock
from goplugin_py.supervisor.policy import HealthPolicy, RestartPolicy, is_lasting
from goplugin_py.supervisor.status import Announcer


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Care:
    """What the plugins of a supervisor have in common."""

    restart: RestartPolicy
    health: HealthPolicy | None
    clock: Clock
    announcer: Announcer
    chance: Callable[[], float] = random.random


class Recovery:
    """Counts failures, and plans one restart at a time. Its user has the lock."""

    def __init__(self, care: Care) -> None:
        self.failures = 0
        self._care = care
        self._cancel: Callable[[], None] | None = None

    def cancel(self) -> None:
        """Forget a restart that is planned; one that has begun goes on."""
        if self._cancel is not None:
            self._cancel()
            self._cancel = None

    def forgive(self) -> None:
        """Forget the failures, and what was planned after them."""
        self.cancel()
        self.failures = 0

    def plan(
        self, error: PluginError, uptime: float, restart: Callable[[], None]
    ) -> float | None:
        """Count a failure.

        Args:
            error: What it was.
            uptime: Seconds that the process ran; 0 if it did not start.
            restart: Called when it is time.

        Returns:
            Seconds until then; None if there is to be no restart.
        """
        self.cancel()
        policy = self._care.restart
        self.failures = policy.count(self.failures, uptime)
        delay = policy.delay(self.failures, self._care.chance())
        if delay is None or is_lasting(error):
            return None
        try:
            self._cancel = self._care.clock.call_later(delay, restart)
        except RuntimeError:
            return None  # the interpreter ends, and starts no thread any more
        return delay
