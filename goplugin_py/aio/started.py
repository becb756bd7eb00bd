"""What a client for asyncio has of its plugin: the core, and what runs on the loop."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import logging
import threading
from collections.abc import Callable

import grpc
import grpc.aio

from goplugin_py import client
from goplugin_py.aio.affinity import Affinity, awaited
from goplugin_py.aio.broker import Broker
from goplugin_py.aio.channel import Channel
from goplugin_py.aio.threads import in_thread, tell
from goplugin_py.config.client import ClientConfig
from goplugin_py.errors import ClientClosed, ConnectionLost
from goplugin_py.plugin import AnyPlugin
from goplugin_py.process.running import RunningProcess
from goplugin_py.process.status import ExitStatus
from goplugin_py.services.broker import LinkBroker
from goplugin_py.services.channel import HEALTH_CHECK, HEALTH_REQUEST, is_answer

# The thread only wakes up to end.
JOIN_TIMEOUT = 1.0

# Loops forget tasks that nobody else holds, and clients may be gone by then.
_calls: set[asyncio.Task[None]] = set()

_log = logging.getLogger("goplugin.client")


class Core(client.Client):
    """The blocking client, with what the other kind needs of it."""

    def adopt(self, loop: asyncio.AbstractEventLoop) -> None:
        """Call `on_exit` on a loop, where it may be a coroutine function."""
        on_exit = self._config.on_exit
        if on_exit is not None:
            on_loop = functools.partial(_tell_of_exit, loop, on_exit)
            self._config = dataclasses.replace(self._config, on_exit=on_loop)

    def plugin(self, name: str) -> AnyPlugin:
        """Return a plugin of the negotiated set; see `Client.dispense`."""
        return self._plugin(self._known(), name)

    @property
    def process(self) -> RunningProcess:
        """The plugin's process, once it was started."""
        return self._known().process


def _tell_of_exit(
    loop: asyncio.AbstractEventLoop,
    on_exit: Callable[[ExitStatus | None], object],
    status: ExitStatus | None,
) -> None:
    async def call() -> None:
        try:
            await awaited(on_exit(status))
        except Exception:
            _log.exception("on_exit failed")

    def begin() -> None:
        task = loop.create_task(call())
        _calls.add(task)
        task.add_done_callback(_calls.discard)

    tell(loop, begin)


class Started:
    """What a client has, once its plugin runs."""

    def __init__(self, core: Core, config: ClientConfig, affinity: Affinity) -> None:
        options = tuple(config.channel_options)
        self._core = core
        self.affinity = affinity
        self.channel = Channel(core.target, options, killed)
        link_broker = core.broker
        assert isinstance(link_broker, LinkBroker)
        self.broker = Broker(link_broker, options)
        self._ended = asyncio.Event()
        self._watch = threading.Thread(
            target=_watch,
            args=(core.process, affinity.loop, self._ended),
            name=f"goplugin-end-{core.process.name}",
            daemon=True,
        )
        self._watch.start()

    @classmethod
    async def connect(
        cls, core: Core, config: ClientConfig, affinity: Affinity
    ) -> Started:
        """Open the channel, and connect it at once.

        In a multiplexed session the main stream must not come while the broker awaits
        one that was knocked for.
        """
        started = cls(core, config, affinity)
        try:
            await started.check_health(config.start_timeout)
        except BaseException as exc:
            await started.end()
            if isinstance(exc, grpc.aio.AioRpcError):
                text = "the plugin does not answer on a further connection"
                raise ConnectionLost(f"{text}: {exc.details()}") from exc
            raise
        return started

    async def check_health(self, timeout: float) -> None:
        """Make a health check.

        Raises:
            grpc.RpcError: The plugin does not answer.
        """
        check = self.channel.unary_unary(
            HEALTH_CHECK, request_serializer=bytes, response_deserializer=bytes
        )
        try:
            await check(HEALTH_REQUEST, timeout=timeout)
        except grpc.RpcError as exc:
            if not is_answer(exc):
                raise

    async def wait(self, timeout: float | None) -> None:
        """Wait for the plugin's end, or for `timeout` seconds."""
        self.affinity.check()
        try:
            await asyncio.wait_for(self._ended.wait(), timeout)
        except TimeoutError:
            return

    async def end(self) -> None:
        """End the plugin at once, and close the channel."""
        await in_thread(functools.partial(self._core.kill, 0), "kill")
        await self.close()

    async def close(self) -> None:
        """Close the channel; the plugin has ended."""
        await self.channel.close()
        self._watch.join(JOIN_TIMEOUT)


def _watch(
    process: RunningProcess, loop: asyncio.AbstractEventLoop, ended: asyncio.Event
) -> None:
    process.wait(None)
    tell(loop, ended.set)


def killed() -> ClientClosed:
    """Return what the use of a killed client comes to."""
    return ClientClosed("this client was killed: make a new one")
