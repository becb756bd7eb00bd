"""Noticing that the host has died: the parent has ended, and nobody reads stdout."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from goplugin_py.process.host import HostWatch
from tests.echo import HANDSHAKE
from tests.peers import WAIT, run_python, until

# Time enough for something to go wrong.
SHORT = 0.1
# What a plugin may take after the death of its host.
LIMIT = 2.0

# A host that is killed as soon as its plugin answers.
HOST = """
import os, signal, sys
from goplugin_py import Client
from tests.echo import client_config

options = eval(sys.argv[1])
client = Client(client_config(*sys.argv[2:], **options))
assert client.dispense("echo")(b"hello") == b"hello"
print(client.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
# One that does not end its plugins, as Go hosts don't.
CARELESS_HOST = """
import os, signal, subprocess, sys
quiet = {"stderr": subprocess.DEVNULL}
plugin = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE, **quiet)
assert plugin.stdout.readline().startswith(b"1|1|")
print(plugin.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
# A plugin that is left to whoever reattaches.
OUTLIVING = """
from goplugin_py import serve
from tests.echo import serve_config
serve(serve_config(outlive_host=True))
"""


def is_running(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:  # also where it ends while it is read
        return False


def orphan(options: str, *command: str) -> int:
    """Start a plugin from a host that dies; return the plugin's process id."""
    out, _ = run_python(HOST, options, *command, status=-signal.SIGKILL)
    return int(out)


class World:
    """A parent, a pipe that it reads, and a watch on both."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.parent = subprocess.Popen(["sleep", "60"])
        monkeypatch.setattr(os, "getppid", lambda: self.parent.pid)
        self.reading, self.writing = os.pipe()
        self.is_dead = threading.Event()
        self.watch = HostWatch(self.writing, self.is_dead.set)

    def end_parent(self) -> None:
        self.parent.kill()
        self.parent.wait(WAIT)

    def stop_reading(self) -> None:
        os.close(self.reading)
        self.reading = -1

    def close(self) -> None:
        self.end_parent()
        self.watch.close()
        os.close(self.writing)
        if self.reading >= 0:
            self.stop_reading()


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    before = set(os.listdir("/proc/self/fd"))
    world = World(monkeypatch)
    yield world
    world.close()
    assert set(os.listdir("/proc/self/fd")) <= before
    assert not [each for each in threading.enumerate() if each.name == "goplugin-host"]


@pytest.mark.parametrize("is_parent_first", [True, False])
def test_a_host_is_dead_when_the_parent_is_and_nobody_reads(
    world: World, is_parent_first: bool
) -> None:
    """One of them alone is a launcher's end, or a host's choice."""
    steps = [world.end_parent, world.stop_reading]
    first, second = steps if is_parent_first else reversed(steps)
    first()
    assert not world.is_dead.wait(SHORT)
    second()
    assert world.is_dead.wait(WAIT)


def test_a_watch_may_end_before_the_host_and_twice(world: World) -> None:
    world.watch.close()
    world.watch.close()
    world.end_parent()
    world.stop_reading()
    assert not world.is_dead.wait(SHORT)


def test_a_launchers_end_does_not_keep_the_watch_from_ending(world: World) -> None:
    world.end_parent()
    assert not world.is_dead.wait(SHORT)
    world.watch.close()


@pytest.mark.parametrize(
    "options",
    [
        "{'auto_mtls': False}",
        "{'auto_mtls': True}",
        "{'auto_mtls': False, 'broker_multiplex': True}",
    ],
    ids=["plain", "mtls", "multiplex"],
)
def test_a_plugin_stops_when_its_host_is_killed(options: str) -> None:
    pid = orphan(options)
    until(lambda: not is_running(pid), LIMIT)


def test_a_plugin_stops_though_a_call_runs_for_ever() -> None:
    hanging = HOST.replace(
        "print(",
        "client.channel.unary_unary('/test.Echo/Call').future(b'hang')\n"
        "client.ping()\n"
        "print(",
    )
    out, _ = run_python(hanging, "{'auto_mtls': False}", status=-signal.SIGKILL)
    until(lambda: not is_running(int(out)), LIMIT)


@pytest.mark.parametrize("by", ["plugin", "host"])
def test_a_plugin_lives_on_if_it_or_its_host_means_it_to(by: str) -> None:
    if by == "plugin":
        command = (sys.executable, "-c", OUTLIVING)
        cookie = dict([HANDSHAKE.cookie])
        out, _ = run_python(CARELESS_HOST, *command, status=-signal.SIGKILL, **cookie)
        pid = int(out)
    else:
        pid = orphan("{'auto_mtls': False, 'detach': True}")
    threading.Event().wait(LIMIT / 2)
    assert is_running(pid)
    os.kill(pid, signal.SIGKILL)


def test_a_parent_that_can_not_be_watched_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is in another namespace, or the system has no means."""

    def refuse(pid: int) -> int:
        raise OSError("no such process here")

    reading, writing = os.pipe()
    os.close(reading)
    monkeypatch.setattr(os, "pidfd_open", refuse)
    HostWatch(writing, pytest.fail).close()
    monkeypatch.delattr(os, "pidfd_open")
    HostWatch(writing, pytest.fail).close()
    os.close(writing)
