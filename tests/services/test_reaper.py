"""What looks later whether something is still of use."""

import logging
import threading
from collections.abc import Iterator

import pytest

from goplugin_py.services.reaper import Reaper
from tests.peers import WAIT, until

NEVER = 1000.0


class Checks:
    """Counts its calls, and gives the answers it was told."""

    def __init__(self, *delays: float | None) -> None:
        self.calls = 0
        self._delays = list(delays)
        self._called = threading.Event()

    def __call__(self) -> float | None:
        self.calls += 1
        self._called.set()
        return self._delays.pop(0) if self._delays else None

    def wait(self) -> None:
        assert self._called.wait(WAIT)


@pytest.fixture
def reaper() -> Iterator[Reaper]:
    reaper = Reaper()
    yield reaper
    reaper.close()
    assert reaper._thread is None


def is_idle(reaper: Reaper) -> bool:
    return reaper._thread is None


def test_a_check_is_made_when_it_is_due_and_ends_the_thread(reaper: Reaper) -> None:
    assert is_idle(reaper)
    check = Checks()
    reaper.watch("a", 0.01, check)
    check.wait()
    until(lambda: is_idle(reaper))
    assert check.calls == 1


def test_a_check_may_ask_for_another(reaper: Reaper) -> None:
    check = Checks(0.0, 0.01, None)
    reaper.watch("a", 0.0, check)
    until(lambda: is_idle(reaper))
    assert check.calls == 3


def test_the_earlier_check_comes_first_though_it_was_asked_for_later(
    reaper: Reaper,
) -> None:
    late, early = Checks(), Checks()
    reaper.watch("late", NEVER, late)
    reaper.watch("early", 0.0, early)
    early.wait()
    assert late.calls == 0
    assert not is_idle(reaper)


def test_watching_again_replaces_the_check(reaper: Reaper) -> None:
    first, second = Checks(), Checks()
    reaper.watch("a", NEVER, first)
    reaper.watch("a", 0.0, second)
    until(lambda: is_idle(reaper))
    assert (first.calls, second.calls) == (0, 1)


def test_what_is_forgotten_is_not_checked_and_ends_the_thread(reaper: Reaper) -> None:
    check = Checks()
    reaper.watch("a", NEVER, check)
    reaper.forget("a")
    reaper.forget("b")
    until(lambda: is_idle(reaper))
    assert check.calls == 0


def test_a_check_that_fails_is_logged_and_disturbs_no_other(
    reaper: Reaper, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> float | None:
        raise OSError("on purpose")

    check = Checks()
    with caplog.at_level(logging.ERROR, "goplugin.broker"):
        reaper.watch("bad", 0.0, fail)
        reaper.watch("good", 0.01, check)
        check.wait()
    assert "could not reap 'bad'" in caplog.text
    assert "on purpose" in caplog.text


def test_a_closed_reaper_checks_nothing(reaper: Reaper) -> None:
    check = Checks()
    reaper.watch("a", NEVER, check)
    reaper.close()
    reaper.close()
    reaper.watch("b", 0.0, check)
    assert is_idle(reaper)
    assert check.calls == 0


def test_a_check_may_close_the_reaper(reaper: Reaper) -> None:
    def check() -> float | None:
        reaper.close()
        return 0.0

    reaper.watch("a", 0.0, check)
    until(lambda: is_idle(reaper))
