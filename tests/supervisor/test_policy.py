"""When a plugin is started again: the arithmetic, without clock and processes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goplugin_py.errors import (
    ChecksumMismatch,
    ConfigError,
    ConnectionLost,
    ExitedEarly,
    MalformedHandshake,
    StartTimeout,
    TLSRefused,
    VersionMismatch,
)
from goplugin_py.supervisor import HealthPolicy, RestartPolicy
from goplugin_py.supervisor.policy import is_lasting

POLICY = RestartPolicy(
    initial_delay=1.0,
    factor=2.0,
    max_delay=10.0,
    jitter=0.0,
    limit=6,
    stable_after=60.0,
)


def test_delays_double_up_to_the_longest_and_then_end() -> None:
    delays = [POLICY.delay(failures, chance=0.5) for failures in range(1, 8)]
    assert delays == [1.0, 2.0, 4.0, 8.0, 10.0, 10.0, None]


def test_chance_only_shortens_a_delay() -> None:
    policy = RestartPolicy(initial_delay=10.0, max_delay=10.0, jitter=0.3)
    assert policy.delay(1, chance=0.0) == 10.0
    assert policy.delay(1, chance=0.5) == pytest.approx(8.5)
    assert policy.delay(1, chance=1.0) == pytest.approx(7.0)


def test_failures_are_counted_in_a_row() -> None:
    assert POLICY.count(0, uptime=0.0) == 1
    assert POLICY.count(3, uptime=59.9) == 4


def test_a_stable_time_makes_the_next_failure_the_first() -> None:
    assert POLICY.count(5, uptime=60.0) == 1


def test_without_a_stable_time_only_starts_that_fail_are_counted() -> None:
    policy = RestartPolicy(stable_after=0.0)
    assert policy.count(3, uptime=0.0) == 4
    assert policy.count(3, uptime=0.1) == 1


def test_a_limit_of_none_means_never() -> None:
    assert RestartPolicy(limit=0).delay(1, chance=0.0) is None


@given(
    failures=st.integers(1, 100_000),
    factor=st.floats(1.0, 1e9),
    chance=st.floats(0.0, 1.0),
    jitter=st.floats(0.0, 1.0),
)
def test_a_delay_is_never_negative_nor_beyond_the_longest(
    failures: int, factor: float, chance: float, jitter: float
) -> None:
    """Also where the power is beyond what a float holds."""
    policy = RestartPolicy(factor=factor, jitter=jitter, limit=100_000)
    delay = policy.delay(failures, chance)
    assert delay is not None
    assert 0 <= delay <= policy.max_delay


@pytest.mark.parametrize(
    "settings",
    [
        {"initial_delay": -1.0},
        {"max_delay": -1.0},
        {"stable_after": -1.0},
        {"factor": 0.9},
        {"jitter": 1.1},
        {"jitter": -0.1},
        {"limit": -1},
    ],
    ids=str,
)
def test_a_policy_that_can_not_be_is_refused(settings: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        RestartPolicy(**settings)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "settings", [{"interval": 0.0}, {"timeout": 0.0}, {"failures": 0}], ids=str
)
def test_a_health_policy_that_can_not_be_is_refused(settings: dict[str, int]) -> None:
    with pytest.raises(ConfigError):
        HealthPolicy(**settings)


@pytest.mark.parametrize(
    ("error", "lasts"),
    [
        (ChecksumMismatch("other bytes"), True),
        (VersionMismatch(1, [2]), True),
        (MalformedHandshake("no line"), True),
        (TLSRefused("no certificate"), True),
        (ExitedEarly("ended", 1), False),
        (StartTimeout("silent"), False),
        (ConnectionLost("gone", -9), False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_would_only_be_said_again_is_not_tried_again(
    error: Exception, lasts: bool
) -> None:
    assert is_lasting(error) is lasts
