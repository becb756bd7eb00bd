"""Runs what is awaited, on both kinds of loops, as in tests/aio."""

from tests.aio.conftest import run

__all__ = ["run"]
