"""Plugins that each worker of a Dask cluster holds ready for its tasks.

Workers import this module, and the stubs of the plugin, so both must be there:
installed, on PYTHONPATH, or sent with `distributed.Client.upload_file`.
"""

import asyncio
import functools
import queue
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Concatenate, ParamSpec, TypeVar

import grpc
from distributed import Worker, WorkerPlugin, get_worker

from goplugin_py import Client, ClientConfig

P = ParamSpec("P")
T = TypeVar("T")

# A worker has a plugin for each of its threads, so none is ever waited for, unless a
# task has started threads that borrow as well.
BORROW_TIMEOUT = 60.0


class WarmPlugins(WorkerPlugin):
    """Starts plugins with a worker, and ends them with it; its tasks borrow them.

    Register it once, with `distributed.Client.register_plugin`: workers that come later
    get it too, those included that replace a lost one. It is pickled, and so is what it
    is made of: a configuration, never a `Client`. The plugins of a worker that is
    killed end by themselves.
    """

    def __init__(self, name: str, config: ClientConfig) -> None:
        """Take what to start.

        Args:
            name: What `with_plugin` knows them by.
            config: How to start one; it runs in the scratch directory of its worker.
        """
        self.name = name
        self._config = config

    async def setup(self, worker: Worker) -> None:
        """Start one plugin for each thread of the worker; Dask calls it."""
        self._config = replace(self._config, cwd=worker.local_directory)
        self._plugins = [Client(self._config) for _ in range(worker.state.nthreads)]
        self._idle: queue.SimpleQueue[Client] = queue.SimpleQueue()
        for plugin in self._plugins:
            self._idle.put(plugin)
        # In threads: the worker's event loop has its scheduler to answer meanwhile.
        await asyncio.gather(*(asyncio.to_thread(p.start) for p in self._plugins))

    async def teardown(self, worker: Worker) -> None:
        """End them; Dask calls it."""
        await asyncio.gather(*(asyncio.to_thread(p.kill) for p in self._plugins))

    @contextmanager
    def borrow(self) -> Iterator[Client]:
        """Lend a plugin, a new one in the place of one that has crashed."""
        plugin = self._idle.get(timeout=BORROW_TIMEOUT)
        try:
            if plugin.exited:
                plugin = self._replacement(plugin)
            yield plugin
        finally:
            self._idle.put(plugin)

    def _replacement(self, crashed: Client) -> Client:
        crashed.kill()
        self._plugins.remove(crashed)
        plugin = Client(self._config)
        self._plugins.append(plugin)
        return plugin


class CallFailed(Exception):
    """A call of a plugin failed; the text has gRPC's status.

    Dask sends what a task raises to its client, and gRPC's errors can't be pickled.
    """


def with_plugin(
    name: str,
) -> Callable[[Callable[Concatenate[Client, P], T]], Callable[P, T]]:
    """Give a task a plugin of the worker that runs it, as its first argument.

    The task raises `CallFailed` in place of gRPC's errors.
    """

    def decorate(task: Callable[Concatenate[Client, P], T]) -> Callable[P, T]:
        @functools.wraps(task)
        def run(*args: P.args, **kwargs: P.kwargs) -> T:
            plugins = get_worker().plugins[name]
            assert isinstance(plugins, WarmPlugins)
            with plugins.borrow() as plugin:
                try:
                    return task(plugin, *args, **kwargs)
                except grpc.RpcError as exc:
                    failure = CallFailed(str(exc))
            # Out here gRPC's is not its context, which Dask would send as well.
            raise failure

        return run

    return decorate
