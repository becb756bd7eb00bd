"""Starts a plugin as a host would, without one, for a close look at its process."""

import os
import select
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from goplugin_py import Address
from goplugin_py.wire.environ import VOCABULARY
from interop.echo_plugin import COMMAND, HANDSHAKE
from interop.fixtures import ROOT

# Python starts beside other tests.
START_TIMEOUT = 30.0
EXIT_TIMEOUT = 10.0


@dataclass(frozen=True, slots=True)
class Started:
    """A plugin that has printed its line."""

    process: subprocess.Popen[str]
    line: str

    @property
    def fields(self) -> list[str]:
        """The fields of the handshake line."""
        return self.line.removesuffix("\n").split("|")

    @property
    def address(self) -> Address:
        """Where it listens."""
        return Address(self.fields[2], self.fields[3])

    def finish(self) -> tuple[int, str, str]:
        """Wait for its end; return the status, more stdout, and stderr."""
        stdout, stderr = self.process.communicate(timeout=EXIT_TIMEOUT)
        return self.process.returncode, stdout, stderr


def environ(env: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return an environment with the cookie and no other variable of a host's."""
    kept = {name: os.environ[name] for name in os.environ if name not in VOCABULARY}
    return {**kept, **dict([HANDSHAKE.cookie]), **(env or {})}


@contextmanager
def started(
    env: Mapping[str, str] | None = None, command: Sequence[str] = COMMAND
) -> Iterator[Started]:
    """Start a plugin and read its line; at the end it must end by SIGTERM."""
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=environ(env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield Started(process, _first_line(process))
            process.terminate()
            process.wait(EXIT_TIMEOUT)
        finally:
            process.kill()


def _first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    readable, _, _ = select.select([process.stdout], [], [], START_TIMEOUT)
    assert readable, "the plugin prints no line"
    return process.stdout.readline()
