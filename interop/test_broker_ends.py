"""What is left of brokered connections when one side comes to its end."""

import gc
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import grpc
import pytest

from goplugin_py import Client
from interop.callback_pb2 import Numbers
from interop.callback_pb2_grpc import PeerStub
from interop.callback_plugin import BUSY
from interop.callback_sides import (
    GO,
    PYTHON,
    START_TIMEOUT,
    Link,
    Pair,
    Side,
    linked,
    process,
    python_config,
)
from interop.python_host import descriptors, eventually, our_threads

pytestmark = pytest.mark.usefixtures("nothing_left")

# `Client.kill` returns within its grace, 2 s by default, and one more second. Twice
# that on a busy machine.
KILL_BOUND = 6.0
SHORT = 0.1
WAY_IDS = ["plain-sockets", "plain-mux", "mtls-sockets", "mtls-mux"]
WAYS = [(mtls, mux) for mtls in (False, True) for mux in (False, True)]
FROM_PYTHON = [Link(PYTHON, plugin, *way) for plugin in (GO, PYTHON) for way in WAYS]
TO_PYTHON = [Link(GO, PYTHON, *way) for way in WAYS]

HOST = """
import sys

from goplugin_py import Client
from interop.callback_sides import PYTHON, Link, python_config

client = Client(python_config(Link(PYTHON, PYTHON, mux=True)))
client.start()
print(client.pid, flush=True)
sys.stdin.read()
"""


def hold(dialler: Side, acceptor: Side, pair: Pair) -> Future[Any]:
    """Return a call of `dialler` that is under way, and stays so."""
    first, second = acceptor.accept(count=2)
    held = pair.begin(dialler.dial, first, wait=True)
    # Dials take turns in the order of their calls, and this one has arrived.
    other = pair.begin(dialler.dial, second, wait=True)
    acceptor.stop(second, when_waited_for=True)
    other.result(timeout=BUSY)
    return held


def ended(call: Future[Any]) -> bool:
    """Wait for the end of a call; return whether it ended in an error."""
    failure = call.exception(timeout=BUSY)
    if failure is None:
        return bool(call.result().errors)
    return isinstance(failure, grpc.RpcError)


def ignore(server: grpc.Server) -> None:
    """Serve nothing."""


def sockets(directory: Path) -> int:
    """Return how many unix sockets there are, at any depth."""
    return sum(path.is_socket() for path in directory.rglob("*"))


def serving() -> int:
    """Return how many gRPC servers this process has, by their threads."""
    return sum("_serve" in each.name for each in threading.enumerate())


def is_running(pid: int) -> bool:
    """Return whether a process exists and is no zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return False
    return fields[0] != "Z"


def group_of(leader: int) -> set[int]:
    """Return the processes of a process group, without its leader."""
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and entry.name != str(leader):
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:  # it has just ended
                continue
            if int(fields[2]) == leader:
                found.add(int(entry.name))
    return found


@pytest.mark.parametrize("link", FROM_PYTHON, ids=str)
def test_kill_ends_brokered_calls_of_both_directions(link: Link) -> None:
    """Requirement: bounded, and nobody is left waiting."""
    with linked(link) as pair:
        assert pair.client is not None
        calls = [hold(*sides, pair) for sides in pair.both_ways]
        started = time.monotonic()
        pair.client.kill()
        assert time.monotonic() - started < KILL_BOUND
        assert [ended(call) for call in calls] == [True, True]


@pytest.mark.parametrize("link", FROM_PYTHON, ids=str)
def test_kill_ends_dials_that_are_under_way(link: Link) -> None:
    """Requirement: some have come through, some wait, and all have an end."""
    with linked(link) as pair:
        assert pair.client is not None
        ids = pair.host.accept(count=50)
        calls = [
            pair.begin(pair.plugin.dial, *ids, at_once=50),
            pair.begin(pair.host.dial, *range(1000, 1020), at_once=20),
        ]
        pair.plugin.dial(*pair.host.accept(count=1))
        started = time.monotonic()
        pair.client.kill()
        assert time.monotonic() - started < KILL_BOUND
        for call in calls:
            call.exception(timeout=BUSY)
        assert calls[1].result().errors.keys() == set(range(1000, 1020))


@pytest.mark.parametrize("link", TO_PYTHON, ids=str)
def test_a_go_host_ends_a_plugin_in_the_middle_of_brokered_calls(link: Link) -> None:
    """go-plugin: `Client.Kill`; the plugin ends by itself, not by force."""
    with linked(link) as pair:
        calls = [hold(*sides, pair) for sides in pair.both_ways]
        pair.host.stop_all()  # or the Go host would leave the socket
        assert pair.process is not None
        rest, _ = pair.process.communicate(timeout=START_TIMEOUT)
        assert rest.split() == ["graceful"]
        assert [ended(call) for call in calls] == [True, True]


@pytest.mark.parametrize("link", FROM_PYTHON, ids=str)
def test_a_plugin_that_dies_ends_brokered_calls_of_both_directions(
    link: Link, nothing_left: Path
) -> None:
    """Requirement: a lost plugin is noticed at once, with all its connections."""
    with linked(link) as pair:
        assert pair.client is not None
        calls = [hold(*sides, pair) for sides in pair.both_ways]
        assert pair.client.pid is not None
        os.kill(pair.client.pid, signal.SIGKILL)
        assert [ended(call) for call in calls] == [True, True]
        assert pair.client.wait(BUSY) == -signal.SIGKILL
        # Nobody can dial what the host has served, so it goes without being stopped.
        broker: Any = pair.client.broker
        assert eventually(lambda: not broker._services)
        ours = sockets(nothing_left)
    if link.plugin == GO:
        assert sockets(nothing_left) == 0
    assert sockets(nothing_left) <= ours
    remove_what_the_dead_leave(nothing_left)


@pytest.mark.parametrize("link", FROM_PYTHON, ids=str)
def test_a_server_that_no_plugin_dials_is_stopped_and_the_others_are_not(
    link: Link, nothing_left: Path
) -> None:
    """Go's lives as long as its link, with a socket and threads."""
    with linked(link) as pair:
        assert pair.client is not None
        used = pair.host.accept(count=2)
        assert pair.plugin.dial(*used).good == 2
        held = hold(pair.plugin, pair.host, pair)
        files, servers = sockets(nothing_left), serving()
        assert servers == 3
        for _ in range(3):
            service_id = pair.client.broker.next_id()
            pair.client.broker.accept_and_serve(service_id, ignore, timeout=SHORT)
        assert eventually(
            lambda: (sockets(nothing_left), serving()) == (files, servers)
        )
        assert not held.done()
        pair.host.stop_all()
        assert ended(held)


def remove_what_the_dead_leave(directory: Path) -> None:
    """Nobody knows the private sockets of a process that was killed."""
    for path in sorted(directory.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()


@pytest.mark.parametrize("way", WAYS, ids=WAY_IDS)
def test_a_stopped_server_has_removed_its_socket(
    way: tuple[bool, bool], nothing_left: Path
) -> None:
    """Requirement: on both sides, while the link lives on."""
    with linked(Link(PYTHON, PYTHON, *way)) as pair:
        before = sockets(nothing_left)
        for dialler, acceptor in pair.both_ways:
            ids = acceptor.accept(count=3)
            assert sockets(nothing_left) >= before + 3
            dialler.dial(*ids)
            acceptor.stop(*ids)
            assert eventually(lambda: sockets(nothing_left) == before)


@pytest.mark.parametrize("way", WAYS, ids=WAY_IDS)
def test_a_host_keeps_no_descriptor_of_what_was_brokered(
    way: tuple[bool, bool],
) -> None:
    """Requirement: nor a thread, for as long as the link lives."""
    with linked(Link(PYTHON, GO, *way)) as pair:

        def cycle() -> None:
            for dialler, acceptor in pair.both_ways:
                ids = acceptor.accept(count=5)
                assert dialler.dial(*ids, at_once=2).good == 5
                acceptor.stop(*ids)

        cycle()  # grpcio opens some of its own, once
        assert_steady(cycle, descriptors)
        assert_steady(cycle, lambda: len(our_threads()))


def assert_steady(cycle: Callable[[], None], count: Callable[[], int]) -> None:
    """Require that a cycle leaves no more than there was."""
    gc.collect()
    before = count()
    for _ in range(4):
        cycle()
    gc.collect()
    # Some are closed a moment later; a leak would have left twenty.
    assert eventually(lambda: count() <= before + 3), (before, count())


@pytest.mark.parametrize("mtls", [False, True], ids=["plain", "mtls"])
def test_a_multiplexed_plugin_ends_when_its_go_host_is_killed(mtls: bool) -> None:
    """go-plugin: the session is all there is; its end is the server's."""
    with linked(Link(GO, PYTHON, mtls, mux=True)) as pair:
        call = hold(*pair.both_ways[0], pair)
        assert pair.process is not None
        (plugin,) = group_of(pair.process.pid)
        pair.process.kill()
        assert ended(call)
        assert eventually(lambda: not is_running(plugin))


def test_a_multiplexed_plugin_ends_when_its_python_host_is_killed(
    nothing_left: Path,
) -> None:
    """The same with Python on both sides."""
    with (
        tempfile.TemporaryDirectory(prefix="host-", dir="/tmp") as directory,
        process([sys.executable, "-c", HOST], directory) as host,
    ):
        assert host.stdout is not None
        plugin = int(host.stdout.readline())
        host.kill()
        assert eventually(lambda: not is_running(plugin))
    remove_what_the_dead_leave(nothing_left)


@pytest.mark.parametrize("way", WAYS, ids=WAY_IDS)
def test_a_killed_client_has_closed_every_descriptor(way: tuple[bool, bool]) -> None:
    """Requirement: whatever is still dialled or served is closed with the client."""

    def cycle() -> None:
        with Client(python_config(Link(PYTHON, GO, *way))) as client:
            host, plugin = map(Side, client.dispense("callback"))
            plugin.dial(*host.accept(count=5))
            for service_id in plugin.accept(count=5):
                # Closed by nobody but the client.
                peer = PeerStub(client.broker.dial(service_id))
                peer.Sum(Numbers(values=[service_id]), timeout=BUSY)

    cycle()
    assert_steady(cycle, descriptors)
