"""From a reattach configuration to a link with a plugin that runs already.

Nothing is sent to the process, and nobody waits for a line. Who listens at the
address is looked up, a connection is made, and the first call must be answered as a
plugin answers it; only then is the process taken for the plugin's.
"""

from __future__ import annotations

import threading

import grpc

from goplugin_py.config.client import ClientConfig
from goplugin_py.deadline import Deadline
from goplugin_py.errors import (
    ClientClosed,
    PluginError,
    ProcessNotFound,
    ReattachError,
)
from goplugin_py.link import Link
from goplugin_py.net.owner import listener_pid
from goplugin_py.process.attached import AttachedProcess
from goplugin_py.process.attached_plugin import AttachedPlugin
from goplugin_py.process.calls import BoundedCalls, words
from goplugin_py.services.channel import check_health, is_answer
from goplugin_py.services.transport import Listening, Transport
from goplugin_py.services.transports import transport_for
from goplugin_py.wire.handshake import Handshake
from goplugin_py.wire.reattach import ReattachConfig

# A plugin that runs accepts at once, unless it is stopped and its queue is full.
CONNECT_TIMEOUT = 5.0


class Attach:
    """One attempt to attach to a plugin, which another thread may abort."""

    def __init__(self, config: ClientConfig, reattach: ReattachConfig) -> None:
        self._config = config
        self._reattach = reattach
        self._calls = BoundedCalls("goplugin-call-attach")
        self._lock = threading.Lock()  # guards the three below
        self._link: Link | None = None
        self._is_aborted = False
        self._is_done = False

    def abort(self) -> None:
        """Make `run` fail soon; too late once it is done."""
        with self._lock:
            self._is_aborted = not self._is_done
            if self._is_aborted:
                self._calls.cancel()
            if self._link is not None and self._is_aborted:
                self._link.channel.close()

    def run(self) -> Link:
        """Connect to the plugin.

        Raises:
            ProcessNotFound: Nothing that answers as the plugin is there.
            ReattachError: The system does not let us find out.
            ClientClosed: The attempt was aborted.
        """
        try:
            return self._run()
        except OSError as exc:
            raise ReattachError(f"can't attach to the plugin: {exc}") from exc

    def _run(self) -> Link:
        deadline = Deadline(self._config.start_timeout)
        connect_timeout = deadline.within(CONNECT_TIMEOUT)
        process = self._find(connect_timeout)
        try:
            link = self._connect(process)
        except BaseException:
            process.release()
            raise
        try:
            process.watch(is_plugin=self._is_plugin(link, deadline))
            self._finish()
        except BaseException:
            link.abandon()
            process.release()
            raise
        return link

    def _find(self, timeout: float) -> AttachedProcess | AttachedPlugin:
        find = self._config.attached_runner
        if find is None:
            return AttachedProcess(self._reattach, timeout)
        try:
            runner = self._calls.make(lambda: find(self._reattach), timeout)
            return AttachedPlugin(runner, self._reattach, self._calls)
        except PluginError:
            raise
        except Exception as exc:
            self._refuse_aborted()
            raise ReattachError(
                f"attached_runner did not find the plugin ({words(exc)})"
            ) from exc

    def _connect(self, process: AttachedProcess | AttachedPlugin) -> Link:
        tls, listening = self._config.tls, self._listening(process)
        if tls is None:
            transport = Transport(listening=listening)
        else:
            make = transport_for(tls=True, multiplexed=False)
            transport = make(client_context=tls, listening=listening)
        handshake = Handshake(
            app_version=self._config.attached_version(self._reattach),
            address=self._reattach.address,
        )
        try:
            link = Link(self._config, process, handshake, transport)
        except BaseException:
            transport.close()
            raise
        with self._lock:
            self._link = link
        return link

    def _listening(self, process: AttachedProcess | AttachedPlugin) -> Listening:
        place = self._config.unix_socket
        # Without a runner, the plugin finds our sockets wherever they are.
        is_shared = process.translator is not None
        return Listening(
            directory=(is_shared and place and place.directory) or "",
            group=(place and place.group) or "",
            translator=process.translator,
        )

    def _is_plugin(self, link: Link, deadline: Deadline) -> bool:
        """Make the first call; return whether the answer is one of plugins only."""
        try:
            self._refuse_aborted()
            check_health(link.channel, deadline.within(self._config.start_timeout))
        except (grpc.RpcError, ValueError) as exc:  # ValueError: a closed channel
            self._refuse_aborted()
            if isinstance(exc, grpc.RpcError) and is_answer(exc):
                return False
            raise ProcessNotFound(
                f"no plugin answers at {self._reattach.address} "
                f"({link.failure or _details(exc)})"
            ) from exc
        return True

    def _finish(self) -> None:
        self._refuse_aborted()
        with self._lock:
            self._is_done = not self._is_aborted
        self._refuse_aborted()

    def _refuse_aborted(self) -> None:
        if self._is_aborted:
            raise ClientClosed("the client was killed while it attached")


def check_attachable(config: ClientConfig) -> None:
    """Refuse links that nobody else can attach to.

    Raises:
        ReattachError: The configuration makes such links.
    """
    if config.auto_mtls:
        raise ReattachError(
            "a plugin with AutoMTLS can't be attached to, because the keys never leave "
            "the host that started it: start it with auto_mtls=False"
        )
    if config.broker_multiplex:
        raise ReattachError(
            "a plugin with broker multiplexing has one connection, that of the host "
            "that started it: start it with broker_multiplex=False"
        )


def reattach_config(config: ClientConfig, link: Link) -> ReattachConfig:
    """Return what another host needs to attach to a link's plugin.

    Raises:
        ProcessNotFound: It has ended.
    """
    address, pid = link.handshake.address, link.process.pid
    try:
        if pid is not None and address.network == "unix":
            # A command may be a script, with the plugin as its child.
            pid = listener_pid(address, CONNECT_TIMEOUT) or pid
    except OSError as exc:
        raise ProcessNotFound(f"nothing listens at {address} any more") from exc
    if link.process.has_exited:
        raise ProcessNotFound(f"the plugin at {address} has ended")
    return ReattachConfig(
        protocol=link.handshake.protocol,
        protocol_version=link.handshake.app_version,
        address=address,
        pid=pid or 0,
        test=config.reattach is not None and config.reattach.test,
    )


def _details(exc: Exception) -> object:
    return exc.details() if isinstance(exc, grpc.Call) else exc
