"""Managed clients: ended by `cleanup_clients` and at the interpreter's end."""

from __future__ import annotations

import gc
import os
import threading
import time
from collections.abc import Iterator

import pytest

from goplugin_py import Client, ClientClosed, LaunchError, cleanup_clients, managed
from goplugin_py.launch import Launch
from tests.echo import client_config
from tests.peers import WAIT, run_python, until

# A host that leaves its plugin to its own end, and says last how that one ended.
AT_EXIT = """
import atexit
atexit.register(lambda: print(client.exit_status))
from goplugin_py import Client
from tests.echo import client_config

if __name__ == "__main__":
    client = Client(client_config(auto_mtls=False, managed={managed}))
    client.start()
    print(client.pid)
    {then}
"""


class Fake:
    """A client that takes its time; `barrier` opens when all are being killed."""

    def __init__(self, barrier: threading.Barrier | None = None) -> None:
        self.kills = 0
        self._barrier = barrier

    def kill(self) -> None:
        self.kills += 1
        if self._barrier is not None:
            self._barrier.wait(WAIT)


@pytest.fixture(autouse=True)
def _none_left() -> Iterator[None]:
    """Each test ends, or forgets, what it has managed."""
    yield
    gc.collect()
    assert managed._registry.listed() == {}


@pytest.fixture
def fakes() -> Iterator[list[Fake]]:
    barrier = threading.Barrier(3)
    clients = [Fake(barrier) for _ in range(3)]
    for each in clients:
        managed.add(each, 0.0)
    yield clients
    for each in clients:
        managed.discard(each)


def test_all_are_killed_at_once(fakes: list[Fake]) -> None:
    """go-plugin: CleanupClients."""
    cleanup_clients()
    assert [each.kills for each in fakes] == [1, 1, 1]


def test_where_no_thread_can_be_started_they_are_killed_in_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As at the end of the interpreter, from Python 3.12 on."""

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    clients = [Fake(), Fake()]
    for each in clients:
        managed.add(each, 0.0)
    cleanup_clients()
    assert [each.kills for each in clients] == [1, 1]
    for each in clients:
        managed.discard(each)


def test_one_that_hangs_does_not_hold_up_the_others_or_the_caller() -> None:
    """Not that kill() ever should; its contract is the bound."""
    released = threading.Event()

    class Hanging(Fake):
        def kill(self) -> None:
            released.wait(WAIT)
            super().kill()

    hanging, other = Hanging(), Fake()
    managed.add(hanging, 0.0)
    managed.add(other, 0.1)
    started = time.monotonic()
    cleanup_clients()
    assert 1.0 <= time.monotonic() - started < WAIT
    assert (hanging.kills, other.kills) == (0, 1)
    released.set()
    until(lambda: hanging.kills)
    for each in (hanging, other):
        managed.discard(each)


def test_managed_clients_end_gracefully_and_others_stay() -> None:
    clients = [
        Client(client_config(auto_mtls=False, managed=is_managed))
        for is_managed in (True, True, False)
    ]
    for client in clients:
        client.start()
    cleanup_clients()
    cleanup_clients()
    assert [client.exited for client in clients] == [True, True, False]
    assert [client.exit_status for client in clients] == [0, 0, None]
    clients[2].kill()


def test_clients_may_be_made_after_a_cleanup() -> None:
    """Unlike in go-plugin, where `Killed` stays set for good."""
    cleanup_clients()
    with Client(client_config(auto_mtls=False, managed=True)) as client:
        assert client.dispense("echo")(b"hello") == b"hello"
        assert list(managed._registry.listed()) == [client]
        cleanup_clients()
        assert client.exited


def test_one_that_is_starting_is_stopped() -> None:
    config = client_config("/bin/sh", "-c", "sleep 60", managed=True, kill_timeout=0.1)
    client = Client(config)
    failures: list[BaseException] = []

    def start() -> None:
        try:
            client.start()
        except ClientClosed as exc:
            failures.append(exc)

    launch = client._launch
    assert isinstance(launch, Launch)
    thread = threading.Thread(target=start)
    thread.start()
    until(lambda: launch._process)
    cleanup_clients()
    thread.join(WAIT)
    assert len(failures) == 1


def test_one_that_was_killed_or_collected_is_not_kept() -> None:
    client = Client(client_config("/bin/false", auto_mtls=False, managed=True))
    with pytest.raises(LaunchError):
        client.start()
    assert list(managed._registry.listed()) == [client]
    client.kill()
    assert managed._registry.listed() == {}
    managed.add(Fake(), 0.0)
    gc.collect()
    assert managed._registry.listed() == {}


@pytest.mark.parametrize("is_managed", [True, False])
def test_at_the_interpreters_end_they_are_asked_and_others_ended_by_a_signal(
    is_managed: bool,
) -> None:
    """A plugin of a host that forgot it must not stay either way."""
    out, _ = run_python(AT_EXIT.format(managed=is_managed, then=""))
    pid, ended = out.split()
    assert int(ended) == 0 if is_managed else int(ended) < 0
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid), 0)


def test_a_forked_child_leaves_the_plugins_to_its_parent() -> None:
    then = """
    import os, sys
    child = os.fork()
    if child == 0:
        from goplugin_py import cleanup_clients
        cleanup_clients()
        os._exit(0)
    os.waitpid(child, 0)
    assert client.dispense("echo")(b"hello") == b"hello"
"""
    run_python(AT_EXIT.format(managed=True, then=then))


def test_without_managed_clients_nothing_is_registered() -> None:
    run_python(
        "import atexit\n"
        "from goplugin_py import cleanup_clients, managed\n"
        "def fail(*arguments): raise AssertionError(arguments)\n"
        "atexit.register = fail\n"
        "cleanup_clients()\n"
        "assert not managed._registry._is_at_exit\n"
    )
