"""The Go host on Vault's SDK, and what it is told to do to a Python plugin."""

import json
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from interop.fixtures import ROOT, binary

EXAMPLE = ROOT / "examples" / "vault"
# An answer takes milliseconds, and the start of a plugin one second on an idle machine.
ANSWER_WAIT = 60.0


class VaultHost:
    """A `vault-host` that runs, and answers."""

    def __init__(self, process: "subprocess.Popen[bytes]", log: Path) -> None:
        self._process = process
        self._log = log
        self.pids: list[int] = []
        """The plugin's processes, as the last answer about them said."""

    @property
    def log(self) -> str:
        """What the host and the plugin have logged so far."""
        return self._log.read_text()

    def tell(self, do: str, name: str, **more: Any) -> None:
        """Send a command, for `answer` to wait for."""
        assert self._process.stdin is not None
        line = json.dumps({"do": do, "name": name, **more})
        self._process.stdin.write(line.encode() + b"\n")

    def answer(self) -> dict[str, Any]:
        stdout = self._process.stdout
        assert stdout is not None
        assert select.select([stdout], [], [], ANSWER_WAIT)[0], "no answer"
        line = stdout.readline()
        assert line, f"the host has ended:\n{self.log}"
        answer: dict[str, Any] = json.loads(line)
        self.pids = answer.get("pids", self.pids)
        return answer

    def ask(self, do: str, name: str, **more: Any) -> dict[str, Any]:
        """Return the answer to a command that works."""
        self.tell(do, name, **more)
        answer = self.answer()
        assert "error" not in answer, answer
        return answer

    def error(self, do: str, name: str, **more: Any) -> str:
        """Return the error of a command that does not work."""
        self.tell(do, name, **more)
        return str(self.answer()["error"])

    def request(
        self, name: str, operation: str, path: str, data: Any = None
    ) -> dict[str, Any]:
        """Return the answer to a user's request."""
        return self.ask("request", name, operation=operation, path=path, data=data)

    def refused(self, name: str, operation: str, path: str, data: Any = None) -> str:
        """Return the error of a user's request."""
        return self.error("request", name, operation=operation, path=path, data=data)


@contextmanager
def vault_host(script: str, directory: Path, *options: str) -> Iterator[VaultHost]:
    """Run a Go host for a plugin of examples/vault; it must end well.

    Args:
        script: The plugin's file.
        directory: For a launcher, as users have one, and for the log.
        options: Of the host.
    """
    launcher = directory / "plugin"
    launcher.write_text(f"#!/bin/sh\nexec '{sys.executable}' '{EXAMPLE / script}'\n")
    launcher.chmod(0o755)
    log = directory / "log"
    process = subprocess.Popen(
        [binary("vault-host"), f"-log={log}", *options, launcher],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        # So that no line waits in a buffer, where select would not see it.
        bufsize=0,
    )
    try:
        yield VaultHost(process, log)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(ANSWER_WAIT) == 0
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            pipe.close()
