"""Pipes in the place of a process's file descriptors 1 and 2.

Python's `print`, a C library's write and a child's output all end up in them.
"""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import sys
import threading
from typing import TYPE_CHECKING

from goplugin_py._pb.stdio_pb2 import StdioData

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

# Room for a plugin that prints before its host listens; Linux's default maximum.
PIPE_SIZE = 1024 * 1024
# A flush takes a moment, unless nobody reads the pipe.
FLUSH_TIMEOUT = 0.2


class Capture:
    """Pipes in the place of the descriptors 1 and 2, until `release`.

    The original descriptors live on as `stdout` and `stderr`, not inherited by
    children: a child that kept them open would keep the host waiting. `sys.stdout` and
    `sys.stderr` are replaced by streams that pass on each line at once, and that stay.
    """

    def __init__(self, stdout: int = 1) -> None:
        """Redirect both descriptors.

        Args:
            stdout: Where the real stdout is now, if not at 1.
        """
        flush()
        self.stdout = os.dup(stdout)
        self.stderr = os.dup(2)
        self.readers = {
            _replace(1): StdioData.STDOUT,
            _replace(2): StdioData.STDERR,
        }
        for name in ("stdout", "stderr"):
            setattr(sys, name, _by_line(getattr(sys, name)))

    def release(self) -> None:
        """Put the original descriptors back."""
        flush()
        os.dup2(self.stdout, 1)
        os.dup2(self.stderr, 2)
        for fd in (self.stdout, self.stderr, *self.readers):
            os.close(fd)


def _replace(fd: int) -> int:
    """Put a pipe's writing end in the place of a descriptor; return the other."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    if hasattr(fcntl, "F_SETPIPE_SZ"):
        # A system may allow less; the pipe then keeps the size it has.
        with contextlib.suppress(OSError):
            fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, PIPE_SIZE)
    os.dup2(writing, fd)
    os.close(writing)
    return reading


def _by_line(stream: object) -> object:
    """Return a stream like an ordinary one of text, but without its lock.

    Python's buffer holds a lock while it writes. If a daemon thread is in there when
    the interpreter ends, that waits a second for the lock, and then aborts.
    """
    if not isinstance(stream, io.TextIOWrapper) or stream.closed:
        return stream
    try:
        file = _WholeFile(stream.fileno(), "w", closefd=False)
    except OSError:
        return stream  # no descriptor of its own: a test's, or a program's
    stream.reconfigure(line_buffering=True)  # for whoever has kept it
    return io.TextIOWrapper(file, stream.encoding, stream.errors, line_buffering=True)


class _WholeFile(io.FileIO):
    """A file that writes all it is given."""

    def write(self, data: ReadableBuffer, /) -> int:
        """Write, as often as signals make it necessary."""
        rest = memoryview(data).cast("B")
        size = len(rest)
        while rest:
            written = super().write(rest)
            if written is None:
                raise BlockingIOError(f"descriptor {self.fileno()} would block")
            rest = rest[written:]
        return size


def flush() -> None:
    """Flush stdout and stderr, but don't wait for a reader that may never come."""
    thread = threading.Thread(target=_flush_streams, daemon=True)
    thread.start()
    thread.join(FLUSH_TIMEOUT)


def _flush_streams() -> None:
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            # A stream that the program has closed has nothing to lose.
            with contextlib.suppress(ValueError, OSError):
                stream.flush()
