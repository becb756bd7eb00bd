"""A process that runs, as a runner (go-plugin: `cmdrunner.CmdAttachedRunner`)."""

from __future__ import annotations

import os
import select
import signal
import threading
import weakref

from goplugin_py.errors import ProcessNotFound
from goplugin_py.process.runner import SameAddresses

POLL_INTERVAL = 1.0  # go-plugin: pidWait; only where there is no pidfd


class PidRunner(SameAddresses):
    """Watches and ends a process by its id.

    The process is held by a descriptor where the system has one (Linux), so that a
    signal never reaches another process that got its id later.
    """

    def __init__(self, pid: int) -> None:
        """Hold the process.

        Raises:
            ProcessNotFound: There is none.
        """
        self.id = str(pid)
        self._pid = pid
        self._lock = threading.Lock()  # guards the descriptor against its closing
        self._ended = threading.Event()
        try:
            self._pidfd = _hold(pid)
        except ProcessLookupError as exc:
            raise ProcessNotFound(f"there is no process {pid} any more") from exc
        self._closing = weakref.finalize(self, _close, self._pidfd)

    def wait(self) -> None:
        """Block until it has ended; its status is for its parent to know."""
        if self._pidfd >= 0:
            poll = select.poll()
            poll.register(self._pidfd, select.POLLIN)
            poll.poll()
        else:
            while _is_alive(self._pid):
                self._ended.wait(POLL_INTERVAL)
        with self._lock:
            self._ended.set()
            self._closing()

    def kill(self) -> None:
        """End it by SIGKILL."""
        with self._lock:
            if self._ended.is_set():
                return
            try:
                if self._pidfd >= 0:
                    signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
                else:
                    os.kill(self._pid, signal.SIGKILL)
            except ProcessLookupError:  # it was faster
                return


def _hold(pid: int) -> int:
    if hasattr(os, "pidfd_open"):
        return os.pidfd_open(pid)
    if not _is_alive(pid):
        raise ProcessLookupError(pid)
    return -1


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)  # asks, and sends nothing
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        pass
    return True


def _close(pidfd: int) -> None:
    if pidfd >= 0:
        os.close(pidfd)
