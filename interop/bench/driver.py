"""A host under measurement: its process, and questions to it."""

import os
import select
import subprocess
import tempfile
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from interop.bench.environment import variables
from interop.fixtures import ROOT

# The slowest answer, fifty plugins started one by one, takes 10 s on two busy cores.
ANSWER_TIMEOUT = 120.0
END_TIMEOUT = 20.0
READY = "ready "
STDERR_TAIL = 500


class Refused(Exception):
    """A host could not do what it was asked for; the text says why."""


class Driver:
    """A process that answers each line with a line, as `interop.bench.hosts` says."""

    def __init__(self, command: Sequence[str]) -> None:
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - `close` does
        self._rest = b""
        self._start = time.perf_counter()
        self._process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=variables(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            bufsize=0,
        )
        self.pid = self._process.pid
        self.plugin_pid = 0

    def wait(self) -> float:
        """Return the seconds from the start to the first reply.

        Raises:
            Refused: It did not start.
        """
        line = self._line()
        took = time.perf_counter() - self._start
        self.plugin_pid = int(line.removeprefix(READY))
        return took

    def ask(self, line: str) -> list[float]:
        """Return the numbers that a command is answered with.

        Raises:
            Refused: It can't do that, or has ended.
        """
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n".encode())
        answer = self._line()
        if answer.startswith("error"):
            raise Refused(answer)
        return [float(number) for number in answer.split()]

    def _line(self) -> str:
        assert self._process.stdout is not None
        end = time.monotonic() + ANSWER_TIMEOUT
        while b"\n" not in self._rest:
            left = end - time.monotonic()
            if not select.select([self._process.stdout], [], [], max(left, 0))[0]:
                raise Refused(f"no answer for {ANSWER_TIMEOUT:.0f} s")
            data = os.read(self._process.stdout.fileno(), 1 << 20)
            if not data:
                raise Refused(f"it has ended: {self._last_words()}")
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\n")
        return line.decode()

    def _last_words(self) -> str:
        self._stderr.seek(0)
        return self._stderr.read().decode(errors="replace")[-STDERR_TAIL:].strip()

    def hang_up(self) -> None:
        """Let the process end, which ends its plugins."""
        assert self._process.stdin is not None
        self._process.stdin.close()

    def close(self) -> None:
        """End the process, and wait for that."""
        self.hang_up()
        with self._process as process, self._stderr:
            try:
                process.wait(END_TIMEOUT)
            except subprocess.TimeoutExpired:
                process.kill()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
