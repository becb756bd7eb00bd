"""Where a plugin's log lines go: its original stderr."""

import logging
import os
import select
import threading
from contextlib import suppress
from typing import TextIO

from goplugin_py.hclog.records import JSONFormatter

STDERR = 2
# A pipe that its reader has left full for so long has no reader any more; the line is
# dropped rather than the plugin stopped. Only met when someone made it non-blocking.
STALL_TIMEOUT = 5.0


class _LogFile:
    """The descriptor that log lines go to. Its lock guards the descriptor.

    The lock is held while a line is written, so that `redirect` returns only when
    nobody uses the old descriptor any more, and so that lines don't mix.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._lock = threading.RLock()  # reentrant: signal handlers log too
        os.register_at_fork(after_in_child=self._renew_lock)

    def redirect(self, fd: int) -> int:
        with self._lock:
            previous, self._fd = self._fd, fd
        return previous

    def write(self, line: str) -> None:
        """Write a line, in one call where the system takes it whole."""
        data = memoryview(line.encode("utf-8", "backslashreplace") + b"\n")
        with self._lock, suppress(OSError):  # without a reader there is nobody to tell
            while data:
                data = data[self._write_some(data) :]

    def _write_some(self, data: memoryview) -> int:
        try:
            return os.write(self._fd, data)
        except BlockingIOError:
            poll = select.poll()
            poll.register(self._fd, select.POLLOUT)
            if not poll.poll(STALL_TIMEOUT * 1000):
                raise
            return 0

    def _renew_lock(self) -> None:
        # The thread that held it in the parent does not exist in the child.
        self._lock = threading.RLock()


_log_file = _LogFile(STDERR)


def redirect(fd: int) -> int:
    """Send log lines to another descriptor from now on; return the previous one.

    `serve` calls this before it points descriptor 2 at the stdio service, with a
    duplicate of the original stderr, and again with the returned value when it
    stops. When this returns, no line is on its way to the previous descriptor. The
    caller keeps ownership of both.
    """
    return _log_file.redirect(fd)


class StderrHandler(logging.Handler):
    """Writes each record as one line to the plugin's original stderr.

    A Go or Python host reads logs there, while `sys.stderr` and descriptor 2 may
    belong to the stdio service by then. Each line is one write, so that lines of
    several processes don't mix. A host that is gone is no error.

    Args:
        stream: Write to this text stream instead; it is flushed after each line.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        super().__init__()
        self._stream = stream
        self.setFormatter(JSONFormatter())

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record; failures go to `handleError`, as in all handlers."""
        try:
            self.write_line(self.format(record))
        except Exception:
            self.handleError(record)

    def write_line(self, line: str) -> None:
        """Write a finished line, given without its line ending."""
        if self._stream is None:
            _log_file.write(line)
            return
        self.acquire()
        try:
            self._write_to(self._stream, line + "\n")
        finally:
            self.release()

    @staticmethod
    def _write_to(stream: TextIO, text: str) -> None:
        if getattr(stream, "closed", False):
            return
        with suppress(OSError):
            stream.write(text)
            stream.flush()
