"""A command as a runner."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path

import pytest

from goplugin_py import Address, CommandRunner, RunnerSpec


def spec(*command: str, **options: object) -> RunnerSpec:
    defaults: dict[str, object] = {"env": dict(os.environ), "stdin": subprocess.DEVNULL}
    return RunnerSpec(command=command, **{**defaults, **options})  # type: ignore[arg-type]


def run(runner: CommandRunner) -> tuple[bytes, bytes, int]:
    """Run to the end; return stdout, stderr and the status."""
    runner.start()
    with runner.stdout, runner.stderr:
        return runner.stdout.read(), runner.stderr.read(), runner.wait()


def test_it_runs_what_is_asked_for_where_it_is_asked_for(tmp_path: Path) -> None:
    script = 'printf "%s|%s|%s" "$1" "$COLOUR" "$PWD"; echo bad >&2; exit 4'
    command = ("/bin/sh", "-c", script, "sh", "a b; $x")
    runner = CommandRunner(spec(*command, env={"COLOUR": "green"}, cwd=str(tmp_path)))
    assert run(runner) == (f"a b; $x|green|{tmp_path}".encode(), b"bad\n", 4)
    assert runner.name == "sh"
    assert int(runner.id) > 0


def test_another_command_runs_it_under_the_name_of_the_plugin() -> None:
    asked = spec("/opt/bin/plugin", "-v")
    runner = CommandRunner(asked, command=["/bin/echo", "run", *asked.command])
    assert runner.name == "plugin"
    assert run(runner)[0] == b"run /opt/bin/plugin -v\n"


def test_the_other_command_is_a_program_of_this_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where `inherit_env=False` leaves the plugin without a PATH."""
    tool = tmp_path / "tool"
    tool.write_text("#!/bin/sh\necho tool")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    runner = CommandRunner(spec("plugin", env={}), command=["tool"])
    assert run(runner)[0] == b"tool\n"


def test_a_plugin_that_its_runner_names_needs_no_command() -> None:
    runner = CommandRunner(spec(), command=["/bin/echo", "hello"])
    assert runner.name == "echo"
    assert run(runner)[0] == b"hello\n"


def test_a_directory_elsewhere_is_told_to_the_plugin_and_translated(
    directory: str,
) -> None:
    asked = spec(
        *("/bin/sh", "-c", 'printf %s "$PLUGIN_UNIX_SOCKET_DIR"'),
        env={"PLUGIN_UNIX_SOCKET_DIR": directory},
        socket_directory=directory,
    )
    runner = CommandRunner(asked, sockets_at="/sockets")
    assert run(runner)[0] == b"/sockets"
    assert asked.env["PLUGIN_UNIX_SOCKET_DIR"] == directory
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{directory}/p")
        inside, outside = Address.unix("/sockets/p"), Address.unix(f"{directory}/p")
        assert runner.plugin_to_host(inside) == outside
        assert runner.host_to_plugin(outside) == inside
    with pytest.raises(ValueError, match="no unix socket in /sockets"):
        runner.plugin_to_host(Address.unix("/elsewhere/p"))


def test_without_one_addresses_are_the_same() -> None:
    runner, address = CommandRunner(spec("true")), Address.tcp("127.0.0.1", 80)
    assert runner.plugin_to_host(address) == runner.host_to_plugin(address) == address


def test_a_session_of_its_own_is_for_plugins_that_stay() -> None:
    script = "import os; print(os.getsid(0) == os.getpid())"
    for detach in (True, False):
        runner = CommandRunner(spec("python3", "-c", script, detach=detach))
        assert run(runner)[0] == f"{detach}\n".encode()


def test_a_command_that_is_missing_is_the_systems_error_and_a_note() -> None:
    runner = CommandRunner(spec("plugin"), command=["/nonexistent/tool"])
    with pytest.raises(FileNotFoundError):
        runner.start()
    assert runner.diagnose() == ["/nonexistent/tool: No such file or directory"]
