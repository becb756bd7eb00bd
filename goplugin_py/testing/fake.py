"""A runner without a plugin."""

from __future__ import annotations

import os
import signal
import threading
from typing import BinaryIO

from goplugin_py.process.runner import RunnerSpec, SameAddresses


class FakeRunner(SameAddresses):
    """Prints what a test wants, and ends when a test wants it.

    Its class, or a function that returns one, is a runner for `ClientConfig`.
    """

    name = "fake"
    id = "fake-1"
    stdout: BinaryIO
    stderr: BinaryIO

    def __init__(self, spec: RunnerSpec | None = None) -> None:
        self.spec = spec or RunnerSpec()
        """What was to be run."""
        self.started = threading.Event()
        self.killed = threading.Event()
        self._lock = threading.Lock()  # guards the two below
        self._writers: dict[str, int] = {}
        self._status: int | None = None
        self._ended = threading.Event()

    def start(self) -> None:
        """See `Runner.start`."""
        for stream in ("stdout", "stderr"):
            reading, self._writers[stream] = os.pipe()
            setattr(self, stream, open(reading, "rb", buffering=0))  # noqa: SIM115
        self.started.set()

    def print(self, text: str) -> None:
        """Write to stdout, whose first line is the handshake."""
        os.write(self._writers["stdout"], text.encode())

    def complain(self, text: str) -> None:
        """Write to stderr."""
        os.write(self._writers["stderr"], text.encode())

    def end(self, status: int = 0) -> None:
        """End, as a plugin does; the first status counts."""
        with self._lock:
            if not self._ended.is_set():
                self._status = status
                for descriptor in self._writers.values():
                    os.close(descriptor)
                self._ended.set()

    def wait(self) -> int | None:
        """See `AttachedRunner.wait`."""
        self._ended.wait()
        return self._status

    def kill(self) -> None:
        """See `AttachedRunner.kill`."""
        self.killed.set()
        self.end(-signal.SIGKILL)

    def diagnose(self) -> list[str]:
        """Return nothing: all is as the test wants it."""
        return []
