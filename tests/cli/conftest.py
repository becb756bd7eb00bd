"""Commands to run."""

from pathlib import Path

import pytest

from tests.cli.terraform import Terraform


@pytest.fixture
def terraform(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Terraform:
    """`goplugin terraform`, with a state file that is not there yet."""
    return Terraform(capsys, tmp_path / "state.json")
