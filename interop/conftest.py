"""Fixtures that the tests of both directions share."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def short_tmp() -> Iterator[Path]:
    """Give a directory whose path leaves room for a socket's, unlike `tmp_path`."""
    with tempfile.TemporaryDirectory(prefix="interop-", dir="/tmp") as directory:
        yield Path(directory)
