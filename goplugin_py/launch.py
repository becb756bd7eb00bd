"""From a configuration to a running plugin.

The order is go-plugin's `Client.Start`: make a certificate, start the process with
its environment, wait for the handshake line, check it, connect. A first call is
made then, which go-plugin does not do: it leaves a link that can't work to be found
by the user's first call. When a step fails, everything that was opened is closed
again, and the error carries what there is to know about the plugin.
"""

from __future__ import annotations

import contextlib
import datetime
import logging
import os
import signal
import socket
import ssl
import threading
from collections.abc import Callable, Iterator

import grpc

from goplugin_py.config import ClientConfig
from goplugin_py.deadline import Deadline
from goplugin_py.errors import (
    ChecksumMismatch,
    ClientClosed,
    ExitedEarly,
    HandshakeError,
    LaunchError,
    MalformedHandshake,
    StartTimeout,
    TLSRefused,
)
from goplugin_py.net import sockets
from goplugin_py.process.local import LocalRunner, describe_status
from goplugin_py.process.log import StderrLog
from goplugin_py.process.output import FirstLine, OutputReader
from goplugin_py.process.running import RunningProcess
from goplugin_py.services.broker import BrokerStream, LinkBroker
from goplugin_py.services.channel import check_health, is_answer, open_channel
from goplugin_py.services.multiplex import MultiplexTransport, exchange_for
from goplugin_py.services.stdio import copy_stdio
from goplugin_py.services.transport import Listening, Transport
from goplugin_py.wire.address import Address
from goplugin_py.wire.certificates import Identity, generate
from goplugin_py.wire.environ import child_environ, host_variables
from goplugin_py.wire.handshake import MAX_LINE_LENGTH, Handshake

# A plugin that closes its stdout is usually about to end; its status is worth this.
STATUS_TIMEOUT = 1.0
# A plugin that reacts to SIGTERM needs milliseconds; one that is stuck never does.
TERM_TIMEOUT = 0.3
# After SIGKILL, and for threads whose input has ended: both take milliseconds.
JOIN_TIMEOUT = 1.0
# Output that is on its way comes without pauses of this length, or nearly so.
OUTPUT_PAUSE = 0.05
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


class Link:
    """A connected plugin: its process, channel, broker and stdio."""

    def __init__(
        self,
        config: ClientConfig,
        process: RunningProcess,
        handshake: Handshake,
        transport: Transport,
    ) -> None:
        """Connect; nothing is awaited yet."""
        name = process.name
        self.process = process
        self.handshake = handshake
        self.is_closed = False
        self._transport = transport
        self._connection = transport.connect(_literal(handshake.address))
        options = tuple(config.channel_options)
        self.target = self._connection.target
        with contextlib.ExitStack() as undo:
            undo.callback(self._connection.close)
            self.channel = open_channel(self.target, options)
            undo.callback(self.channel.close)
            self.broker = LinkBroker(exchange_for(transport), options)
            undo.callback(self.broker.close)
            self._broker_stream = BrokerStream(self.broker, self.channel, name)
            self._output_arrived = threading.Event()
            self._wants_output = bool(config.sync_stdout or config.sync_stderr)
            self._stdio = threading.Thread(
                target=copy_stdio,
                args=(
                    self.channel,
                    config.sync_stdout,
                    config.sync_stderr,
                    self._output_arrived.set,
                ),
                name=f"goplugin-stdio-{name}",
                daemon=True,
            )
            self._stdio.start()
            undo.pop_all()

    @property
    def failure(self) -> Exception | None:
        """Why the connection failed, where that is known."""
        return self._connection.failure

    def close_broker(self) -> None:
        """End what was brokered; the first step of a shutdown."""
        self.broker.close()
        self._broker_stream.close(JOIN_TIMEOUT)

    def settle(self, timeout: float) -> None:
        """Wait until the plugin's output pauses, if anybody wants it.

        A Go plugin that is told to shut down loses what it has not sent yet.
        """
        deadline = Deadline(timeout)
        while self._wants_output and self._stdio.is_alive():
            self._output_arrived.clear()
            if not self._output_arrived.wait(deadline.within(OUTPUT_PAUSE)):
                break

    def close(self, timeout: float) -> None:
        """Close the channel, once the plugin's last output has arrived.

        Args:
            timeout: Seconds to wait for that output.
        """
        self._stdio.join(timeout)
        self.channel.close()
        self._connection.close()
        self._transport.close()
        self.is_closed = True

    def forsake(self) -> None:
        """End the process and remove files, when nobody is left to close the link.

        Runs at the interpreter's end, or as a finalizer on whatever thread, so it
        must not wait for gRPC.
        """
        self.process.end()
        self.leave()

    def leave(self) -> None:
        """Remove files, as `forsake` does, and let the process live."""
        self.process.release()
        self._connection.close()
        self._transport.close()

    def abandon(self) -> None:
        """Close everything at once."""
        self.close_broker()
        self.close(timeout=0)


class Launch:
    """One attempt to start a plugin, which another thread may abort."""

    def __init__(self, config: ClientConfig) -> None:
        self._config = config
        self._deadline = Deadline(None)  # from the start of the process
        self._lock = threading.Lock()  # guards the four below
        self._process: PluginProcess | None = None
        self._link: Link | None = None
        self._is_aborted = False
        self._is_done = False

    def abort(self) -> None:
        """Make `run` fail soon, with its process gone; too late once it is done."""
        with self._lock:
            self._is_aborted = not self._is_done
            if self._process is not None and self._is_aborted:
                self._process.runner.kill()
            if self._link is not None and self._is_aborted:
                # What it listened on may not be the process's own.
                self._link.channel.close()

    def run(self) -> Link:
        """Start the plugin and connect to it.

        Raises:
            LaunchError: It did not work; the process is gone.
            ClientClosed: The launch was aborted.
        """
        identity = None
        if self._config.auto_mtls:
            identity = generate(datetime.datetime.now(datetime.UTC))
        with self._started(identity) as process:
            link = self._connect(process, self.handshake(process), identity)
            self._finish(link)
            return link

    def probe(self) -> Handshake:
        """Start the plugin only to read its handshake line.

        Raises:
            LaunchError: There was no such line.
        """
        with self._started(None) as process:
            handshake = Handshake.parse(self._line(process))
            process.kill()
            return handshake

    def _finish(self, link: Link) -> None:
        with self._lock:
            self._is_done = not self._is_aborted
        if not self._is_done:
            link.abandon()
            raise ClientClosed("the client was killed while it started")

    @contextlib.contextmanager
    def _started(self, identity: Identity | None) -> Iterator[PluginProcess]:
        process = PluginProcess(self._config, identity, self._refuse_aborted)
        self._deadline = Deadline(self._config.start_timeout)
        with self._lock:
            self._process = process
        try:
            self._refuse_aborted()
            yield process
        except BaseException as exc:
            process.kill()
            if self._is_aborted:
                raise ClientClosed("the client was killed while it started") from exc
            if isinstance(exc, OSError) and not isinstance(exc, LaunchError):
                error = LaunchError(f"can't connect to the plugin: {exc}")
                process.explain(error)
                raise error from exc
            if isinstance(exc, LaunchError):
                process.explain(exc)
            raise

    def _refuse_aborted(self) -> None:
        if self._is_aborted:
            raise ClientClosed("the client was killed while it started")

    def handshake(self, process: PluginProcess) -> Handshake:
        """Wait for the line and check it."""
        line = self._line(process)
        handshake = Handshake.parse(line)
        handshake.check(
            self._config.plugin_sets.keys(),
            line,
            multiplex=self._config.broker_multiplex,
        )
        return handshake

    def _line(self, process: PluginProcess) -> str:
        first = process.first_line
        if not first.wait(self._deadline.remaining()):
            started = f", only {first.text!r:.99} without a newline"
            raise StartTimeout(
                "the plugin printed no handshake line within "
                f"{self._config.start_timeout:g} seconds"
                + (started if first.text is not None else "")
            )
        if first.text is None:
            raise self._ended(process)
        if first.is_overlong:
            raise MalformedHandshake(
                f"the plugin printed {MAX_LINE_LENGTH} bytes without a newline where "
                "its handshake line was due",
                first.text,
            )
        return first.text

    def _ended(self, process: PluginProcess) -> ExitedEarly:
        process.output.exited.wait(self._deadline.within(STATUS_TIMEOUT))
        status = process.runner.status
        if status is None:
            message = "the plugin closed its stdout without a handshake line"
        else:
            message = (
                f"the plugin ended without a handshake line ({describe_status(status)})"
            )
        return ExitedEarly(message, status)

    def _connect(
        self, process: PluginProcess, handshake: Handshake, identity: Identity | None
    ) -> Link:
        transport = _transport(self._config, handshake, identity)
        try:
            link = Link(self._config, process, handshake, transport)
        except BaseException:
            transport.close()
            raise
        with self._lock:
            self._link = link
        try:
            self._refuse_aborted()
            check_health(
                link.channel, self._deadline.within(self._config.start_timeout)
            )
        except grpc.RpcError as exc:
            if is_answer(exc):
                return link
            # Before our own kill, which would look like the plugin's end.
            error = self._no_answer(link, exc)
            process.kill()
            link.abandon()
            raise error from exc
        except BaseException:
            link.abandon()
            raise
        return link

    def _no_answer(self, link: Link, exc: grpc.RpcError) -> LaunchError:
        if exc.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
            return StartTimeout(
                "the plugin printed its handshake line and then answered no call "
                f"within {self._config.start_timeout:g} seconds"
            )
        if isinstance(link.failure, ssl.SSLError):
            return TLSRefused(
                f"the TLS handshake with the plugin failed: {link.failure}"
            )
        link.process.wait(self._deadline.within(STATUS_TIMEOUT))
        status = link.process.status
        message = (
            "the plugin printed its handshake line but does not answer: "
            f"{describe_status(status)} ({link.failure or exc.details()})"
        )
        return LaunchError(message) if status is None else ExitedEarly(message, status)


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


def _transport(
    config: ClientConfig, handshake: Handshake, identity: Identity | None
) -> Transport:
    unix_socket = config.unix_socket
    listening = Listening(group=(unix_socket and unix_socket.group) or "")
    make = MultiplexTransport if config.broker_multiplex else Transport
    if config.tls is not None:
        return make(client_context=config.tls, listening=listening)
    if identity is None:
        if handshake.certificate:
            raise TLSRefused(
                "the plugin serves with TLS, and this host has it off: "
                "leave auto_mtls at its default, or pass tls"
            )
        return make(listening=listening)
    if not handshake.certificate:
        raise TLSRefused(
            "the plugin does not offer mutual TLS (its handshake line has no "
            "certificate): set auto_mtls=False to talk to it in plain text, or tls "
            "if it brings a certificate of its own"
        )
    try:
        return make(
            client_context=sockets.client_context(identity, handshake.certificate),
            server_context=sockets.server_context(identity, handshake.certificate),
            listening=listening,
        )
    except (ssl.SSLError, ValueError) as exc:
        raise MalformedHandshake(
            f"the certificate in the handshake line is not one: {exc}",
            handshake.format(),
        ) from exc


def _literal(address: Address) -> Address:
    """Resolve a host name, which the relay's thread must not do."""
    if address.network == "unix":
        return address
    host, port = address.host_port
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as exc:
        raise LaunchError(f"the plugin's address {address} can't be resolved") from exc
    return Address.tcp(str(found[0][4][0]), port)
