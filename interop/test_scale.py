"""Fifty Go plugins under one Python host, with AutoMTLS; and what a soak notices."""

import gc
import os
import threading
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from goplugin_py import Client
from interop import soak
from interop.echo_pb2 import Payload
from interop.python_host import WAIT, descriptors, echo_config, our_threads

pytestmark = pytest.mark.usefixtures("nothing_left")

PLUGINS = 50
# They all start at once, and share the cores with other tests.
START_TIMEOUT = 60.0

# What one more plugin may take of this process.
OUR_THREADS = ("output", "stdio", "broker")
# gRPC has one for the channel, and one that sends what the broker announces.
THREADS = len(OUR_THREADS) + 2
# Two pipes for output and one for the host's end, the process, the plugin's socket, a
# listener and both ends of the connection through it, and what gRPC polls with.
DESCRIPTORS = 9
# Python objects; half a buffer of the relay's would pass it.
TRACED = 128 << 10


@pytest.fixture
def first(nothing_left: object) -> Iterator[Client]:
    """Run a plugin that has paid for all that is there once."""
    with Client(echo_config(start_timeout=START_TIMEOUT)) as client:
        assert call(client, 1) == 1
        yield client


@pytest.fixture
def further(first: Client) -> Iterator[list[Client]]:
    """Give clients of 49 more plugins, which are to be started."""
    config = echo_config(start_timeout=START_TIMEOUT)
    clients = [Client(config) for _ in range(PLUGINS - 1)]
    yield clients
    in_parallel(Client.kill, clients)


def in_parallel(action: Callable[[Client], None], clients: list[Client]) -> None:
    with ThreadPoolExecutor(len(clients)) as pool:
        list(pool.map(action, clients))


def call(client: Client, number: int) -> int:
    stub = client.dispense("echo")
    return int(stub.Unary(Payload(number=number), timeout=4 * WAIT).number)


def roles() -> Counter[str]:
    return Counter(thread.name.split("-")[1] for thread in our_threads())


def threads() -> int:
    """Return how many this process has, those of gRPC's included."""
    return len(os.listdir("/proc/self/task"))


def test_fifty_plugins_that_start_at_once_have_a_link_each(
    first: Client, further: list[Client]
) -> None:
    """go-plugin: every `Client` has a process, an address and a connection."""
    in_parallel(Client.start, further)
    clients = [first, *further]
    assert len({client.pid for client in clients}) == PLUGINS
    assert len({client.target for client in clients}) == PLUGINS
    assert [call(client, n) for n, client in enumerate(clients)] == [*range(PLUGINS)]
    further[0].kill()
    assert call(further[1], 7) == call(first, 7) == 7


def test_a_further_plugin_takes_few_threads_and_descriptors_and_no_relay_thread(
    first: Client, further: list[Client]
) -> None:
    """Requirement: one relay thread whatever the number of links."""
    before = threads(), descriptors()
    in_parallel(Client.start, further)
    added = threads() - before[0], descriptors() - before[1]
    assert roles() == {"loop": 1} | dict.fromkeys(OUR_THREADS, PLUGINS)
    # gRPC starts threads of its own now and then, and they end.
    assert added[0] // len(further) <= THREADS, threading.enumerate()
    assert added[1] // len(further) <= DESCRIPTORS


def test_a_further_plugin_takes_little_memory(
    first: Client, further: list[Client]
) -> None:
    """Requirement: links share the relay's buffer, and hold what is on its way only."""
    tracemalloc.start()
    try:
        in_parallel(Client.start, further)
        for client in further:
            assert call(client, 1) == 1
        gc.collect()
        traced, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert traced // len(further) < TRACED


@pytest.mark.parametrize("leaks", [False, True], ids=["flat", "leak"])
def test_a_soak_fails_when_visits_leak(
    leaks: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`make soak`: here with short periods, of which the first two warm up."""
    leaked: list[int] = []
    pause = threading.Event()

    def visit() -> None:
        pause.wait(0.05)
        if leaks:  # much, for there may be one visit only in a period
            leaked.extend(os.dup(0) for _ in range(2 * soak.LIMIT.descriptors))

    monkeypatch.setattr(soak, "PERIOD", 0.2)
    monkeypatch.setattr(soak, "VISITS", (visit,))
    try:
        assert soak.soak(minutes=0, clients=[]) is not leaks
    finally:
        for descriptor in leaked:
            os.close(descriptor)
    assert ("grown beyond" in capsys.readouterr().out) is leaks
