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
import ssl
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

import grpc

from goplugin_py.child import PluginProcess
from goplugin_py.config.client import ClientConfig
from goplugin_py.deadline import Deadline
from goplugin_py.errors import (
    ClientClosed,
    ExitedEarly,
    LaunchError,
    MalformedHandshake,
    StartTimeout,
    TLSRefused,
)
from goplugin_py.link import Link
from goplugin_py.net import sockets
from goplugin_py.net.descriptors import check_room
from goplugin_py.services.channel import check_health, is_answer
from goplugin_py.services.transport import Listening, Transport
from goplugin_py.services.transports import transport_for
from goplugin_py.wire.handshake import MAX_LINE_LENGTH, Handshake

if TYPE_CHECKING:
    from goplugin_py.wire.certificates import Identity

# A plugin that closes its stdout is usually about to end; its status is worth this.
STATUS_TIMEOUT = 1.0

_log = logging.getLogger("goplugin.launch")


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
        identity = _new_identity() if self._config.auto_mtls else None
        with self._started(identity) as process:
            link = self._connect(process, self.handshake(process), identity)
            try:
                self._finish()
            except BaseException:
                link.abandon()
                raise
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

    def _finish(self) -> None:
        with self._lock:
            self._is_done = not self._is_aborted
        self._refuse_aborted()

    @contextlib.contextmanager
    def _started(self, identity: Identity | None) -> Iterator[PluginProcess]:
        check_room()
        process = PluginProcess(self._config, identity)
        with self._lock:
            self._process = process
        process.start(self._refuse_aborted)
        try:
            self._deadline = Deadline(self._config.start_timeout)
            self._refuse_aborted()
            yield process
        except BaseException as exc:
            if isinstance(exc, LaunchError | OSError):
                process.examine()
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
        """Wait for the line and check it; its address is one of ours then."""
        line = self._line(process)
        handshake = Handshake.parse(line)
        handshake.check(
            self._config.plugin_sets.keys(),
            line,
            multiplex=self._config.broker_multiplex,
        )
        return process.reachable(handshake)

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
        if process.has_exited:
            message = f"the plugin ended without a handshake line ({process.state})"
        else:
            message = "the plugin closed its stdout without a handshake line"
        return ExitedEarly(message, process.status)

    def _connect(
        self, process: PluginProcess, handshake: Handshake, identity: Identity | None
    ) -> Link:
        transport = _transport(self._config, process, handshake, identity)
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
            error = self._no_answer(process, link, exc)
            process.examine()
            process.kill()
            link.abandon()
            raise error from exc
        except BaseException:
            link.abandon()
            raise
        return link

    def _no_answer(
        self, process: PluginProcess, link: Link, exc: grpc.RpcError
    ) -> LaunchError:
        if exc.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
            return StartTimeout(
                "the plugin printed its handshake line and then answered no call "
                f"within {self._config.start_timeout:g} seconds"
            )
        if isinstance(link.failure, ssl.SSLError):
            return TLSRefused(
                f"the TLS handshake with the plugin failed: {link.failure}"
            )
        process.wait(self._deadline.within(STATUS_TIMEOUT))
        status = process.status
        message = (
            "the plugin printed its handshake line but does not answer: "
            f"{process.state} ({link.failure or exc.details()})"
        )
        return LaunchError(message) if status is None else ExitedEarly(message, status)


def _new_identity() -> Identity:
    # A plain link pays neither for the import nor for the key.
    from goplugin_py.wire.certificates import generate

    return generate(datetime.datetime.now(datetime.UTC))


def _transport(
    config: ClientConfig,
    process: PluginProcess,
    handshake: Handshake,
    identity: Identity | None,
) -> Transport:
    unix_socket = config.unix_socket
    listening = Listening(
        directory=process.socket_directory,
        group=(unix_socket and unix_socket.group) or "",
        translator=process.translator,
    )
    make = transport_for(
        tls=config.tls is not None or identity is not None,
        multiplexed=config.broker_multiplex,
    )
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
            server_context=sockets.later(
                sockets.server_context, identity, handshake.certificate
            ),
            listening=listening,
        )
    except (ssl.SSLError, ValueError) as exc:
        raise MalformedHandshake(
            f"the certificate in the handshake line is not one: {exc}",
            handshake.format(),
        ) from exc
