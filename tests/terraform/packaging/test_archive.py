"""Providers as one file, by shiv."""

import importlib.util
import io
import os
import sys
import zipfile
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


def wheel_of(module: str, source: str, folder: Path) -> Path:
    """Write what pip can install without a network."""
    about = f"{module}-1.0.dist-info"
    wheel = folder / f"{module}-1.0-py3-none-any.whl"
    files = {
        f"{module}.py": source,
        f"{about}/METADATA": f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n",
        f"{about}/WHEEL": "Wheel-Version: 1.0\nTag: py3-none-any\n",
        f"{about}/RECORD": "",
    }
    with zipfile.ZipFile(wheel, "w") as archived:
        for name, text in files.items():
            archived.writestr(name, text)
    return wheel


def test_what_is_required_is_in_the_archive(
    entry: Entry, project: Path, tmp_path: Path
) -> None:
    wheel = wheel_of("required", "VERSION = '6'", tmp_path)
    script = SCRIPT.replace('["6"]', "[__import__('required').VERSION]")
    (project / "provider.py").write_text(script)
    requirements = ["--no-index", str(wheel)]
    package = Package(ADDRESS, archive(entry, ADDRESS, requirements))
    wheel.unlink()
    package.check()


def test_a_package_of_modules_is_in_the_archive(entry: Entry, project: Path) -> None:
    """Without its bytecode, which differs from one Python to the next."""
    modules = project / "notes"
    (modules / "__pycache__").mkdir(parents=True)
    (modules / "__pycache__" / "left.pyc").touch()
    (modules / "__init__.py").touch()
    (modules / "kept.py").write_text(f"def main():\n    exec({SCRIPT!r}, {{}})\n")
    data = archive(Entry.parse("notes.kept:main", project), ADDRESS)
    names = zipfile.ZipFile(io.BytesIO(data)).namelist()
    assert "site-packages/notes/kept.py" in names
    assert not [name for name in names if "left" in name]
    Package(ADDRESS, data).check()


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
