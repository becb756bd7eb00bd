"""`goplugin terraform` with the fake provider of the Terraform host's tests."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from goplugin_py.cli import main
from tests.peers import ROOT

# The zone of each thing whose state was stored: the fake upgrades it.
UPGRADED = "from version 3"

FAKE = ROOT / "tests" / "terraform" / "fake_provider.py"


def words(task: str, *arguments: str, version: int = 6) -> list[str]:
    """Return a command line for the fake provider."""
    start = ["--env", f"PYTHONPATH={ROOT}"]
    command = ["terraform", task, sys.executable, *arguments, *start]
    return [*command, "--", str(FAKE), str(version)]


def config(name: str, **more: object) -> str:
    """Return the configuration of a thing; its name tells what happens to it."""
    return json.dumps({"name": name, **more})


class Terraform:
    """Runs commands, and has what the last one printed."""

    def __init__(self, capsys: pytest.CaptureFixture[str], state: Path) -> None:
        self._capsys = capsys
        self.state = state
        self.out = self.err = ""

    def __call__(self, task: str, *arguments: str, version: int = 6) -> int:
        status = main(words(task, *arguments, version=version))
        self.out, self.err = self._capsys.readouterr()
        return status

    def apply(self, *arguments: str) -> int:
        return self("apply", "fake_thing", *arguments, "--state", str(self.state))

    def plan(self, *arguments: str) -> int:
        return self("plan", "fake_thing", *arguments, "--state", str(self.state))

    @property
    def value(self) -> Any:
        """What was printed as JSON."""
        return json.loads(self.out)

    @property
    def stored(self) -> Any:
        """What is in the state file."""
        return json.loads(self.state.read_text())
