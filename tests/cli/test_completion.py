"""`goplugin completion`."""

import subprocess
import sys

import pytest

from goplugin_py.cli import main
from tests.peers import WAIT


def test_bash_completes_commands_and_options() -> None:
    """The script is loaded by a real bash, and asked."""
    script = subprocess.run(
        [sys.executable, "-m", "goplugin_py", "completion", "bash"],
        capture_output=True,
        text=True,
        timeout=2 * WAIT,
        check=True,
    ).stdout
    question = """
        COMP_WORDS=(goplugin {words}); COMP_CWORD=$(( ${{#COMP_WORDS[@]}} - 1 ))
        _shtab_goplugin; echo "${{COMPREPLY[@]}}"
    """
    for words, expected in (
        ("pro", "probe"),
        ("call --dead", "--deadline"),
        ("terraform sch", "schema"),
        ("terraform apply --no-r", "--no-refresh"),
    ):
        answer = subprocess.run(
            ["bash"],
            input=script + question.format(words=words),
            capture_output=True,
            text=True,
            timeout=WAIT,
            check=True,
        )
        assert answer.stdout.split() == [expected]


def test_without_the_extra_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert main(["completion", "zsh"]) == 1
    assert "pip install 'goplugin_py[cli]'" in capsys.readouterr().err
