"""Runners of the tests' own."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import IO, Any

from goplugin_py import Address, RunnerSpec
from goplugin_py.process.command import CommandRunner


class PlainRunner:
    """All that a runner has to be, with nothing of the library's."""

    def __init__(self, spec: RunnerSpec) -> None:
        self._spec = spec
        self.name = os.path.basename(spec.command[0])

    def start(self) -> None:
        self._process = subprocess.Popen(
            self._spec.command,
            env=self._spec.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.id = f"plain-{self._process.pid}"

    @property
    def stdout(self) -> IO[bytes]:
        assert self._process.stdout is not None
        return self._process.stdout

    @property
    def stderr(self) -> IO[bytes]:
        assert self._process.stderr is not None
        return self._process.stderr

    def wait(self) -> int:
        return self._process.wait()

    def kill(self) -> None:
        self._process.kill()

    def diagnose(self) -> list[str]:
        return []

    def plugin_to_host(self, address: Address) -> Address:
        return address

    def host_to_plugin(self, address: Address) -> Address:
        return address


class Tampered(CommandRunner):
    """A good runner, some of whose members a test replaces."""

    changes: dict[str, Any]

    def __getattribute__(self, name: str) -> Any:
        changes = type(self).changes
        return (
            changes[name](self) if name in changes else super().__getattribute__(name)
        )

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The command's."""
        return self._process

    def sweep(self) -> None:
        """End and reap the command, whatever the changes."""
        if hasattr(self, "_process"):
            self._process.send_signal(signal.SIGKILL)
            with self._process:
                pass


def tampered(**changes: Any) -> type[Tampered]:
    """Return a runner with members that are made by functions of it."""
    return type("Tampered", (Tampered,), {"changes": changes})
