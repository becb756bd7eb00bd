"""A host's handle on one plugin, for asyncio.

The core starts, watches and ends the plugin on threads. Calls go through a channel of
grpc.aio of their own, on the loop that has started the client.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Coroutine, Sequence
from types import TracebackType
from typing import Any, NoReturn, Self

import grpc
import grpc.aio

from goplugin_py import client, managed
from goplugin_py.aio.affinity import Affinity, awaited
from goplugin_py.aio.broker import Broker
from goplugin_py.aio.started import Core, Started, killed
from goplugin_py.aio.threads import in_thread, settled
from goplugin_py.config.client import ClientConfig
from goplugin_py.deadline import Deadline
from goplugin_py.errors import LocalProtocolError
from goplugin_py.process.status import ExitStatus
from goplugin_py.wire.address import Address
from goplugin_py.wire.handshake import Handshake
from goplugin_py.wire.reattach import ReattachConfig

# The thread only wakes up to end.
JOIN_TIMEOUT = 1.0


class Client:
    """Starts a plugin, hands out what it provides, and ends it.

    Starts on first use; as a context manager it starts at once and kills at the end.
    It belongs to the event loop that starts it; `kill` is safe from any loop. A client
    that was killed is never restarted; a start that was cancelled may be repeated.
    """

    def __init__(self, config: ClientConfig) -> None:
        """Prepare; nothing is started yet."""
        self._config = config
        self._core = Core(config)
        self._started: Started | None = None
        self._starting: _Start | None = None
        self._is_killed = False

    async def start(self) -> None:
        """Start the plugin and wait until it answers; does nothing when it runs.

        Cancelling it ends the attempt, once nobody else waits for it.

        Raises:
            LaunchError: It could not be started; its process is gone.
            ReattachError: It was to run already, and does not.
            ClientClosed: The client was killed.
        """
        await self._use()

    async def _use(self) -> Started:
        if self._is_killed:
            raise killed()
        if self._started is not None:
            self._started.affinity.check()
            if self._starting is not None:
                self._starting.has_user = True
            return self._started
        if self._starting is None:
            affinity = Affinity("this client")
            self._starting = _Start(affinity, self._start(self._core, affinity))
        self._starting.affinity.check()
        return await self._join(self._starting)

    async def _join(self, start: _Start) -> Started:
        """Wait for a start that others may wait for too."""
        start.waiters += 1
        try:
            started = await asyncio.shield(start.task)
        except asyncio.CancelledError:
            if start.waiters == 1 and not start.has_user:
                self._started = None
                self._renew(start)  # whoever comes now begins anew
                await settled(asyncio.ensure_future(_take_back(start)))
            raise
        else:
            start.has_user = True
            return started
        finally:
            start.waiters -= 1
            if start.task.done():
                self._renew(start)

    def _renew(self, start: _Start) -> None:
        """Forget a start, and what is left of one that has come to nothing."""
        if self._starting is start:
            self._starting = None
            if self._started is None and not self._is_killed:
                self._core = Core(self._config)

    async def _start(self, core: Core, affinity: Affinity) -> Started:
        core.adopt(affinity.loop)
        at_once = functools.partial(core.kill, 0)
        await in_thread(core.start, "start", abort=at_once, undo=lambda _: at_once())
        started = await Started.connect(core, self._config, affinity)
        if self._is_killed:
            await started.close()
            raise killed()
        self._started = started
        return started

    async def dispense(self, name: str) -> Any:
        """Return the client of a plugin: what its `grpc_client` makes.

        `grpc_client` may be a coroutine function.

        Raises:
            UnknownPlugin: The negotiated plugin set has no such name.
        """
        started = await self._use()
        plugin: Any = self._core.plugin(name)
        client = plugin.grpc_client(started.broker, started.channel)
        return await awaited(client)

    async def ping(self, timeout: float = 5.0) -> None:
        """Make sure that the plugin answers (go-plugin: `GRPCClient.Ping`).

        Raises:
            ConnectionLost: It did not, within `timeout` seconds.
            ClientClosed: The client was killed.
        """
        started = await self._use()
        deadline = Deadline(timeout)
        try:
            await started.check_health(timeout)
        except grpc.RpcError:
            # The core knows how to tell why.
            rest = deadline.within(timeout)
            await in_thread(lambda: self._core.ping(rest), "ping")

    async def kill(self, grace: float | None = None) -> None:
        """End the plugin; idempotent, and bounded by `grace` plus one second.

        The plugin is asked to shut down and gets `grace` seconds to end; then it is
        killed. All that it printed before its end has been delivered on return. A
        plugin that was attached to in test mode is left running, and is told nothing.

        Cancelling it ends the plugin at once.

        Args:
            grace: Seconds; None means the configuration's `kill_timeout`.
        """
        self._is_killed = True
        core, started = self._core, self._started
        at_once = functools.partial(core.kill, 0)
        try:
            if started is not None:
                await started.broker.close()
            await in_thread(lambda: core.kill(grace), "kill", abort=at_once)
        finally:
            await in_thread(at_once, "kill")  # for those who were cancelled
            if self._starting is not None:
                await asyncio.wait([self._starting.task])  # which was aborted
            if started is not None:
                await started.close()

    async def wait(self, timeout: float | None = None) -> ExitStatus | None:
        """Wait for the plugin's end.

        Returns:
            What `exit_status` says then; None if it still runs after `timeout`
            seconds.
        """
        started = self._started or await self._use()
        await started.wait(timeout)
        return self.exit_status

    @property
    def exited(self) -> bool:
        """Whether a plugin that was started has ended."""
        return self._core.exited

    @property
    def exit_status(self) -> ExitStatus | None:
        """The exit status, a negative number for a signal; None before the end.

        A number with a `text` (`killed by SIGKILL`) and a `signal`. Of a plugin that
        was attached to it stays None: only a parent learns it.
        """
        return self._core.exit_status

    @property
    def pid(self) -> int | None:
        """The process id; None before the start, and where a runner has other ids."""
        return self._core.pid

    @property
    def id(self) -> str:
        """What the plugin goes by: its process id as text, or what its runner says.

        Empty before the start.
        """
        return self._core.id

    @property
    def address(self) -> Address:
        """Where the plugin listens.

        Raises:
            LocalProtocolError: The client was not started.
        """
        self._known()
        return self._core.address

    @property
    def target(self) -> str:
        """What grpcio dials: the plugin's socket, or a relay's under TLS.

        Raises:
            LocalProtocolError: The client was not started.
        """
        self._known()
        return self._core.target

    @property
    def channel(self) -> grpc.aio.Channel:
        """The channel to the plugin, for stubs that no plugin set names.

        Raises:
            LocalProtocolError: The client was not started.
            ClientClosed: It was killed.
        """
        return self._usable().channel

    @property
    def broker(self) -> Broker:
        """Connections beside the main one.

        Raises:
            LocalProtocolError: The client was not started.
            ClientClosed: It was killed.
        """
        return self._usable().broker

    @property
    def negotiated_version(self) -> int:
        """The application protocol version that both sides speak.

        Raises:
            LocalProtocolError: The client was not started.
        """
        self._known()
        return self._core.negotiated_version

    def _known(self) -> Started:
        if self._started is None:
            if self._is_killed:
                raise killed()
            raise LocalProtocolError(
                "the client was not started: `await client.start()` first, or use "
                "`async with client`"
            )
        return self._started

    def _usable(self) -> Started:
        if self._is_killed:
            raise killed()
        return self._known()

    async def reattach_config(self) -> ReattachConfig:
        """Return what another host, or a later one, needs to attach to the plugin.

        Raises:
            ReattachError: The link is one that can't be attached to: the keys of
                AutoMTLS never leave this host.
            ProcessNotFound: The plugin has ended.
        """
        await self._use()
        return await in_thread(self._core.reattach_config, "reattach")

    def __reduce__(self) -> NoReturn:
        self._core.__reduce__()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.kill()


class _Start:
    """A start that is under way, and how many wait for it."""

    def __init__(self, affinity: Affinity, start: Coroutine[Any, Any, Started]) -> None:
        self.affinity = affinity
        self.task = asyncio.create_task(start)
        self.waiters = 0
        self.has_user = False


async def _take_back(start: _Start) -> None:
    """End a start that nobody waits for, even if it has just come about."""
    start.task.cancel()
    await settled(start.task)
    if not start.task.cancelled() and start.task.exception() is None:
        await start.task.result().end()


async def probe(command: Sequence[str]) -> Handshake:
    """Start a plugin without calling it, and return its handshake.

    The cookie of an unknown plugin is unknown too; pass it through the environment
    if the plugin demands one. The plugin is killed.

    Raises:
        LaunchError: There was no handshake line.
    """
    launch = client.prober(command)
    return await in_thread(launch.probe, "probe", abort=launch.abort)


async def cleanup_clients() -> None:
    """Kill all clients with `managed=True` at once (go-plugin: `CleanupClients`).

    Those that block too. Does nothing when there are none, so it may be called again;
    clients made later are managed as well. Returns within the longest `kill_timeout`
    and one second.
    """
    await in_thread(managed.cleanup_clients, "cleanup")
