"""Run tasks that use a Go plugin on a fleet of Dask workers, and lose some.

    PYTHONPATH=examples/kv python examples/dask/fleet.py ./kv-plugin

The plugin is go-plugin's example KV. The fleet is two processes on this machine; with
the address of a scheduler in place of the `LocalCluster` it is any Dask cluster.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from dataclasses import dataclass

from distributed import Client, Future, LocalCluster, as_completed
from kv_pb2 import GetRequest, PutRequest
from kv_pb2_grpc import KVStub
from warm_plugins import WarmPlugins, with_plugin

import goplugin_py
from goplugin_py import ClientConfig, HandshakeConfig, Plugin

WORKERS = 2
TASKS = 80
# Seconds that a task spends between two calls, in place of something useful.
WORK = 0.05
# Dask counts a lost worker or plugin against the tasks that were on it.
RETRIES = 3
TIMEOUT = 60.0


@dataclass(frozen=True)
class Result:
    """What a task found, and where it ran."""

    value: str
    worker: int
    plugin: int


@with_plugin("kv")
def remember(plugin: goplugin_py.Client, number: int) -> Result:
    """Put a value into a plugin and get it back.

    Like every task it may run twice, so it must do no harm when it does.
    """
    kv = plugin.dispense("kv")
    kv.Put(PutRequest(key=str(number), value=b"%d" % number))
    time.sleep(WORK)
    value = kv.Get(GetRequest(key=str(number))).value.decode()
    return Result(value, os.getpid(), plugin.pid or 0)


def lose_some(futures: list[Future[Result]]) -> None:
    """Kill a plugin and another worker, both in the middle of tasks."""
    done = (each.result() for each in as_completed(futures, timeout=TIMEOUT))
    first = next(done)
    os.kill(first.plugin, signal.SIGKILL)
    other = next(result for result in done if result.worker != first.worker)
    os.kill(other.worker, signal.SIGKILL)
    print(f"killed the plugin {first.plugin} and the worker {other.worker}")


def report(results: list[Result], numbers: range) -> None:
    """Check that no result is missing, and tell where they come from."""
    assert [result.value.split()[0] for result in results] == [*map(str, numbers)]
    print(f"{len(results)} results:")
    for worker in sorted({result.worker for result in results}):
        plugins = sorted({r.plugin for r in results if r.worker == worker})
        print(f"  of the worker {worker} with the plugins {plugins}")


def main(command: list[str]) -> None:
    config = ClientConfig(
        command=command,
        handshake=HandshakeConfig(1, "BASIC_PLUGIN", "hello"),
        plugins={"kv": Plugin.from_stub(KVStub)},
    )
    with (
        LocalCluster(n_workers=WORKERS, threads_per_worker=2) as cluster,
        Client(cluster) as dask,
    ):
        numbers = range(TASKS)
        dask.register_plugin(WarmPlugins("kv", config))
        futures = dask.map(remember, numbers, retries=RETRIES)
        lose_some(futures)
        report(dask.gather(futures), numbers)
        # Dask has started another worker by now, or is about to.
        dask.wait_for_workers(WORKERS, TIMEOUT)
        numbers = range(TASKS, 2 * TASKS)
        report(dask.gather(dask.map(remember, numbers, retries=RETRIES)), numbers)


if __name__ == "__main__":
    main(sys.argv[1:])
