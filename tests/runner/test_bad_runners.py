"""Runners that do not do their duty."""

from __future__ import annotations

import errno
import logging
import os
import signal
import threading
from collections.abc import Callable
from typing import Any

import pytest

from goplugin_py import (
    Client,
    ClientClosed,
    ConfigError,
    ExitedEarly,
    LaunchError,
    MalformedHandshake,
    RunnerSpec,
    StartTimeout,
)
from goplugin_py.process.pump import Pump
from goplugin_py.testing import FakeRunner
from tests.echo import client_config
from tests.peers import WAIT, run_python, stop, until
from tests.runner.hosts import (
    SHORT,
    Brief,
    Rude,
    config,
    failed_start,
    fake_config,
    kill_in_time,
    starting,
)
from tests.runners import PlainRunner, Tampered, tampered


def fail(spec: RunnerSpec) -> Any:
    raise OSError("the engine is not running")


@pytest.mark.parametrize(
    ("runner", "message"),
    [
        (fail, r"can't start the plugin \(OSError: the engine is not running\)"),
        (lambda spec: None, "None is no runner: it has no method start"),
        (
            tampered(start=lambda runner: lambda: exec("raise SystemExit(3)")),
            r"can't start the plugin \(SystemExit: 3\)",
        ),
        (
            tampered(kill=lambda runner: None),
            "is no runner: it has no method kill",
        ),
    ],
    ids=["raises", "makes nothing", "exits", "lacks a method"],
)
def test_a_runner_that_can_not_start_is_a_launch_error(
    runner: Any, message: str
) -> None:
    error = failed_start(config(runner))
    with pytest.raises(LaunchError, match=message):
        raise error
    assert error.command


def test_a_typed_error_of_the_runners_is_passed_on() -> None:
    def make(spec: RunnerSpec) -> Any:
        raise ConfigError("there is no image 'plugin:latest'")

    with pytest.raises(ConfigError, match="plugin:latest"):
        Client(config(make)).start()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"id": lambda runner: ""}, "id must be a str that is not empty, not ''"),
        ({"id": lambda runner: 7}, "id must be a str that is not empty, not 7"),
        ({"name": lambda runner: None}, "name must be a str"),
        ({"stdout": lambda runner: None}, "'NoneType' object has no attribute 'read'"),
        ({"stderr": lambda runner: 3}, "'int' object has no attribute 'read'"),
    ],
    ids=["no id", "a number for an id", "no name", "no stdout", "a descriptor"],
)
def test_a_started_runner_without_the_rest_is_a_launch_error(
    changes: dict[str, Any], message: str
) -> None:
    made: list[Tampered] = []
    error = failed_start(config(remembering(made, **changes)))
    assert "the runner started the plugin and is unusable" in str(error)
    assert message in str(error)
    assert made[0].process.wait(WAIT) == -signal.SIGKILL
    close_pipes(made[0])


def remembering(made: list[Tampered], **changes: Any) -> Callable[[RunnerSpec], Any]:
    def make(spec: RunnerSpec) -> Any:
        made.append(tampered(**changes)(spec))
        return made[-1]

    return make


def close_pipes(runner: Tampered) -> None:
    with runner.process:
        pass


class Texts:
    """A stream of the wrong kind."""

    def read(self, size: int) -> str:
        return "1|1|unix|/tmp/p|grpc|\n"

    def close(self) -> None: ...


def test_a_stream_of_text_is_named_as_the_reason() -> None:
    made: list[Tampered] = []
    make = remembering(made, stdout=lambda runner: Texts())
    error = failed_start(config(make), ExitedEarly)
    assert "the runner's stdout can't be read (TypeError" in str(error)
    close_pipes(made[0])


def test_a_lack_of_descriptors_after_the_start_ends_the_plugin(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[Tampered] = []
    pumps: list[Pump] = []

    def pump(stream: Any, name: str) -> Pump:
        if pumps:
            raise OSError(errno.EMFILE, "Too many open files")
        pumps.append(Pump(stream, name))
        return pumps[0]

    monkeypatch.setattr("goplugin_py.process.custom.Pump", pump)
    error = failed_start(config(remembering(made)))
    assert "unusable (OSError: [Errno 24] Too many open files)" in str(error)
    assert made[0].process.wait(WAIT) == -signal.SIGKILL
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(pumps[0].outlet)
    close_pipes(made[0])


def test_a_start_that_blocks_is_given_up_and_what_it_starts_later_is_killed() -> None:
    release = threading.Event()

    class Slow(FakeRunner):
        def start(self) -> None:
            release.wait()
            super().start()

    runner = Slow()
    error = failed_start(fake_config(runner, start_timeout=SHORT), StartTimeout)
    assert "the runner did not start the plugin within 0.1 seconds" in str(error)
    assert not runner.killed.is_set()
    release.set()
    assert runner.killed.wait(WAIT)


def test_kill_does_not_wait_for_a_start_that_blocks() -> None:
    entered, release = threading.Event(), threading.Event()

    class Slow(FakeRunner):
        def start(self) -> None:
            entered.set()
            release.wait()
            super().start()

    runner = Slow()
    client = Client(fake_config(runner))
    starter, errors = starting(client)
    assert entered.wait(WAIT)
    kill_in_time(client)
    starter.join(WAIT)
    assert isinstance(errors[0], ClientClosed)
    release.set()
    assert runner.killed.wait(WAIT)


def test_ctrl_c_ends_a_start_that_blocks_and_what_it_starts_later() -> None:
    release = threading.Event()

    class Slow(FakeRunner):
        def start(self) -> None:
            os.kill(os.getpid(), signal.SIGINT)
            release.wait()
            super().start()

    runner = Slow()
    with pytest.raises(KeyboardInterrupt):
        Client(fake_config(runner)).start()
    release.set()
    assert runner.killed.wait(WAIT)


def test_a_plugin_does_not_outlive_an_interpreter_that_ends_without_kill() -> None:
    script = """
from goplugin_py import Client, CommandRunner
from tests.echo import client_config
client = Client(client_config(runner=CommandRunner))
client.start()
print(client.id, end="")
"""
    pid, _ = run_python(script)
    until(lambda: not os.path.exists(f"/proc/{pid}"))


@pytest.mark.parametrize(
    ("diagnose", "note"),
    [
        (lambda: 1 / 0, "no diagnosis (ZeroDivisionError: division by zero)"),
        (lambda: "one sentence", "one sentence"),
        (lambda: 7, "no diagnosis (TypeError: 'int' object is not iterable)"),
    ],
    ids=["raises", "a text", "a number"],
)
def test_a_diagnosis_that_fails_does_not_hide_the_error(
    diagnose: Callable[[], Any], note: str
) -> None:
    runner = Brief()
    runner.diagnose = diagnose  # type: ignore[method-assign]
    error = failed_start(fake_config(runner), ExitedEarly)
    assert len(error.notes) == 1
    assert error.notes[0].endswith(note)


def test_a_diagnosis_that_blocks_is_done_without() -> None:
    release = threading.Event()
    runner = Brief()
    runner.diagnose = lambda: [str(release.wait())]  # type: ignore[method-assign]
    error = failed_start(fake_config(runner), ExitedEarly)
    assert "no diagnosis (NoAnswer: no answer within 0.5 seconds)" in error.notes[0]
    release.set()


def test_a_kill_that_fails_is_logged_and_noted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Invincible(Rude):
        def kill(self) -> None:
            raise PermissionError("not yours")

    runner = Invincible()
    error = failed_start(fake_config(runner), MalformedHandshake)
    assert "can't kill the plugin, which may go on (PermissionError" in error.notes[-1]
    assert "the runner can't kill plugin fake: PermissionError('not yours')" in (
        caplog.text
    )
    assert "its runner does not say that it has ended" in caplog.text
    runner.end()


@pytest.mark.parametrize("blocks", [True, False], ids=["blocks", "does nothing"])
def test_a_client_whose_runner_can_not_kill_lets_go_in_time(
    blocks: bool, caplog: pytest.LogCaptureFixture
) -> None:
    release = threading.Event()
    made: list[Tampered] = []
    make = remembering(
        made, kill=lambda runner: release.wait if blocks else lambda: None
    )
    client = Client(config(make))
    client.start()
    stop(made[0].process.pid)  # it does not end by itself
    kill_in_time(client)
    assert not client.exited
    assert client.wait(0) is None
    assert "its runner does not say that it has ended" in caplog.text
    release.set()
    made[0].process.kill()
    until(lambda: client.exited)
    assert client.exit_status == -signal.SIGKILL


def test_a_wait_that_raises_ends_the_plugin(caplog: pytest.LogCaptureFixture) -> None:
    runner = FakeRunner()
    runner.wait = lambda: 1 // 0  # type: ignore[method-assign]
    error = failed_start(fake_config(runner), ExitedEarly)
    assert "(it has ended)" in str(error)
    assert runner.killed.is_set()
    assert "the runner lost sight of plugin fake: ZeroDivisionError" in caplog.text


@pytest.mark.parametrize("status", ["0", True, 1.5, object()])
def test_a_status_that_is_none_is_unknown(
    status: Any, caplog: pytest.LogCaptureFixture
) -> None:
    class Odd(FakeRunner):
        def wait(self) -> Any:
            super().wait()
            return status

    runner = Odd()
    runner_started(runner)
    assert f"has a status {status!r}" in caplog.text


def runner_started(runner: FakeRunner) -> None:
    """Start to the end of a plugin without a line."""
    thread, errors = starting(Client(fake_config(runner)))
    assert runner.started.wait(WAIT)
    runner.end(5)
    thread.join(WAIT)
    assert isinstance(errors[0], ExitedEarly)
    assert errors[0].status is None


def test_a_wait_that_returns_too_early_is_the_end() -> None:
    made: list[Tampered] = []
    make = remembering(made, wait=lambda runner: lambda: 0)
    failed_start(client_config("sleep", "60", runner=make), ExitedEarly)
    made[0].process.kill()
    close_pipes(made[0])


def test_a_stream_that_a_grandchild_holds_does_not_delay_the_end() -> None:
    script = "sleep 60 & echo $! >&2; exit 3"
    configured = client_config("/bin/sh", "-c", script, runner=PlainRunner)
    error = failed_start(configured, ExitedEarly)
    os.kill(int(error.stderr_tail[0]), signal.SIGKILL)
    assert isinstance(error, ExitedEarly)
    assert error.status == 3


def test_a_hundred_kibibytes_before_the_end_are_all_logged() -> None:
    script = (
        'i=0; while [ $i -lt 1000 ]; do printf "%0100d\\n" $i >&2; i=$((i+1)); done'
    )
    lines: list[str] = []

    class Counting(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    logger = logging.getLogger("test.runner")
    logger.setLevel(logging.DEBUG)
    logger.addHandler(Counting())
    configured = client_config(
        "/bin/sh", "-c", script, runner=PlainRunner, logger=logger
    )
    failed_start(configured, ExitedEarly)
    assert [int(line) for line in lines] == list(range(1000))
