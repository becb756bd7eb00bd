"""Plugins whose host has died are ended."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator

import pytest

from goplugin_py.process import lifeline, local
from goplugin_py.process.lifeline import Lifeline
from goplugin_py.process.local import LocalRunner
from tests.peers import WAIT, until

# A plugin that says when it is about to be ended, and stays.
STUBBORN = "trap 'echo asked' TERM; echo ready; while :; do sleep 0.1; done"


@pytest.fixture
def stubborn() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(
        ["/bin/sh", "-c", STUBBORN], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        yield process
        process.kill()


def let_go(line: Lifeline) -> None:
    """Do what the kernel does at the end of this process."""
    line._let_go()
    line._process.wait(WAIT)


@pytest.mark.parametrize("has_pidfds", [True, False], ids=["pidfd", "pid"])
def test_a_plugin_is_asked_to_end_and_killed_a_second_later(
    stubborn: subprocess.Popen[bytes],
    has_pidfds: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if not has_pidfds:
        monkeypatch.delattr(os, "pidfd_open")
    let_go(Lifeline(stubborn.pid))
    assert stubborn.wait(WAIT) == -signal.SIGKILL
    assert stubborn.stdout is not None
    assert stubborn.stdout.read() == b"asked\n"


def test_a_line_that_is_cut_ends_nothing(stubborn: subprocess.Popen[bytes]) -> None:
    line = Lifeline(stubborn.pid)
    line.cut()
    assert line._process.returncode == -signal.SIGKILL
    assert stubborn.poll() is None


def test_an_id_that_is_somebody_elses_by_now_gets_no_signal(
    stubborn: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process behind the descriptor has ended, and its id was given away."""
    open_pidfd = os.pidfd_open
    with subprocess.Popen(["/bin/sleep", "60"]) as ended:
        monkeypatch.setattr(os, "pidfd_open", lambda pid: open_pidfd(ended.pid))
        line = Lifeline(stubborn.pid)
        ended.kill()
    let_go(line)
    assert stubborn.poll() is None


def held_by(pid: int) -> set[str]:
    """The kinds of what a process has open."""
    kinds = set()
    for fd in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):  # closed since
            kinds.add(os.readlink(f"/proc/{pid}/fd/{fd}").split(":")[0])
    return kinds


def test_it_holds_nothing_of_the_host_but_a_pipe(
    stubborn: subprocess.Popen[bytes],
) -> None:
    line = Lifeline(stubborn.pid)
    with contextlib.ExitStack() as stack:
        stack.callback(line.cut)
        # A shell that has just been started has its libraries open, too.
        until(lambda: held_by(line._process.pid) == {"pipe", "/dev/null", "anon_inode"})
        assert os.getsid(line._process.pid) != os.getsid(0)


def test_what_can_not_be_watched_over_is_not_started(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No descriptors, no processes: an error as for the plugin itself."""

    def refuse(pid: int) -> int:
        raise OSError("Too many open files")

    before = set(os.listdir("/proc/self/fd"))
    ends = set(lifeline._ends)
    runner = LocalRunner(["sleep", "60"], dict(os.environ))
    monkeypatch.setattr(os, "pidfd_open", refuse)
    with pytest.raises(OSError, match="Too many open files"):
        runner.start()
    assert set(os.listdir("/proc/self/fd")) <= before
    assert lifeline._ends == ends


def test_without_a_shell_the_plugin_starts_and_the_log_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(pid: int) -> Lifeline:
        raise FileNotFoundError("/bin/sh")

    monkeypatch.setattr(local, "Lifeline", fail)
    runner = LocalRunner(["true"], dict(os.environ))
    runner.start()
    assert runner.reap() == 0
    runner.close()
    assert "without /bin/sh a plugin outlives a host" in caplog.text


def test_every_line_is_cut_before_its_plugin_is_reaped() -> None:
    """The id is free after that."""
    runner = LocalRunner(["sleep", "60"], dict(os.environ))
    runner.start()
    line = runner._lifeline
    assert line is not None
    runner.kill()
    runner.reap()
    runner.close()
    until(lambda: line._process.returncode is not None)
    assert line._end not in lifeline._ends
