"""Fixtures for runners."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from goplugin_py.net import directories
from tests.peers import socket_directory, until
from tests.runner.hosts import (
    pipes,
    threads,
)


@pytest.fixture(autouse=True)
def nothing_left(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No thread, no pipe and no socket directory stays behind."""
    with socket_directory() as base:
        # Not TMPDIR, which is for plugins, too: one that is killed leaves something.
        monkeypatch.setattr(directories, "temporary_directory", lambda: base)
        before = pipes()
        yield
        until(lambda: not threads())
        until(lambda: pipes() <= before)
        assert os.listdir(base) == []
