"""The hashes that Terraform keeps in its lock file."""

import zipfile
from pathlib import Path

import pytest

from goplugin_py.terraform.packaging import PackagingError, hash_directory, hash_zip

# golang.org/x/mod/sumdb/dirhash v0.40.0 says so of what `tree` makes.
RECORDED = "h1:PADg2pKZmM1dWQgu2zlDWghpMQ9a93MkxY1g9bVNIa4="


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "package"
    for name in ("b/z", "b", "B", "a-b", "a/c", "é"):
        path = root / ("b_" + name if name == "b" else name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return root


def test_a_directory_has_the_hash_that_go_gives_it(tree: Path) -> None:
    assert hash_directory(tree) == RECORDED


def test_modes_times_and_empty_folders_do_not_count(tree: Path) -> None:
    (tree / "empty").mkdir()
    (tree / "B").chmod(0o755)
    (tree / "a-b").touch()
    assert hash_directory(tree) == RECORDED


def test_any_new_file_counts(tree: Path) -> None:
    (tree / "a" / ".hidden").touch()
    assert hash_directory(tree) != RECORDED


def test_a_zip_has_the_hash_of_what_is_in_it(tree: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "package.zip", "w") as archive:
        for path in sorted(tree.rglob("*"), reverse=True):
            if path.is_file():
                archive.write(path, path.relative_to(tree))
    assert hash_zip(tmp_path / "package.zip") == RECORDED


def test_a_link_to_a_directory_is_refused(tree: Path) -> None:
    """Terraform fails with "is a directory"; the lib64 of a venv is such a link."""
    (tree / "lib64").symlink_to(tree / "a")
    with pytest.raises(PackagingError, match="lib64 is a link to a directory"):
        hash_directory(tree)


def test_a_name_with_a_line_break_is_refused(tree: Path) -> None:
    """dirhash.Hash1: file names with newlines are not supported."""
    (tree / "a\nb").touch()
    with pytest.raises(PackagingError, match="line break"):
        hash_directory(tree)


@pytest.mark.parametrize("hashed", [hash_directory, hash_zip])
def test_what_is_not_there_is_named(hashed: object, tmp_path: Path) -> None:
    assert callable(hashed)
    with pytest.raises(PackagingError, match=r"can't use .*missing"):
        hashed(tmp_path / "missing")


def test_what_is_no_zip_is_refused(tree: Path) -> None:
    with pytest.raises(PackagingError, match="no zip file"):
        hash_zip(tree / "B")
