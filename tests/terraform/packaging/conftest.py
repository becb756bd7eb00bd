"""A provider to be packaged."""

from pathlib import Path

import pytest

from goplugin_py.terraform.packaging import Package
from tests.peers import ROOT
from tests.terraform.packaging.packages import make_project, package_of


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a script that serves a provider."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return make_project(tmp_path / "project")


@pytest.fixture
def package(project: Path) -> Package:
    return package_of(project)
