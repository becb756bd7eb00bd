"""The commands on the pages are ones that the programs take."""

import re

import pytest

from goplugin_py.cli.parser import make_parser, split
from tests.docs.pages import commands
from tests.peers import ROOT

COMMANDS = commands()
TARGETS = set(
    re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE),
)


def of(program: str) -> list[list[str]]:
    found = [words[1:] for words in COMMANDS if words[0] == program]
    assert found, f"no page has a command of {program}"
    return found


@pytest.mark.parametrize("arguments", of("goplugin"), ids=" ".join)
def test_goplugin_takes_the_arguments(arguments: list[str]) -> None:
    """It would exit where an option or a command is unknown."""
    ours, _plugins = split(arguments)
    make_parser().parse_args(ours)


@pytest.mark.parametrize("targets", of("make"), ids=" ".join)
def test_make_has_the_target(targets: list[str]) -> None:
    assert set(targets) <= TARGETS


def test_a_script_that_is_run_is_there() -> None:
    scripts = [word for words in COMMANDS for word in words if word.endswith(".py")]
    assert scripts
    assert [script for script in scripts if not (ROOT / script).exists()] == []
