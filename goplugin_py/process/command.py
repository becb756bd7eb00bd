"""A runner that is a command, such as one of `unshare`, `bwrap` or a container tool."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from typing import IO

from goplugin_py.process.diagnosis import diagnose
from goplugin_py.process.runner import (
    AddressTranslator,
    DirectoryTranslator,
    RunnerSpec,
    SameAddresses,
)
from goplugin_py.wire.address import Address
from goplugin_py.wire.environ import UNIX_SOCKET_DIR


class CommandRunner:
    """Runs a command whose output and end are the plugin's.

    The command must keep the two streams apart and unchanged (no terminal), pass the
    environment on, end with the plugin and with its status, and take the plugin along
    when it is killed.
    """

    def __init__(
        self,
        spec: RunnerSpec,
        *,
        command: Sequence[str] | None = None,
        sockets_at: str | None = None,
    ) -> None:
        """Prepare.

        Args:
            spec: What to run.
            command: The command that runs it, looked up on the `PATH` of this process;
                None runs the spec's own, on the plugin's.
            sockets_at: Where the plugin finds the socket directory, if the command
                shows it under another path; addresses outside are refused then.
        """
        self._spec = spec
        self._command = list(spec.command if command is None else _found(command))
        self._env = dict(spec.env)
        self._translator: AddressTranslator = SameAddresses()
        if sockets_at is not None:
            self._env[UNIX_SOCKET_DIR] = sockets_at
            self._translator = DirectoryTranslator(
                host=spec.socket_directory, plugin=sockets_at
            )
        self.name = os.path.basename((*spec.command, *self._command)[0])
        """The name of the plugin's program."""

    def start(self) -> None:
        """See `Runner.start`."""
        self._process = subprocess.Popen(
            self._command,
            env=self._env,
            cwd=self._spec.cwd,
            stdin=self._spec.stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            start_new_session=self._spec.detach,
        )

    @property
    def id(self) -> str:
        """The process id of the command."""
        return str(self._process.pid)

    @property
    def stdout(self) -> IO[bytes]:
        """See `Runner.stdout`."""
        assert self._process.stdout is not None
        return self._process.stdout

    @property
    def stderr(self) -> IO[bytes]:
        """See `Runner.stderr`."""
        assert self._process.stderr is not None
        return self._process.stderr

    def wait(self) -> int:
        """See `AttachedRunner.wait`."""
        return self._process.wait()

    def kill(self) -> None:
        """End the command by SIGKILL."""
        self._process.kill()

    def diagnose(self) -> list[str]:
        """Say what a look at the command says."""
        program = self._command[0]
        return diagnose(shutil.which(program, path=self._env.get("PATH")) or program)

    def plugin_to_host(self, address: Address) -> Address:
        """See `AddressTranslator.plugin_to_host`."""
        return self._translator.plugin_to_host(address)

    def host_to_plugin(self, address: Address) -> Address:
        """See `AddressTranslator.host_to_plugin`."""
        return self._translator.host_to_plugin(address)


def _found(command: Sequence[str]) -> list[str]:
    program, *arguments = command
    return [shutil.which(program) or program, *arguments]
