"""Exit statuses in words."""

import signal

import pytest

from goplugin_py import ExitStatus


@pytest.mark.parametrize(
    ("number", "text", "name"),
    [
        (0, "exit status 0", None),
        (3, "exit status 3", None),
        (-9, "killed by SIGKILL", signal.SIGKILL),
        (-15, "killed by SIGTERM", signal.SIGTERM),
        (-250, "killed by signal 250", None),
    ],
)
def test_a_status_is_a_number_with_words(
    number: int, text: str, name: signal.Signals | None
) -> None:
    """subprocess: `Popen.returncode` is negative for a signal."""
    status = ExitStatus.of(number)
    assert status is not None
    assert status == number
    assert (status.text, status.signal) == (text, name)
    assert f"{status}" == str(number)


def test_no_status_stays_none() -> None:
    assert ExitStatus.of(None) is None
