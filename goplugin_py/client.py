"""A host's handle on one plugin."""

from __future__ import annotations

import logging
import os
import threading
import weakref
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn, Self

import grpc

from goplugin_py import managed
from goplugin_py._pb.controller_pb2 import Empty
from goplugin_py._pb.controller_pb2_grpc import GRPCControllerStub
from goplugin_py.callables import refuse_coroutine
from goplugin_py.config.client import ClientConfig
from goplugin_py.config.shared import HandshakeConfig
from goplugin_py.deadline import Deadline
from goplugin_py.errors import ClientClosed, ConnectionLost, UnknownPlugin
from goplugin_py.launch import STATUS_TIMEOUT, Launch
from goplugin_py.link import Link
from goplugin_py.plugin import AnyPlugin, blocking
from goplugin_py.process.exit_notice import call_at_exit
from goplugin_py.process.local import describe_status
from goplugin_py.process.status import ExitStatus
from goplugin_py.services.broker import Broker
from goplugin_py.services.channel import check_health, is_answer
from goplugin_py.wire.address import Address
from goplugin_py.wire.handshake import Handshake

if TYPE_CHECKING:
    from goplugin_py.attach import Attach
    from goplugin_py.wire.reattach import ReattachConfig

# A plugin that stops gracefully may wait for its host to hang up before it ends.
STDIO_TIMEOUT = 0.5

_log = logging.getLogger("goplugin.client")


class Client:
    """Starts a plugin, hands out what it provides, and ends it.

    Starts on first use; as a context manager it starts at once and kills at the end.
    All methods are safe from any thread. A client is never restarted. In a process that
    was forked from the host's it is closed, and the plugin is left to the host.
    """

    def __init__(self, config: ClientConfig) -> None:
        """Prepare; nothing is started yet."""
        self._config = config
        self._starting = threading.Lock()  # held by the thread that starts or kills
        self._launch = _launch(config)
        self._link: Link | None = None
        self._is_killed = False
        self._is_inherited = False  # from the process that we were forked from
        self._finalizer: weakref.finalize[Any, Any] | None = None
        _clients.add(self)

    def start(self) -> None:
        """Start the plugin and wait until it answers; does nothing when it runs.

        Raises:
            LaunchError: It could not be started; its process is gone.
            ReattachError: It was to run already, and does not.
            ClientClosed: The client was killed.
        """
        self._started()

    def _started(self) -> Link:
        with self._starting:
            self._refuse_inherited()
            if self._is_killed:
                raise ClientClosed("this client was killed: make a new one")
            if self._link is None:
                if self._config.managed:
                    managed.add(self, self._config.kill_timeout)
                self._link = self._launched()
            return self._link

    def _launched(self) -> Link:
        link = self._launch.run()
        try:
            if self._config.on_exit is not None:
                call_at_exit(link.process, self._config.on_exit)
        except BaseException:
            link.abandon()
            link.process.end()
            raise
        # A host that ends without kill() must not leave the plugin behind, unless
        # somebody else is to find it.
        stays = self._config.detach or self._config.reattach is not None
        self._finalizer = weakref.finalize(
            self, Link.leave if stays else Link.forsake, link
        )
        return link

    def _refuse_inherited(self) -> None:
        if self._is_inherited:
            raise ClientClosed(
                "this client belongs to the process that this one was forked from: "
                "make a new one, or start processes by multiprocessing's spawn"
            )

    def _inherit(self) -> None:
        """Be closed, in a forked child: its parent has the threads and the plugin."""
        self._is_inherited = True
        self._starting = threading.Lock()  # somebody may have held the other one
        if self._finalizer is not None:
            self._finalizer.detach()

    def dispense(self, name: str) -> Any:
        """Return the client of a plugin: what its `grpc_client` makes.

        Raises:
            UnknownPlugin: The negotiated plugin set has no such name.
        """
        link = self._started()
        plugin = blocking(self._plugin(link, name), name)
        client = plugin.grpc_client(link.broker, link.channel)
        refuse_coroutine(client, f"grpc_client of plugin {name!r}")
        return client

    def _plugin(self, link: Link, name: str) -> AnyPlugin:
        plugins = self._config.plugin_sets[link.handshake.app_version]
        if name not in plugins:
            known = ", ".join(map(repr, plugins)) or "none"
            raise UnknownPlugin(f"there is no plugin {name!r}, only {known}")
        return plugins[name]

    def ping(self, timeout: float = 5.0) -> None:
        """Make sure that the plugin answers (go-plugin: `GRPCClient.Ping`).

        Raises:
            ConnectionLost: It did not, within `timeout` seconds.
            ClientClosed: The client was killed.
        """
        link = self._started()
        deadline = Deadline(timeout)
        try:
            check_health(link.channel, timeout)
        except grpc.RpcError as exc:
            if not is_answer(exc):
                raise self._lost(link, exc, deadline) from exc
        except ValueError as exc:  # grpcio's word for a channel that was closed
            raise ClientClosed("the client was killed") from exc

    def _lost(
        self, link: Link, exc: grpc.RpcError, deadline: Deadline
    ) -> ConnectionLost:
        if exc.code() is grpc.StatusCode.UNAVAILABLE:
            # A process that ends hangs up a moment before its status is known.
            link.process.wait(deadline.within(STATUS_TIMEOUT))
        status = link.process.status
        is_unknown = status is None and link.process.has_exited
        state = "it has ended" if is_unknown else describe_status(status)
        return ConnectionLost(
            f"the plugin does not answer: {state} ({exc.details()})", status
        )

    def kill(self, grace: float | None = None) -> None:
        """End the plugin; idempotent, and bounded by `grace` plus one second.

        The plugin is asked to shut down and gets `grace` seconds to end; then it is
        killed. All that it printed before its end has been delivered on return. A
        plugin that was attached to in test mode is left running, and is told nothing.

        Args:
            grace: Seconds; None means the configuration's `kill_timeout`.
        """
        if self._is_inherited:
            return
        deadline = Deadline(self._config.kill_timeout if grace is None else grace)
        self._is_killed = True
        self._launch.abort()
        if not self._starting.acquire(timeout=deadline.remaining() or 0.0):
            self._hurry()
            self._starting.acquire()
        try:
            link = self._link
            if link is not None and not link.is_closed:
                self._shut_down(link, deadline)
            managed.discard(self)
        finally:
            self._starting.release()

    def _hurry(self) -> None:
        """End a plugin to which another thread's `kill` gives more time."""
        link = self._link
        if link is not None and not link.process.is_spared:
            link.process.end()

    def _shut_down(self, link: Link, deadline: Deadline) -> None:
        process = link.process
        link.close_broker()
        if not process.has_exited and not process.is_spared:
            link.settle((deadline.remaining() or 0.0) / 2)
            self._ask(link, deadline)
        link.close(0 if process.is_spared else deadline.within(STDIO_TIMEOUT))
        if not process.is_spared and not process.wait(deadline.remaining()):
            _log.warning("plugin %s did not end gracefully", process.name)
            process.end()
        link.broker.remove_stale()
        process.release()
        if self._finalizer is not None:
            self._finalizer.detach()

    def _ask(self, link: Link, deadline: Deadline) -> None:
        try:
            GRPCControllerStub(link.channel).Shutdown(
                Empty(), timeout=deadline.remaining()
            )
        except grpc.RpcError as exc:
            # A Go plugin hangs up without an answer: only its end tells.
            _log.debug("shutdown was not answered: %s", exc.code())

    def wait(self, timeout: float | None = None) -> ExitStatus | None:
        """Wait for the plugin's end.

        Returns:
            What `exit_status` says then; None if it still runs after `timeout`
            seconds.
        """
        self._known().process.wait(timeout)
        return self.exit_status

    def _known(self) -> Link:
        """Return the link even when it is closed; start if there is none."""
        self._refuse_inherited()
        return self._link or self._started()

    @property
    def exited(self) -> bool:
        """Whether a plugin that was started has ended."""
        return self._link is not None and self._link.process.has_exited

    @property
    def exit_status(self) -> ExitStatus | None:
        """The exit status, a negative number for a signal; None before the end.

        A number with a `text` (`killed by SIGKILL`) and a `signal`. Of a plugin that
        was attached to it stays None: only a parent learns it.
        """
        if self._link is None or not self.exited:
            return None
        return ExitStatus.of(self._link.process.status)

    @property
    def pid(self) -> int | None:
        """The process id; None before the start, and where a runner has other ids."""
        return None if self._link is None else self._link.process.pid

    @property
    def id(self) -> str:
        """What the plugin goes by: its process id as text, or what its runner says.

        Empty before the start.
        """
        return "" if self._link is None else self._link.process.id

    @property
    def address(self) -> Address:
        """Where the plugin listens."""
        return self._known().handshake.address

    @property
    def target(self) -> str:
        """What grpcio dials: the plugin's socket, or a relay's under TLS."""
        return self._known().target

    @property
    def channel(self) -> grpc.Channel:
        """The channel to the plugin, for stubs that no plugin set names."""
        return self._started().channel

    @property
    def broker(self) -> Broker:
        """Connections beside the main one."""
        return self._started().broker

    @property
    def negotiated_version(self) -> int:
        """The application protocol version that both sides speak."""
        return self._known().handshake.app_version

    def reattach_config(self) -> ReattachConfig:
        """Return what another host, or a later one, needs to attach to the plugin.

        Raises:
            ReattachError: The link is one that can't be attached to: the keys of
                AutoMTLS never leave this host.
            ProcessNotFound: The plugin has ended.
        """
        from goplugin_py.attach import check_attachable, reattach_config

        check_attachable(self._config)
        return reattach_config(self._config, self._started())

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "a Client can't be pickled or copied: its plugin is tied to this process. "
            "Send the ClientConfig, and make a Client of it where the work is done"
        )

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.kill()


def _launch(config: ClientConfig) -> Launch | Attach:
    if config.reattach is None:
        return Launch(config)
    from goplugin_py.attach import Attach  # few hosts do

    return Attach(config, config.reattach)


def probe(command: Sequence[str]) -> Handshake:
    """Start a plugin without calling it, and return its handshake.

    The cookie of an unknown plugin is unknown too; pass it through the environment
    if the plugin demands one. The plugin is killed.

    Raises:
        LaunchError: There was no handshake line.
    """
    return prober(command).probe()


def prober(command: Sequence[str]) -> Launch:
    """Return what `probe` runs, for those who may abort it."""
    config = ClientConfig(command=command, handshake=_ANY, plugins={}, auto_mtls=False)
    return Launch(config)


# Those that a forked child would inherit.
_clients: weakref.WeakSet[Client] = weakref.WeakSet()


def _after_fork() -> None:
    for client in list(_clients):
        client._inherit()  # noqa: SLF001


os.register_at_fork(after_in_child=_after_fork)

# What a plugin of unknown kind is started with.
_ANY = HandshakeConfig(
    protocol_version=1, magic_cookie_key="GOPLUGIN_PROBE", magic_cookie_value="1"
)
