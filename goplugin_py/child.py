"""A plugin's process as a child of this host: its line, its log, its end."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from goplugin_py.config.client import ClientConfig
from goplugin_py.errors import (
    ExitedEarly,
    HandshakeError,
    LaunchError,
)
from goplugin_py.net import directories, sockets
from goplugin_py.process.local import LocalRunner, describe_status
from goplugin_py.process.log import StderrLog
from goplugin_py.process.output import FirstLine, OutputReader
from goplugin_py.process.runner import AddressTranslator, RunnerSpec
from goplugin_py.process.running import SpawnedProcess
from goplugin_py.wire.environ import child_environ, host_variables, inherited_environ
from goplugin_py.wire.handshake import Handshake

# A plugin that reacts to SIGTERM needs milliseconds; one that is stuck never does.
TERM_TIMEOUT = 0.3
# After SIGKILL, for a thread whose input has ended, which takes milliseconds, unless a
# handler of the user's log holds it up; or for a runner, which may have to ask others.
# Both together stay below the second that `Client.kill` may take beyond its grace.
JOIN_TIMEOUT = 0.6
# What a plugin says to a person who runs it, or to a host with another cookie
# (go-plugin: Serve).
RUN_BY_HAND = " is a plugin"

if TYPE_CHECKING:
    from goplugin_py.process.custom import CustomRunner
    from goplugin_py.wire.certificates import Identity

_log = logging.getLogger("goplugin.launch")


class PluginProcess:
    """A started plugin process: its first line, its log and its end."""

    def __init__(self, config: ClientConfig, identity: Identity | None) -> None:
        """Prepare; `start` begins.

        Args:
            config: What to start.
            identity: Our certificate, which the plugin is told; None without AutoMTLS.
        """
        self._command = tuple(config.command or ())
        self._config = config
        self._notes: Sequence[str] | None = None
        self.first_line = FirstLine()
        self.socket_directory = ""
        """Where both sides make sockets, once a runner has the plugin; else empty."""
        self._custom: CustomRunner | None = None
        self.runner: SpawnedProcess
        if config.runner is None:
            self.runner = _local_runner(config, _environ(config, identity))
        else:
            self.runner = self._custom = _custom_runner(
                config, lambda: self._specify(identity)
            )

    def start(self, proceed: Callable[[], None]) -> None:
        """Start the process.

        Args:
            proceed: Called now and then while this takes long; may raise to end it.

        Raises:
            LaunchError: It could not be started, or it is the wrong one.
            ConfigError: There is nowhere to make sockets for a runner.
        """
        try:
            self.runner.start(proceed)
            try:
                self._read()
            except BaseException:
                self.runner.discard()
                raise
        except BaseException as exc:
            self._remove_sockets()
            if isinstance(exc, LaunchError):
                exc.command = self._command
            if not isinstance(exc, OSError) or isinstance(exc, LaunchError):
                raise
            program = self._command[0] if self._command else self.runner.name
            raise LaunchError(
                f"can't run {program!r}: {exc.strerror or exc}"
            ).with_evidence(
                command=self._command,
                stderr_tail=(),
                notes=self.runner.diagnose(exc),
            ) from exc

    def _specify(self, identity: Identity | None) -> RunnerSpec:
        config = self._config
        place = config.unix_socket and config.unix_socket.directory
        self.socket_directory = directories.shared_directory(
            place or "", _group(config)
        )
        return RunnerSpec(
            command=self._command,
            env=_environ(config, identity, self.socket_directory),
            cwd=_cwd(config),
            stdin=config.stdin,
            detach=config.detach,
            socket_directory=self.socket_directory,
            socket_group=_group(config),
        )

    def _read(self) -> None:
        self.log = StderrLog(self._config.logger, self.runner.name)
        self.output = OutputReader(
            self.runner,
            on_stdout=self._take_stdout,
            on_stderr=self.log.feed,
            on_exit=self._report_exit,
        )
        self.output.start()

    @property
    def has_exited(self) -> bool:
        """Whether it has ended, and all of its output was handed on."""
        return self.output.exited.is_set() and not self._is_lost

    @property
    def _is_lost(self) -> bool:
        return self._custom is not None and self._custom.is_lost

    @property
    def name(self) -> str:
        """A short name for logs and threads."""
        return self.runner.name

    @property
    def id(self) -> str:
        """What it goes by: the process id, unless its runner has another one."""
        return self.runner.id

    @property
    def pid(self) -> int | None:
        """The process id; None where a runner has other ones."""
        return self.runner.pid

    @property
    def translator(self) -> AddressTranslator | None:
        """Translates addresses, where a runner has others; raises ValueError."""
        return None if self._custom is None else self._custom.translator

    @property
    def state(self) -> str:
        """The end in words, or that there was none."""
        if self.has_exited and self.status is None:
            return "it has ended"
        return describe_status(self.status)

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
        self.output.exited.wait(timeout)
        return self.has_exited

    def release(self) -> None:
        """Do nothing: the thread that watches it ends with it."""

    def _take_stdout(self, data: bytes) -> None:
        if data:
            self.first_line.feed(data)
        else:
            self.first_line.finish()

    def _report_exit(self, status: int | None) -> None:
        if not self._is_lost:
            words = "nobody knows how" if status is None else describe_status(status)
            _log.info("plugin %s ended: %s", self.runner.name, words)
        self._remove_sockets()

    def _remove_sockets(self) -> None:
        if self.socket_directory:
            import shutil  # slow, and few plugins have such a directory

            shutil.rmtree(self.socket_directory, ignore_errors=True)
            return
        # A plugin that is killed, or crashes, leaves its socket behind.
        with contextlib.suppress(HandshakeError):
            address = Handshake.parse(self.first_line.text or "").address
            if address.network == "unix":
                sockets.remove_abandoned(address.text)

    def end(self) -> None:
        """End the process: by SIGTERM, on which plugins tidy up, then by force."""
        if not self.has_exited:
            self.runner.signal(signal.SIGTERM)
            if not self.output.exited.wait(TERM_TIMEOUT):
                self.kill()

    def kill(self) -> None:
        """End the process by force, and wait for its last output."""
        if self.has_exited:
            return
        self.runner.kill()
        if not self.output.join(JOIN_TIMEOUT) and self._custom is not None:
            self._custom.abandon()

    def reachable(self, handshake: Handshake) -> Handshake:
        """Return the handshake with the address by which we reach the plugin.

        Raises:
            LaunchError: Its runner has none.
        """
        if self.translator is None:
            return handshake
        try:
            address = self.translator.plugin_to_host(handshake.address)
        except ValueError as exc:
            raise LaunchError(f"the plugin can't be reached: {exc}") from exc
        return replace(handshake, address=address)

    def examine(self) -> None:
        """Look for what may explain a failure, before the process is killed."""
        if self._notes is None:
            self._notes = self.runner.diagnose()

    def explain(self, error: LaunchError) -> None:
        """Attach what is known about a process that has ended."""
        error.with_evidence(
            command=self._command,
            stderr_tail=self.log.tail,
            notes=[*self._all_notes(), *self._cookie_note(error)],
        )

    def _all_notes(self) -> Iterator[str]:
        yield from self._notes or ()
        if self._custom is not None:
            yield from self._custom.last_words

    def _cookie_note(self, error: LaunchError) -> Iterator[str]:
        if isinstance(error, ExitedEarly) and any(
            RUN_BY_HAND in line for line in self.log.tail
        ):
            key, value = self._config.handshake.cookie
            yield (
                f"the plugin does not take the magic cookie {key}={value}: it must be "
                "the one that the plugin was built with"
            )


def _local_runner(config: ClientConfig, environ: dict[str, str]) -> LocalRunner:
    assert config.command is not None
    return LocalRunner(
        config.command,
        environ,
        cwd=_cwd(config),
        stdin=config.stdin,
        secure=config.secure,
        detach=config.detach,
    )


def _custom_runner(
    config: ClientConfig, specify: Callable[[], RunnerSpec]
) -> CustomRunner:
    # Few hosts need it, and each start would pay for the import.
    from goplugin_py.process.custom import CustomRunner

    assert config.runner is not None
    name = os.path.basename(config.command[0]) if config.command else "plugin"
    return CustomRunner(name, config.runner, specify, config.start_timeout)


def _cwd(config: ClientConfig) -> str | None:
    return None if config.cwd is None else os.fspath(config.cwd)


def _group(config: ClientConfig) -> str:
    return (config.unix_socket and config.unix_socket.group) or ""


def _environ(
    config: ClientConfig, identity: Identity | None, socket_directory: str = ""
) -> dict[str, str]:
    chosen = (config.unix_socket and config.unix_socket.directory) or ""
    ours = host_variables(
        cookie=config.handshake.cookie,
        versions=config.plugin_sets,
        min_port=config.min_port,
        max_port=config.max_port,
        client_certificate=identity.certificate_pem if identity is not None else "",
        multiplex=config.broker_multiplex,
        socket_dir=socket_directory or chosen,
        socket_group=_group(config),
        outlive_host=config.detach,
    )
    inherited = inherited_environ(os.environ, config.inherit_env)
    return child_environ(inherited, config.env, ours)
