"""A plugin's process as a child of this host: its line, its log, its end."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
from collections.abc import Callable, Iterator

from goplugin_py.config import ClientConfig
from goplugin_py.errors import (
    ChecksumMismatch,
    ExitedEarly,
    HandshakeError,
    LaunchError,
)
from goplugin_py.net import sockets
from goplugin_py.process.local import LocalRunner, describe_status
from goplugin_py.process.log import StderrLog
from goplugin_py.process.output import FirstLine, OutputReader
from goplugin_py.wire.certificates import Identity
from goplugin_py.wire.environ import child_environ, host_variables
from goplugin_py.wire.handshake import Handshake

# A plugin that reacts to SIGTERM needs milliseconds; one that is stuck never does.
TERM_TIMEOUT = 0.3
# After SIGKILL, for a thread whose input has ended: it takes milliseconds.
JOIN_TIMEOUT = 1.0
# What a plugin says to a person who runs it, or to a host with another cookie
# (go-plugin: Serve).
RUN_BY_HAND = " is a plugin"

_log = logging.getLogger("goplugin.launch")


class PluginProcess:
    """A started plugin process: its first line, its log and its end."""

    def __init__(
        self,
        config: ClientConfig,
        identity: Identity | None,
        proceed: Callable[[], None],
    ) -> None:
        """Start the process.

        Args:
            config: What to start.
            identity: Our certificate, which the plugin is told; None without AutoMTLS.
            proceed: Called now and then while this takes long; may raise to end it.

        Raises:
            LaunchError: The system can't run the command, or it is the wrong one.
        """
        assert config.command is not None
        self._command = tuple(config.command)
        self._handshake = config.handshake
        self.runner = LocalRunner(
            self._command,
            _environ(config, identity),
            cwd=None if config.cwd is None else os.fspath(config.cwd),
            stdin=config.stdin,
            secure=config.secure,
            detach=config.detach,
        )
        self.log = StderrLog(config.logger, self.runner.name)
        self.first_line = FirstLine()
        try:
            self.runner.start(proceed)
            self.output = self._read_output()
        except ChecksumMismatch as exc:
            exc.command = self._command
            raise
        except OSError as exc:
            raise LaunchError(
                f"can't run {self._command[0]!r}: {exc.strerror or exc}"
            ).with_evidence(
                command=self._command,
                stderr_tail=(),
                notes=self.runner.diagnose(exc),
            ) from exc

    def _read_output(self) -> OutputReader:
        try:
            reader = OutputReader(
                self.runner,
                on_stdout=self._take_stdout,
                on_stderr=self.log.feed,
                on_exit=self._report_exit,
            )
            reader.start()
        except BaseException:
            self.runner.discard()
            raise
        return reader

    @property
    def has_exited(self) -> bool:
        """Whether it has ended, and all of its output was handed on."""
        return self.output.exited.is_set()

    @property
    def name(self) -> str:
        """A short name for logs and threads."""
        return self.runner.name

    @property
    def pid(self) -> int | None:
        """The process id."""
        return self.runner.pid

    @property
    def status(self) -> int | None:
        """The exit status; None before the end."""
        return self.runner.status

    @property
    def is_spared(self) -> bool:
        """Whether a client that is killed must let it live: never."""
        return False

    def wait(self, timeout: float | None) -> bool:
        """Wait for the end as `has_exited` has it; return whether it has come."""
        return self.output.exited.wait(timeout)

    def release(self) -> None:
        """Do nothing: the thread that watches it ends with it."""

    def _take_stdout(self, data: bytes) -> None:
        if data:
            self.first_line.feed(data)
        else:
            self.first_line.finish()

    def _report_exit(self, status: int) -> None:
        _log.info("plugin %s ended: %s", self.runner.name, describe_status(status))
        # A plugin that is killed, or crashes, leaves its socket behind.
        with contextlib.suppress(HandshakeError):
            address = Handshake.parse(self.first_line.text or "").address
            if address.network == "unix":
                sockets.remove_stale(address.text)

    def end(self) -> None:
        """End the process: by SIGTERM, on which plugins tidy up, then by force."""
        if not self.has_exited:
            self.runner.signal(signal.SIGTERM)
            if not self.output.exited.wait(TERM_TIMEOUT):
                self.kill()

    def kill(self) -> None:
        """End the process by force, and wait for its last output."""
        if not self.has_exited:
            self.runner.kill()
            self.output.join(JOIN_TIMEOUT)

    def explain(self, error: LaunchError) -> None:
        """Attach what is known about a process that has ended."""
        error.with_evidence(
            command=self._command,
            stderr_tail=self.log.tail,
            notes=[*self.runner.diagnose(), *self._cookie_note(error)],
        )

    def _cookie_note(self, error: LaunchError) -> Iterator[str]:
        if isinstance(error, ExitedEarly) and any(
            RUN_BY_HAND in line for line in self.log.tail
        ):
            key, value = self._handshake.cookie
            yield (
                f"the plugin does not take the magic cookie {key}={value}: it must be "
                "the one that the plugin was built with"
            )


def _environ(config: ClientConfig, identity: Identity | None) -> dict[str, str]:
    unix_socket = config.unix_socket
    ours = host_variables(
        cookie=config.handshake.cookie,
        versions=config.plugin_sets,
        min_port=config.min_port,
        max_port=config.max_port,
        client_certificate=identity.certificate_pem if identity is not None else "",
        multiplex=config.broker_multiplex,
        socket_dir=(unix_socket and unix_socket.directory) or "",
        socket_group=(unix_socket and unix_socket.group) or "",
        outlive_host=config.detach,
    )
    inherited = os.environ if config.inherit_env else {}
    return child_environ(inherited, config.env, ours)
