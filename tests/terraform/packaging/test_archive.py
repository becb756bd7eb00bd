"""Providers as one file, by shiv."""

import importlib.util
import os
import sys
from pathlib import Path

import pytest

from goplugin_py.terraform import Provider
from goplugin_py.terraform.packaging import (
    Entry,
    Package,
    PackagingError,
    archive,
    hash_directory,
)
from tests.terraform.packaging.packages import ADDRESS

# A folder of its own: shiv takes the script alone, and what is required.
SCRIPT = """\
import sys
sys.argv[1:] = ["6"]
from tests.terraform.fake_provider import main
main()
"""


@pytest.fixture
def entry(project: Path, monkeypatch: pytest.MonkeyPatch) -> Entry:
    """A script without anything beside it; all else is where it is run."""
    (project / "provider.py").write_text(SCRIPT)
    here = Path(sys.executable).parent
    monkeypatch.setenv("PATH", f"{here}{os.pathsep}{os.environ['PATH']}")
    return Entry.parse("provider.py", project)


def test_an_archive_starts_without_its_sources(
    entry: Entry, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = Package(ADDRESS, archive(entry, ADDRESS))
    (project / "provider.py").unlink()
    package.check()
    monkeypatch.setenv("SHIV_ROOT", str(tmp_path / "unpacked"))
    executable = package.write_mirror(tmp_path, "1.0.0")
    before = hash_directory(executable.parent)
    with Provider.launch(executable) as provider:
        assert "fake_thing" in provider.schema.resources
    assert hash_directory(executable.parent) == before


def test_the_same_sources_make_the_same_archive(entry: Entry) -> None:
    first = archive(entry, ADDRESS)
    Path(entry.target).touch()
    assert archive(entry, ADDRESS) == first


def test_shiv_says_what_it_can_not_get(entry: Entry) -> None:
    with pytest.raises(PackagingError, match="no-such-folder"):
        archive(entry, ADDRESS, ["--no-index", "./no-such-folder"])


def test_without_shiv_there_is_a_word_on_how_to_get_it(
    entry: Entry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(PackagingError, match=r"goplugin_py\[shiv\]"):
        archive(entry, ADDRESS)
