"""What goes wrong with packages.

What makes no sense to begin with, such as an address that is none, is a `ConfigError`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from goplugin_py.errors import PluginError

__all__ = ["PackagingError", "filing"]


class PackagingError(PluginError):
    """A package could not be made; nothing of it is left behind."""


@contextmanager
def filing(path: Path) -> Iterator[None]:
    """Turn what the system refuses into an error that names the file.

    Raises:
        PackagingError: The body raised an `OSError`.
    """
    try:
        yield
    except OSError as exc:
        where = exc.filename or path
        raise PackagingError(f"can't use {where}: {exc.strerror or exc}") from exc
