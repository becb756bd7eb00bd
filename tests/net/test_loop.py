"""The loop thread: calls, timers, sockets, and what must not stop it."""

import contextlib
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from goplugin_py.net.loop import READ, WRITE, Loop, shared_loop
from tests.peers import WAIT, run_python, until


def on(loop: Loop, call: Callable[[], None]) -> None:
    """Make a call on the loop's thread and wait for it."""
    loop.run(call, WAIT)


@contextlib.contextmanager
def kept_busy(loop: Loop) -> Iterator[None]:
    """Hold the loop's thread in a call."""
    go_on = threading.Event()

    def hold() -> None:
        go_on.wait(WAIT)

    loop.call_soon(hold)
    yield
    go_on.set()


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    near, far = socket.socketpair()
    with near, far:
        near.setblocking(False)
        yield near, far


# Calls


def test_calls_run_in_order_on_one_daemon_thread(loop: Loop) -> None:
    seen: list[int] = []
    threads: list[threading.Thread] = []
    with kept_busy(loop):
        for number in range(100):
            loop.call_soon(partial(seen.append, number))
            loop.call_soon(lambda: threads.append(threading.current_thread()))
    on(loop, lambda: None)
    assert seen == list(range(100))
    (thread,) = set(threads)
    assert thread is not threading.current_thread()
    assert thread.daemon
    assert thread.name.startswith("goplugin-loop")


def test_no_call_is_lost_when_many_threads_make_them(loop: Loop) -> None:
    """The thread may be ending, starting or asleep when a call comes in."""
    seen: list[int] = []
    done = threading.Barrier(9)

    def make_calls() -> None:
        for number in range(500):
            loop.call_soon(partial(seen.append, number))
        done.wait(WAIT)

    threads = [threading.Thread(target=make_calls) for _ in range(8)]
    for thread in threads:
        thread.start()
    done.wait(WAIT)
    for thread in threads:
        thread.join(WAIT)
    on(loop, lambda: None)
    assert sorted(seen) == sorted(list(range(500)) * 8)


def test_a_loop_that_is_busy_takes_more_calls_than_its_waker_has_room_for(
    loop: Loop,
) -> None:
    seen: list[int] = []
    with kept_busy(loop):
        for number in range(5000):
            loop.call_soon(partial(seen.append, number))
    on(loop, lambda: None)
    assert seen == list(range(5000))


def test_a_call_may_make_calls(loop: Loop) -> None:
    done = threading.Event()
    loop.call_soon(lambda: loop.call_soon(done.set))
    assert done.wait(WAIT)


def test_run_waits_for_its_call(loop: Loop) -> None:
    seen: list[bool] = []
    on(loop, lambda: seen.append(loop.is_current))
    assert seen == [True]
    assert not loop.is_current


def test_run_on_the_loops_own_thread_makes_the_call_at_once(loop: Loop) -> None:
    seen: list[str] = []

    def outer() -> None:
        on(loop, lambda: seen.append("inner"))
        seen.append("outer")

    on(loop, outer)
    assert seen == ["inner", "outer"]


def test_run_gives_up_on_a_stuck_loop(loop: Loop) -> None:
    with kept_busy(loop), pytest.raises(TimeoutError, match="stuck"):
        loop.run(lambda: None, 0.01)


# The thread's life


def test_the_thread_ends_when_idle_and_starts_again_when_needed(loop: Loop) -> None:
    threads: list[threading.Thread] = []
    for _ in range(3):
        on(loop, lambda: threads.append(threading.current_thread()))
        threads[-1].join(WAIT)
        assert not threads[-1].is_alive()
        assert not loop.is_running
    assert len(set(threads)) == 3


def test_a_watched_socket_keeps_the_thread(
    loop: Loop, pair: tuple[socket.socket, socket.socket]
) -> None:
    near, _ = pair
    on(loop, lambda: loop.watch(near, READ, lambda _: None))
    on(loop, lambda: None)
    assert loop.is_running
    on(loop, lambda: loop.forget(near))
    until(lambda: not loop.is_running)


def test_a_process_has_one_loop_for_all_relays() -> None:
    assert shared_loop() is shared_loop()


# Timers


def test_timers_fire_in_the_order_of_their_times(loop: Loop) -> None:
    seen: list[str] = []
    done = threading.Event()

    def arm() -> None:
        loop.call_later(0.03, done.set)
        loop.call_later(0.02, lambda: seen.append("second"))
        loop.call_later(0.01, lambda: seen.append("first"))

    on(loop, arm)
    assert done.wait(WAIT)
    assert seen == ["first", "second"]


def test_a_cancelled_timer_neither_fires_nor_keeps_the_thread(loop: Loop) -> None:
    def arm() -> None:
        timer = loop.call_later(3600, pytest.fail)
        assert timer.is_due
        timer.cancel()
        timer.cancel()
        assert not timer.is_due

    on(loop, arm)
    until(lambda: not loop.is_running)


def test_a_timer_that_has_fired_can_be_cancelled(loop: Loop) -> None:
    seen: list[str] = []
    timers = []
    on(loop, lambda: timers.append(loop.call_later(0, lambda: seen.append("fired"))))
    until(lambda: seen)
    timers[0].cancel()
    assert not timers[0].is_due


def test_a_timer_comes_in_time_while_sockets_are_busy(
    loop: Loop, pair: tuple[socket.socket, socket.socket]
) -> None:
    near, _ = pair
    done = threading.Event()

    def arm() -> None:
        loop.watch(near, WRITE, lambda _: None)  # always ready
        loop.call_later(0.02, done.set)

    on(loop, arm)
    assert done.wait(WAIT)
    on(loop, lambda: loop.forget(near))


# Sockets


def test_a_socket_is_reported_with_what_it_is_ready_for(
    loop: Loop, pair: tuple[socket.socket, socket.socket]
) -> None:
    near, far = pair
    seen: list[int] = []
    done = threading.Event()

    def ready(events: int) -> None:
        seen.append(events)
        if events & READ:
            loop.watch(near, 0, ready)  # the same as forgetting it
            done.set()

    on(loop, lambda: loop.watch(near, READ, ready))
    far.send(b"x")
    assert done.wait(WAIT)
    assert seen == [READ]


def test_the_events_of_a_watched_socket_can_change(
    loop: Loop, pair: tuple[socket.socket, socket.socket]
) -> None:
    near, _ = pair
    done = threading.Event()

    def writable(_events: int) -> None:
        loop.forget(near)
        loop.forget(near)
        done.set()

    on(loop, lambda: loop.watch(near, READ, lambda _: pytest.fail("not readable")))
    on(loop, lambda: loop.watch(near, WRITE, writable))
    assert done.wait(WAIT)


def test_a_socket_closed_by_another_callback_of_the_round_is_left_alone(
    loop: Loop,
) -> None:
    """Its number may belong to a new socket by then."""
    pairs = [socket.socketpair() for _ in range(2)]
    seen: list[int] = []

    def ready(index: int) -> Callable[[int], None]:
        def callback(_events: int) -> None:
            seen.append(index)
            for near, _ in pairs:
                loop.forget(near)

        return callback

    def arm() -> None:
        for index, (near, far) in enumerate(pairs):
            far.send(b"x")
            loop.watch(near, READ, ready(index))

    on(loop, arm)
    until(lambda: not loop.is_running)
    assert len(seen) == 1
    for sock in (*pairs[0], *pairs[1]):
        sock.close()


# Failures


def test_a_failing_callback_is_logged_and_stops_nothing(
    loop: Loop,
    pair: tuple[socket.socket, socket.socket],
    caplog: pytest.LogCaptureFixture,
) -> None:
    near, far = pair
    done = threading.Event()

    def fail(_events: int = 0) -> None:
        raise RuntimeError("a bug")

    def fail_once(_events: int) -> None:
        loop.forget(near)
        fail()

    def arm() -> None:
        loop.watch(near, READ, fail_once)
        loop.call_later(0, fail)
        loop.call_soon(fail)
        loop.call_later(0.05, done.set)

    far.send(b"x")
    with caplog.at_level(logging.ERROR, "goplugin.loop"):
        on(loop, arm)
        assert done.wait(WAIT)
    assert len(caplog.records) == 3
    assert all("a bug" in (record.exc_text or "") for record in caplog.records)


def test_run_returns_when_its_call_fails(
    loop: Loop, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise RuntimeError("a bug")

    on(loop, fail)
    until(lambda: not loop.is_running)
    assert "a relay callback failed" in caplog.text


# Fork

FORK = """
import os, signal, socket, threading, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # of forking beside threads
from goplugin_py.net.loop import READ, Loop

loop = Loop()
near, far = socket.socketpair()
heard = threading.Event()
def hear(events):
    near.recv(1)
    heard.set()
loop.run(lambda: loop.watch(near, READ, hear), 5)
alive, tell = os.pipe()
pid = os.fork()
if not pid:
    signal.alarm(5)
    assert near.fileno() == -1 and not loop.is_running
    done = threading.Event()
    loop.run(done.set, 5)
    assert done.is_set()
    os.write(tell, b"fresh")
    signal.pause()  # until the parent is done
assert os.read(alive, 5) == b"fresh"
far.send(b"x")  # the parent's loop goes on
assert heard.wait(5)
loop.run(lambda: loop.forget(near), 5)
near.close()
far.settimeout(5)
assert far.recv(2) == b""  # though the child lives
os.kill(pid, signal.SIGKILL)
os.waitpid(pid, 0)
"""


def test_a_forked_child_has_a_fresh_loop_and_none_of_its_parents_sockets() -> None:
    run_python(FORK)
