"""Fixtures for logs."""

import logging
from collections.abc import Iterator

import pytest
import structlog

from goplugin_py.hclog import Level, forwarding


@pytest.fixture(autouse=True)
def restored_logging() -> Iterator[None]:
    """Leave the root logger and structlog as they were."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
    forwarding._reported.clear()


@pytest.fixture
def logger() -> logging.Logger:
    """A logger of its own for the test, below no other."""
    logger = logging.Logger("host")
    logger.setLevel(Level.TRACE)
    return logger
