"""The threads that run RPC handlers."""

import threading
from concurrent.futures import CancelledError, Future
from functools import partial

import pytest

from goplugin_py.services.workers import Workers
from tests.peers import WAIT, run_python, until


def threads_of(name: str) -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name.startswith(f"{name}-")]


def test_a_call_gets_its_arguments_and_gives_its_result() -> None:
    workers = Workers(2, "one")
    future = workers.submit(divmod, 17, 5)
    assert future.result(WAIT) == (3, 2)
    assert workers.submit(int, "ff", base=16).result(WAIT) == 255
    workers.shutdown()


def test_an_exception_reaches_who_asks_for_the_result() -> None:
    workers = Workers(1, "failing")
    with pytest.raises(ZeroDivisionError):
        workers.submit(divmod, 1, 0).result(WAIT)
    with pytest.raises(SystemExit):
        workers.submit(partial(exec, "raise SystemExit")).result(WAIT)
    assert workers.submit(len, "the worker lives").result(WAIT) == 16
    workers.shutdown()


def test_threads_are_daemons_made_as_needed_and_no_more_than_the_limit() -> None:
    workers = Workers(3, "limited")
    assert threads_of("limited") == []
    go_on = threading.Event()
    futures = [workers.submit(go_on.wait, WAIT) for _ in range(10)]
    until(lambda: sum(future.running() for future in futures) == 3)
    assert len(threads_of("limited")) == 3
    assert all(thread.daemon for thread in threads_of("limited"))
    go_on.set()
    assert all(future.result(WAIT) for future in futures)
    workers.shutdown()
    until(lambda: not threads_of("limited"))


def test_an_idle_thread_is_used_again() -> None:
    workers = Workers(5, "idle")
    for _ in range(20):
        workers.submit(threading.get_ident).result(WAIT)
        until(lambda: workers._idle)
    assert len(threads_of("idle")) == 1
    workers.shutdown()


def test_calls_that_wait_for_each_other_run_at_once_up_to_the_limit() -> None:
    workers = Workers(8, "meeting")
    barrier = threading.Barrier(8)
    futures = [workers.submit(barrier.wait, WAIT) for _ in range(8)]
    assert sorted(future.result(WAIT) for future in futures) == list(range(8))
    workers.shutdown()


def test_a_cancelled_call_is_not_made() -> None:
    workers = Workers(1, "cancelling")
    go_on = threading.Event()
    workers.submit(go_on.wait, WAIT)
    future: Future[object] = workers.submit(pytest.fail, "it was made")
    assert future.cancel()
    go_on.set()
    with pytest.raises(CancelledError):
        future.result(WAIT)
    assert workers.submit(len, "on").result(WAIT) == 2
    workers.shutdown()


def test_shutdown_lets_calls_finish_and_takes_no_more() -> None:
    workers = Workers(1, "closing")
    go_on = threading.Event()
    futures = [workers.submit(go_on.wait, WAIT) for _ in range(3)]
    workers.shutdown()
    with pytest.raises(RuntimeError, match="shut down"):
        workers.submit(len, "late")
    go_on.set()
    assert all(future.result(WAIT) for future in futures)
    until(lambda: not threads_of("closing"))
    workers.shutdown()


STUCK = """
import threading
from goplugin_py.services.workers import Workers

started = threading.Event()
workers = Workers(1, "stuck")
workers.submit(started.set)
workers.submit(threading.Event().wait)
workers.shutdown()
assert started.wait(5)
print("the end")
"""


def test_a_stuck_call_does_not_keep_the_interpreter_from_ending() -> None:
    """The standard pool joins its threads at exit."""
    assert run_python(STUCK)[0] == "the end\n"
