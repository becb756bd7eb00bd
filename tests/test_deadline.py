"""Deadline, on a clock that the test moves."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goplugin_py.deadline import Deadline

seconds = st.floats(0, 1e6)


class HandClock:
    """Stands still until it is moved."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def test_counts_down() -> None:
    clock = HandClock()
    deadline = Deadline(5.0, clock)
    assert deadline.remaining() == 5.0
    clock.now += 2.0
    assert deadline.remaining() == 3.0
    assert not deadline.expired


def test_expires_at_its_end_and_is_never_negative() -> None:
    clock = HandClock()
    deadline = Deadline(5.0, clock)
    clock.now += 5.0
    assert deadline.expired
    clock.now += 5.0
    assert deadline.expired
    assert deadline.remaining() == 0.0


@pytest.mark.parametrize("timeout", [0.0, -1.0])
def test_without_time_is_expired_at_once(timeout: float) -> None:
    assert Deadline(timeout, HandClock()).expired


def test_without_limit_never_expires() -> None:
    clock = HandClock()
    deadline = Deadline(None, clock)
    clock.now += 1e9
    assert deadline.remaining() is None
    assert not deadline.expired
    assert deadline.within(7.0) == 7.0


def test_a_step_gets_its_own_limit_but_no_more_than_is_left() -> None:
    clock = HandClock()
    deadline = Deadline(5.0, clock)
    assert deadline.within(2.0) == 2.0
    clock.now += 4.0
    assert deadline.within(2.0) == 1.0
    clock.now += 4.0
    assert deadline.within(2.0) == 0.0


@given(timeout=seconds, steps=st.lists(seconds), step_timeout=seconds)
def test_a_step_never_outlives_the_whole(
    timeout: float, steps: list[float], step_timeout: float
) -> None:
    clock = HandClock()
    deadline = Deadline(timeout, clock)
    for step in steps:
        clock.now += step
    left = deadline.remaining()
    assert left is not None
    assert 0.0 <= deadline.within(step_timeout) <= min(left, step_timeout)
    assert deadline.expired == (left == 0.0)


def test_uses_the_monotonic_clock_by_default() -> None:
    before = time.monotonic()
    left = Deadline(60.0).remaining()
    assert left is not None
    assert 60.0 - (time.monotonic() - before) <= left <= 60.0


def test_an_aborted_deadline_has_expired_and_wakes_those_who_wait() -> None:
    deadline = Deadline(None)
    woken: list[str] = []
    with deadline.waking(lambda: woken.append("inside")):
        deadline.abort()
    deadline.abort()
    assert woken == ["inside"]
    assert deadline.expired
