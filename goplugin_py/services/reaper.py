"""Looks later whether something is still of use."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Hashable

# A check stops a server at the most.
JOIN_TIMEOUT = 2.0

# Returns in how many seconds to look again; None for never.
Check = Callable[[], float | None]

_log = logging.getLogger("goplugin.broker")


class Reaper:
    """Makes checks when they are due, on a thread that lives while there are any.

    Safe from any thread.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()  # guards all below
        self._checks: dict[Hashable, tuple[float, Check]] = {}
        self._thread: threading.Thread | None = None
        self._is_closed = False

    def watch(self, subject: Hashable, delay: float, check: Check) -> None:
        """Check a subject in `delay` seconds, and not when it was to be checked."""
        with self._changed:
            if self._is_closed:
                return
            self._checks[subject] = time.monotonic() + delay, check
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="goplugin-reaper", daemon=True
                )
                self._thread.start()
            self._changed.notify()

    def forget(self, subject: Hashable) -> None:
        """Check a subject no more; harmless when it is not watched."""
        with self._changed:
            self._checks.pop(subject, None)
            self._changed.notify()

    def close(self) -> None:
        """Make no more checks, and end the thread; idempotent."""
        with self._changed:
            self._is_closed = True
            self._checks.clear()
            self._changed.notify()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(JOIN_TIMEOUT)

    def _run(self) -> None:
        while due := self._next_due():
            subject, check = due
            try:
                delay = check()
            except Exception:
                # It must not keep others from being checked.
                _log.exception("could not reap %r", subject)
                continue
            if delay is not None:
                self.watch(subject, delay, check)

    def _next_due(self) -> tuple[Hashable, Check] | None:
        """Wait for the next check; None when there is none to wait for."""
        with self._changed:
            while self._checks:
                subject = min(self._checks, key=lambda each: self._checks[each][0])
                at, check = self._checks[subject]
                delay = at - time.monotonic()
                if delay <= 0:
                    del self._checks[subject]
                    return subject, check
                self._changed.wait(delay)
            self._thread = None
        return None
