"""Fixtures for all tests."""

import threading
from collections.abc import Iterator

import pytest

from goplugin_py.net.loop import Loop
from tests.peers import WAIT, socket_directory


@pytest.fixture
def directory() -> Iterator[str]:
    """A directory for sockets."""
    with socket_directory() as path:
        yield path


@pytest.fixture
def loop() -> Iterator[Loop]:
    """A loop of the test's own, whose thread must end with what it watches."""
    loop = Loop(f"goplugin-loop-{threading.get_ident()}")
    yield loop
    thread = loop._thread
    if thread is not None:
        thread.join(WAIT)
    assert not loop.is_running
