"""A plugin as a child process of this host."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from goplugin_py.process.diagnosis import diagnose
from goplugin_py.process.keeper import END_TIMEOUT, StderrKeeper
from goplugin_py.process.lifeline import Lifeline
from goplugin_py.process.status import ExitStatus

if TYPE_CHECKING:
    from goplugin_py.process.secure import SecureConfig, VerifiedProgram

REAP_TIMEOUT = 5.0  # a killed process is reaped in milliseconds, unless it is in I/O

_log = logging.getLogger("goplugin.process")


class LocalRunner:
    """Runs a command with pipes for stdout and stderr, and stdin inherited.

    The process is started without a shell and without code between fork and exec,
    which would not be safe beside gRPC's threads.
    """

    def __init__(
        self,
        command: Sequence[str],
        env: Mapping[str, str],
        *,
        cwd: str | None = None,
        stdin: int | None = None,
        secure: SecureConfig | None = None,
        detach: bool = False,
    ) -> None:
        self._command = list(command)
        self._env = dict(env)
        self._cwd = cwd
        self._stdin = stdin
        self._detach = detach
        self._secure = secure
        self._program: VerifiedProgram | None = None
        self._keeper: StderrKeeper | None = None
        self._lifeline: Lifeline | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._reaping = threading.Lock()  # guards reaping against signalling

    @property
    def name(self) -> str:
        """A short name for logs and threads: the program's file name."""
        return os.path.basename(self._command[0])

    @property
    def id(self) -> str:
        """The process id as text; empty before `start`."""
        return str(self._process.pid) if self._process is not None else ""

    @property
    def pid(self) -> int | None:
        """The process id; None before `start`."""
        return self._process.pid if self._process is not None else None

    def start(self, proceed: Callable[[], None] = lambda: None) -> None:
        """Start the process, with a check of the executable if there is to be one.

        Args:
            proceed: Called now and then during the check; may raise to end it.

        Raises:
            ChecksumMismatch: The executable is another one.
            OSError: The system can't run the command.
        """
        if self._secure is None:
            self._process = self._spawn(None, ())
            return
        from goplugin_py.process.secure import verify  # few starts need it

        program = verify(
            self._command[0],
            self._secure,
            env=self._env,
            cwd=self._cwd,
            proceed=proceed,
        )
        try:
            self._process = program.run(self._spawn)
        except BaseException:
            program.close()
            raise
        self._program = program

    def _spawn(
        self, executable: str | None, descriptors: tuple[int, ...]
    ) -> subprocess.Popen[bytes]:
        if not self._detach:
            process = self._popen(executable, descriptors, subprocess.PIPE)
            try:
                self._lifeline = Lifeline(process.pid)
            except FileNotFoundError:
                _log.warning("without /bin/sh a plugin outlives a host that is killed")
            except BaseException:
                process.kill()
                with process:  # closes its pipes, and reaps it
                    raise
            return process
        keeper = StderrKeeper()
        try:
            try:
                process = self._popen(executable, descriptors, keeper.inlet)
            finally:
                keeper.seal()
        except BaseException:
            keeper.close()
            raise
        self._keeper = keeper
        return process

    def _popen(
        self, executable: str | None, descriptors: tuple[int, ...], stderr: int
    ) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self._command,
            executable=executable,
            pass_fds=descriptors,
            stdin=self._stdin,
            stdout=subprocess.PIPE,
            stderr=stderr,
            bufsize=0,
            env=self._env,
            cwd=self._cwd,
            # A terminal that is closed takes its sessions along.
            start_new_session=self._detach,
        )

    @property
    def stdout(self) -> int:
        """The reading end of the plugin's stdout; valid until `close`."""
        return _fileno(self._started.stdout)

    @property
    def stderr(self) -> int:
        """The reading end of the plugin's stderr; valid until `close`."""
        if self._keeper is not None:
            return self._keeper.outlet
        return _fileno(self._started.stderr)

    @property
    def lag(self) -> float:
        """Seconds by which output may arrive later than the end of the process."""
        return 0.0 if self._keeper is None else END_TIMEOUT

    @property
    def status(self) -> int | None:
        """The exit status once reaped; a negative number is a signal."""
        return None if self._process is None else self._process.returncode

    def exit_notice(self) -> int:
        """Return a new descriptor that becomes readable when the process ends.

        The caller closes it. No thread polls for the end of a process.
        """
        pid = self._started.pid
        if hasattr(os, "pidfd_open"):
            return os.pidfd_open(pid)
        reading, writing = os.pipe()
        threading.Thread(
            target=self._announce_exit,
            args=(writing,),
            name=f"goplugin-wait-{self.name}",
            daemon=True,
        ).start()
        return reading

    def _announce_exit(self, writing: int) -> None:
        try:
            # Leaves the process a zombie, so that its id stays ours until reap().
            os.waitid(os.P_PID, self._started.pid, os.WEXITED | os.WNOWAIT)
        finally:
            os.close(writing)

    def reap(self) -> int:
        """Collect the exit status of a process that has ended, or is about to."""
        with self._reaping:
            if self._lifeline is not None:
                self._lifeline.cut()
                self._lifeline = None
            return self._started.wait(REAP_TIMEOUT)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, unless the process has been reaped."""
        with self._reaping:
            if self._process is not None:
                self._process.send_signal(number)

    def kill(self) -> None:
        """End the process by force."""
        self.signal(signal.SIGKILL)

    def discard(self) -> None:
        """End a process whose output nobody reads."""
        self.kill()
        self.reap()
        self.close()

    def close(self) -> None:
        """Close the pipes; the process has ended."""
        if self._program is not None:
            self._program.close()
        for pipe in (self._started.stdout, self._started.stderr):
            if pipe is not None:
                pipe.close()
        if self._keeper is not None:
            self._keeper.close()

    def diagnose(self, failure: OSError | None = None) -> list[str]:
        """Return what a look at the executable says about a failed start."""
        if self._cwd is not None and not os.path.isdir(self._cwd):
            return [f"the working directory {self._cwd} does not exist"]
        import shutil  # slow, and only needed when a start has failed

        program = self._command[0]
        path = self._env.get("PATH")
        return diagnose(shutil.which(program, path=path) or program, failure)

    @property
    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError("the process was not started")
        return self._process


def describe_status(status: int | None) -> str:
    """Return an exit status in words, with the name of a signal."""
    return "it is still running" if status is None else ExitStatus(status).text


def _fileno(pipe: object) -> int:
    fileno: int = pipe.fileno()  # type: ignore[attr-defined]
    return fileno
