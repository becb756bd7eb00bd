"""Running a plugin as a child process."""

import os
import select
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from goplugin_py.process.local import LocalRunner, describe_status
from tests.peers import WAIT


@pytest.fixture
def sleeper() -> Iterator[LocalRunner]:
    runner = LocalRunner(["sleep", "60"], dict(os.environ))
    runner.start()
    yield runner
    runner.kill()
    runner.reap()
    runner.close()


def output_of(runner: LocalRunner) -> str:
    """Run to the end; return stdout."""
    runner.start()
    with open(os.dup(runner.stdout)) as stdout:
        text = stdout.read()
    assert runner.reap() == 0
    runner.close()
    return text


def test_a_command_gets_its_arguments_environment_and_directory(
    tmp_path: Path,
) -> None:
    script = 'printf "%s|%s|%s" "$1" "$COLOUR" "$PWD"'
    runner = LocalRunner(
        ["/bin/sh", "-c", script, "sh", "a b; $x"],
        {"COLOUR": "green"},
        cwd=str(tmp_path),
    )
    assert output_of(runner) == f"a b; $x|green|{tmp_path}"


def test_stdin_may_be_nothing_or_a_file(tmp_path: Path) -> None:
    env = dict(os.environ)
    assert output_of(LocalRunner(["cat"], env, stdin=subprocess.DEVNULL)) == ""
    path = tmp_path / "input"
    path.write_text("hello")
    with path.open() as file:
        assert output_of(LocalRunner(["cat"], env, stdin=file.fileno())) == "hello"


def test_no_descriptor_of_ours_is_inherited() -> None:
    listing = LocalRunner(["ls", "/proc/self/fd"], dict(os.environ), stdin=-3)
    # 0 to 2, and the one that ls lists with.
    assert output_of(listing).split() == ["0", "1", "2", "3"]


def test_a_runner_knows_its_name_before_and_its_id_after_the_start(
    sleeper: LocalRunner,
) -> None:
    idle = LocalRunner(["/usr/bin/sleep", "60"], {})
    assert (idle.name, idle.id, idle.pid, idle.status) == ("sleep", "", None, None)
    assert sleeper.pid is not None
    assert sleeper.id == str(sleeper.pid)
    os.kill(sleeper.pid, 0)


def test_before_the_start_there_is_nothing_to_read_and_signals_go_nowhere() -> None:
    runner = LocalRunner(["sleep", "60"], {})
    runner.kill()
    with pytest.raises(RuntimeError, match="was not started"):
        _ = runner.stdout
    with pytest.raises(RuntimeError, match="was not started"):
        runner.reap()


@pytest.mark.parametrize("has_pidfds", [True, False])
def test_the_notice_becomes_readable_when_the_process_ends(
    sleeper: LocalRunner, has_pidfds: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not has_pidfds:
        monkeypatch.delattr(os, "pidfd_open")
    notice = sleeper.exit_notice()
    assert not select.select([notice], [], [], 0)[0]
    assert sleeper.status is None
    sleeper.kill()
    assert select.select([notice], [], [], WAIT)[0]
    os.close(notice)
    assert sleeper.reap() == -signal.SIGKILL


def test_a_signal_reaches_the_process(sleeper: LocalRunner) -> None:
    sleeper.signal(signal.SIGTERM)
    assert sleeper.reap() == -signal.SIGTERM
    assert sleeper.status == -signal.SIGTERM


def test_a_process_may_be_reaped_twice_and_killed_after_that(
    sleeper: LocalRunner,
) -> None:
    sleeper.kill()
    assert sleeper.reap() == sleeper.reap() == -signal.SIGKILL
    sleeper.kill()


def test_a_process_that_someone_else_reaped_has_ended_all_the_same(
    sleeper: LocalRunner,
) -> None:
    """A program with a SIGCHLD handler of its own does that."""
    sleeper.kill()
    assert sleeper.pid is not None
    os.waitpid(sleeper.pid, 0)
    assert sleeper.reap() == 0  # nobody knows


def test_a_program_that_is_not_there_is_the_systems_error_and_has_a_note() -> None:
    runner = LocalRunner(["/nonexistent/plugin"], {})
    with pytest.raises(FileNotFoundError) as caught:
        runner.start()
    notes = runner.diagnose(caught.value)
    assert notes == ["/nonexistent/plugin: No such file or directory"]


def test_notes_are_about_the_program_on_the_childs_path(tmp_path: Path) -> None:
    program = tmp_path / "plugin"
    program.write_bytes(b"")
    program.chmod(0o755)
    runner = LocalRunner(["plugin"], {"PATH": str(tmp_path)})
    assert runner.diagnose() == [f"{program} is empty"]


def test_a_missing_working_directory_is_named() -> None:
    runner = LocalRunner(["true"], dict(os.environ), cwd="/nonexistent")
    with pytest.raises(FileNotFoundError) as caught:
        runner.start()
    assert runner.diagnose(caught.value) == [
        "the working directory /nonexistent does not exist"
    ]


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (None, "it is still running"),
        (0, "exit status 0"),
        (3, "exit status 3"),
        (-9, "killed by SIGKILL"),
        (-15, "killed by SIGTERM"),
        (-6, "killed by SIGABRT"),
        (-63, "killed by signal 63"),
    ],
)
def test_a_status_is_told_in_words(status: int | None, words: str) -> None:
    assert describe_status(status) == words


def test_closing_stops_a_process_that_still_writes() -> None:
    runner = LocalRunner(["yes"], dict(os.environ))
    runner.start()
    runner.close()
    runner.reap()
    assert runner.status in (1, -signal.SIGPIPE)
