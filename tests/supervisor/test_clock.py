"""The real clock, and what is left when it can't start a thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from goplugin_py import ConnectionLost, LaunchError
from goplugin_py.supervisor import Supervisor, SystemClock
from tests.clock import FakeClock
from tests.echo import client_config
from tests.peers import WAIT, until


def timers() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name == "goplugin-restart"]


def test_the_callback_runs_once_on_a_thread_of_its_own() -> None:
    threads: list[threading.Thread] = []
    SystemClock().call_later(0.0, lambda: threads.append(threading.current_thread()))
    until(lambda: threads)
    assert threads[0].name == "goplugin-restart"
    assert threads[0].daemon
    threads[0].join(WAIT)
    assert len(threads) == 1


def test_what_is_cancelled_is_not_called_and_leaves_no_thread() -> None:
    called = threading.Event()
    cancel = SystemClock().call_later(3600.0, called.set)
    assert timers() == ["goplugin-restart"]
    cancel()
    until(lambda: timers() == [])
    assert not called.is_set()


def test_its_time_does_not_go_back() -> None:
    clock = SystemClock()
    assert clock.now() <= clock.now() <= time.monotonic()


class EndingClock(FakeClock):
    """As it is at the interpreter's end, from Python 3.12 on."""

    def call_later(
        self, delay: float, callback: Callable[[], None]
    ) -> Callable[[], None]:
        raise RuntimeError("can't create new thread at interpreter shutdown")


def test_where_no_thread_starts_there_is_no_restart() -> None:
    with Supervisor(clock=EndingClock()) as supervisor:
        plugin = supervisor.add("bad", client_config("/bin/false", auto_mtls=False))
        with pytest.raises(LaunchError):
            plugin.start()
        assert plugin.status.has_given_up


def test_a_plugin_comes_back_on_the_real_clock() -> None:
    with Supervisor() as supervisor:
        plugin = supervisor.add("echo", client_config(auto_mtls=False))
        plugin.start()
        with pytest.raises(ConnectionLost):
            plugin.dispense("echo")(b"exit 1")
        assert plugin.wait_for(lambda status: status.generation == 2, WAIT)
        assert plugin.dispense("echo")(b"back") == b"back"
    assert timers() == []
