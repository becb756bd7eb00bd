"""Fixtures that the tests of both directions share."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from interop.python_host import children, eventually, our_threads


@pytest.fixture
def short_tmp() -> Iterator[Path]:
    """Give a directory whose path leaves room for a socket's, unlike `tmp_path`."""
    with tempfile.TemporaryDirectory(prefix="interop-", dir="/tmp") as directory:
        yield Path(directory)


@pytest.fixture
def nothing_left(
    short_tmp: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Path]:
    """Give a temporary directory, and fail if the test leaves anything behind.

    That is: a child process, a thread of the package's, or a file in the directory,
    which is everybody's `TMPDIR` meanwhile.
    """
    tmp_path_factory.getbasetemp()  # or pytest's own directories would be in there
    monkeypatch.setenv("TMPDIR", str(short_tmp))
    monkeypatch.setattr(tempfile, "tempdir", str(short_tmp))
    processes = children()
    yield short_tmp
    assert eventually(lambda: not our_threads()), our_threads()
    assert children() <= processes
    assert list(short_tmp.iterdir()) == []
