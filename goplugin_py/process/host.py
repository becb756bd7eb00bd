"""The process that started this one, and whether it is still there."""

from __future__ import annotations

import contextlib
import os
import select
import threading
from collections.abc import Callable

JOIN_TIMEOUT = 1.0  # the thread has nothing to do but to end


class HostWatch:
    """Calls back once when the host has died.

    That is when the parent has ended and nobody reads our stdout any more: a parent
    alone may be a launcher that leaves the plugin to a host, and a host alone may
    choose not to read. The kernel closes a process's pipes before it announces its end.

    Needs pidfds (Linux); without them, and without a parent, it never calls.
    """

    def __init__(self, stdout: int, on_death: Callable[[], None]) -> None:
        """Start to watch.

        Args:
            stdout: The descriptor that the host reads; must stay open until `close`.
            on_death: Called on a thread of the watch's own.
        """
        self._stdout = stdout
        self._on_death = on_death
        self._thread: threading.Thread | None = None
        if not hasattr(os, "pidfd_open"):
            return
        with contextlib.ExitStack() as undo:
            try:
                self._parent = os.pidfd_open(os.getppid())
            except OSError:
                return  # another namespace's, or a sandbox
            undo.callback(os.close, self._parent)
            self._woken, self._wake = os.pipe()
            undo.callback(os.close, self._woken)
            undo.callback(os.close, self._wake)
            thread = threading.Thread(
                target=self._run, name="goplugin-host", daemon=True
            )
            thread.start()
            self._thread = thread
            self._undo = undo.pop_all()

    def _run(self) -> None:
        # A pipe that nobody reads is reported without being asked for.
        for fd, events in ((self._parent, select.POLLIN), (self._stdout, 0)):
            poll = select.poll()
            poll.register(fd, events)
            poll.register(self._woken, select.POLLIN)
            if any(each == self._woken for each, _ in poll.poll()):
                return
        self._on_death()

    def close(self) -> None:
        """Stop watching. Idempotent; not to be called by `on_death`."""
        thread, self._thread = self._thread, None
        if thread is not None:
            os.write(self._wake, b"\0")
            thread.join(JOIN_TIMEOUT)
            self._undo.close()
