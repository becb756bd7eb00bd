"""A process by its id, as a runner."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Iterator

import pytest

from goplugin_py import Address, PidRunner, ProcessNotFound
from goplugin_py.testing import check_attached_runner
from tests.peers import WAIT, until


@pytest.fixture(params=[True, False], ids=["pidfd", "polling"])
def sleeper(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is collected at its end, with and without pidfds."""
    if not request.param:
        monkeypatch.delattr(os, "pidfd_open")
        monkeypatch.setattr("goplugin_py.process.pid.POLL_INTERVAL", 0.01)
    with subprocess.Popen(["sleep", "60"]) as process:
        collector = threading.Thread(target=process.wait)
        collector.start()
        yield process
        process.kill()
        collector.join(WAIT)


def test_it_keeps_to_the_contract(sleeper: subprocess.Popen[bytes]) -> None:
    """go-plugin: cmdrunner.CmdAttachedRunner."""
    check_attached_runner(lambda: PidRunner(sleeper.pid))
    assert sleeper.wait(WAIT) == -signal.SIGKILL


def test_it_goes_by_its_process_id_and_its_addresses_are_ours(
    sleeper: subprocess.Popen[bytes],
) -> None:
    runner, address = PidRunner(sleeper.pid), Address.tcp("127.0.0.1", 80)
    assert runner.id == str(sleeper.pid)
    assert runner.plugin_to_host(address) == address
    assert runner.host_to_plugin(address) == address


def test_a_process_that_has_ended_is_not_found(
    sleeper: subprocess.Popen[bytes],
) -> None:
    sleeper.kill()
    assert sleeper.wait(WAIT)
    with pytest.raises(ProcessNotFound, match=f"no process {sleeper.pid} any more"):
        PidRunner(sleeper.pid)


def test_a_kill_after_the_end_reaches_nobody(
    sleeper: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The id may be another process's by then."""
    runner = PidRunner(sleeper.pid)
    sleeper.kill()
    runner.wait()
    with monkeypatch.context() as patch:  # the fixture's end kills, too
        patch.setattr(os, "kill", lambda *arguments: pytest.fail("a signal"))
        runner.kill()


def test_a_kill_before_anybody_has_noticed_the_end_does_no_harm(
    sleeper: subprocess.Popen[bytes],
) -> None:
    runner = PidRunner(sleeper.pid)
    sleeper.kill()
    assert sleeper.wait(WAIT)
    runner.kill()


def test_no_descriptor_is_left_whether_anybody_waited_or_not(
    sleeper: subprocess.Popen[bytes],
) -> None:
    before = len(os.listdir("/proc/self/fd"))
    runner = PidRunner(sleeper.pid)
    del runner
    until(lambda: len(os.listdir("/proc/self/fd")) <= before)
    runner = PidRunner(sleeper.pid)
    runner.kill()
    runner.wait()
    assert len(os.listdir("/proc/self/fd")) <= before


def test_a_process_of_another_user_can_be_watched(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without pidfds the system refuses to ask, which says that it is there."""

    def refuse(pid: int, number: int) -> None:
        raise PermissionError(pid)

    monkeypatch.delattr(os, "pidfd_open")
    monkeypatch.setattr(os, "kill", refuse)
    assert PidRunner(1).id == "1"
