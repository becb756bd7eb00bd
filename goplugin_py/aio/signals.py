"""What `serve` does with signals on an event loop."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable


class Signals:
    """Takes SIGINT and SIGTERM as a plugin should, until `restore`.

    As `goplugin_py.hosted.Signals`, by the loop: a loop has the interpreter's wake-up
    descriptor, and the user's own signals come by it.
    """

    def __init__(self, stop: Callable[[], None]) -> None:
        """Install the handlers, on a loop of the main thread."""
        self._loop = asyncio.get_running_loop()
        self._stop = stop
        self._is_terminated = False
        self._previous = {
            number: signal.getsignal(number)
            for number in (signal.SIGINT, signal.SIGTERM)
        }
        self._loop.add_signal_handler(signal.SIGINT, _leave_to_host)
        self._loop.add_signal_handler(signal.SIGTERM, self._terminate)
        os.register_at_fork(after_in_child=self._reset)

    def _terminate(self) -> None:
        self._is_terminated = True
        self._stop()

    def restore(self) -> None:
        """Put the previous handlers back; die of SIGTERM now if it came."""
        for number in self._previous:
            self._loop.remove_signal_handler(number)
        self._put_back()
        if self._is_terminated:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.raise_signal(signal.SIGTERM)

    def _put_back(self) -> None:
        while self._previous:
            number, handler = self._previous.popitem()
            # None: installed by C code, out of reach.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def _reset(self) -> None:
        """Let a forked child have its signals: it shares the loop's wake-up pipe."""
        if self._previous:
            signal.set_wakeup_fd(-1)
            self._put_back()


def _leave_to_host() -> None:
    """Do nothing: a terminal sends SIGINT to all, and it is the host that decides."""
