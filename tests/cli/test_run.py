"""The command line: `goplugin run`, and `python -m goplugin_py run`."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from goplugin_py import Client
from goplugin_py.cli import main
from tests.echo import HANDSHAKE, client_config
from tests.peers import ROOT, WAIT

NOISY = """
import os
print("noise at import")
os.write(1, b"raw noise\\n")
from tests.echo import serve_config
config = serve_config()
other = 7
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A directory with a module that prints when it is imported."""
    (tmp_path / "noisy.py").write_text(NOISY)
    return tmp_path


def run(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "goplugin_py", *arguments],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=2 * WAIT,
        check=False,
    )


@pytest.mark.parametrize("is_module", [True, False])
def test_a_plugin_runs_with_its_stdout_guarded(project: Path, is_module: bool) -> None:
    script = Path(sys.executable).with_name("goplugin")
    program = [sys.executable, "-m", "goplugin_py"] if is_module else [str(script)]
    command = [*program, "run", "noisy:config"]
    with Client(client_config(*command, cwd=project)) as client:
        assert client.dispense("echo")(b"hello") == b"hello"


def test_a_plugin_that_is_run_by_hand_says_so(project: Path) -> None:
    ended = run(project, "run", "noisy:config")
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert "This program is a plugin" in ended.stderr
    assert HANDSHAKE.magic_cookie_key in ended.stderr


@pytest.mark.parametrize("target", ["noisy", ":config", "noisy:", ""])
def test_a_target_of_another_form_is_explained(project: Path, target: str) -> None:
    ended = run(project, "run", target)
    assert ended.returncode == 2
    assert ended.stderr == f"{target!r} is not of the form MODULE:NAME\n"


def test_a_target_that_is_no_configuration_is_explained(project: Path) -> None:
    ended = run(project, "run", "noisy:other")
    assert ended.returncode == 2
    assert "noisy:other is no ServeConfig but 7" in ended.stderr
    assert ended.stdout == ""


@pytest.mark.parametrize("target", ["nothing:config", "noisy:nothing"])
def test_a_target_that_is_not_there_is_an_error(project: Path, target: str) -> None:
    ended = run(project, "run", target)
    assert ended.returncode == 1
    assert "nothing" in ended.stderr.splitlines()[-1]


@pytest.mark.parametrize("arguments", [[], ["walk"], ["run"]])
def test_wrong_arguments_are_a_usage_error(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage: goplugin" in capsys.readouterr().err


def test_help_names_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    assert "run" in capsys.readouterr().out
