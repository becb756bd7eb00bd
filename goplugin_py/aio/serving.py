"""The plugin's side for asyncio: `serve` and `PluginServer`, awaited.

The core starts and stops on threads of their own and serves its control plane there.
What the user gives - plugins, servicers, callbacks - runs on the event loop.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from goplugin_py.aio.affinity import Affinity, awaited
from goplugin_py.aio.broker import Broker
from goplugin_py.aio.server import STOP_TIMEOUT, BlockingServer, Server
from goplugin_py.aio.signals import Signals
from goplugin_py.aio.threads import in_thread, tell
from goplugin_py.config.serve import ServeConfig
from goplugin_py.errors import LocalProtocolError, PluginError
from goplugin_py.hosted import (
    announced,
    captured,
    check_process,
    give_up,
    logger_of,
)
from goplugin_py.plugin import PluginSet
from goplugin_py.services.broker import LinkBroker
from goplugin_py.services.capture import Capture
from goplugin_py.serving import STOP_GRACE, HostedServer
from goplugin_py.serving import PluginServer as BlockingPluginServer
from goplugin_py.wire.handshake import Handshake

if TYPE_CHECKING:
    from goplugin_py.wire.reattach import ReattachConfig

T = TypeVar("T")


class PluginServer:
    """Serves a plugin set; the testable core of `serve`.

    It reads the `PLUGIN_*` variables as a plugin does, but checks no cookie, prints
    no line and leaves stdout, stderr and signals alone.
    """

    def __init__(self, config: ServeConfig, *, stdio: Capture | None = None) -> None:
        """Prepare.

        Args:
            config: What to serve. Servicers may have coroutine functions, which run on
                the loop, and plain ones, which run on `max_workers` threads;
                interceptors are those of grpc.aio.
            stdio: Feeds the stdio service; without it the service is silent.
        """
        self._core = _Core(config, stdio=stdio)
        self._affinity: Affinity | None = None
        self._watch: threading.Thread | None = None
        self._ended: asyncio.Event | None = None

    async def start(self) -> Handshake:
        """Listen and serve; tell a test where.

        Returns:
            What the handshake line must say.

        Raises:
            ConfigError: There is nowhere to listen, or the host's variables or a
                TLS context can't be used.
        """
        self._affinity = self._core.affinity = Affinity("this server")
        self._ended = asyncio.Event()
        core = self._core
        handshake = await in_thread(
            core.start, "start", abort=core.give_up, undo=lambda _: core.stop(0.0)
        )
        self._watch = threading.Thread(
            target=_watch,
            args=(self._core, self._affinity.loop, self._ended),
            name="goplugin-end",
            daemon=True,
        )
        self._watch.start()
        return handshake

    @property
    def reattach_config(self) -> ReattachConfig:
        """What a host needs to reattach to this process, once it serves.

        Raises:
            ReattachError: It does not serve yet, or in a way that is open to the host
                alone that started it.
        """
        return self._core.reattach_config

    def ask_to_stop(self) -> None:
        """Make `wait` return; from any thread."""
        self._core.ask_to_stop()

    async def wait(self, timeout: float | None = None) -> bool:
        """Wait for a host's Shutdown, or `stop`; False after `timeout` seconds."""
        if self._affinity is None or self._ended is None:
            raise LocalProtocolError("the server was not started: await start() first")
        self._affinity.check()
        try:
            await asyncio.wait_for(self._ended.wait(), timeout)
        except TimeoutError:
            return False
        return True

    async def stop(self, grace: float = STOP_GRACE) -> None:
        """Stop, and remove the sockets; calls get `grace` seconds. Idempotent."""
        core = self._core
        try:
            if core.broker is not None:
                await core.broker.close()
            await in_thread(lambda: core.stop(grace), "stop", abort=core.hurry)
        finally:
            # For those who were cancelled before; else it does nothing.
            await in_thread(lambda: core.stop(0.0), "stop")
            if self._watch is not None:
                self._watch.join(STOP_TIMEOUT)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stop()


def _watch(
    core: BlockingPluginServer, loop: asyncio.AbstractEventLoop, ended: asyncio.Event
) -> None:
    core.wait()
    tell(loop, ended.set)


class _Core(BlockingPluginServer):
    """Runs on threads, with what is the user's on the loop."""

    affinity: Affinity
    broker: Broker | None = None
    served: Server | None = None
    _awaited: Future[Any] | None = None

    def _on_loop(self, coroutine: Coroutine[Any, Any, T]) -> T:
        # Bounded by what the user's own code takes, as in a blocking plugin.
        future = asyncio.run_coroutine_threadsafe(coroutine, self.affinity.loop)
        self._awaited = future
        return future.result()

    def give_up(self) -> None:
        """Cancel what `start` waits for on the loop."""
        if self._awaited is not None:
            self._awaited.cancel()

    def _make_server(self, config: ServeConfig) -> BlockingServer:
        async def make() -> Server:
            return Server(
                max_workers=config.max_workers,
                options=config.server_options,
                interceptors=config.interceptors,
            )

        self.served = self._on_loop(make())
        return BlockingServer(self.served)

    def _register(
        self, plugins: PluginSet, broker: LinkBroker, server: HostedServer
    ) -> None:
        async def register() -> None:
            self.broker = Broker(broker)
            plugin: Any
            for plugin in plugins.values():
                await awaited(plugin.grpc_server(self.broker, self.served))

        self._on_loop(register())

    def _tell(self, on_ready: Callable[[ReattachConfig], object]) -> None:
        async def tell() -> None:
            await awaited(on_ready(self.reattach_config))

        self._on_loop(tell())

    def hurry(self) -> None:
        """Cancel the calls that `stop` waits for."""
        if self.served is not None:
            BlockingServer(self.served).close(0.0)


async def serve(config: ServeConfig) -> None:
    """Be a plugin: serve until the host asks for the end (go-plugin: `Serve`).

    Must be awaited in the main thread, for the sake of signals. Without the host's
    cookie it explains itself on stderr and exits with status 1; so it does when it
    can't serve.

    With `ServeConfig.test` it leaves the process alone, and any thread may await it.
    """
    if config.test is not None:
        async with PluginServer(config) as server:
            await server.wait()
        return
    check_process(config)
    with captured(logger_of(config)) as capture:
        server = PluginServer(config, stdio=capture)
        try:
            handshake = await server.start()
        except PluginError as exc:
            await server.stop()
            give_up(config, exc)
        signals = Signals(server.ask_to_stop)
        try:
            with announced(config, capture, handshake, server.ask_to_stop):
                await server.wait()
        finally:
            await server.stop()
    signals.restore()
