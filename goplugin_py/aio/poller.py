"""Keeps grpcio quiet where more than one event loop uses grpc.aio.

Before version 1.80 they all watch one socket for the same byte. All but the fastest
find none, which is harmless, and log a traceback each time.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from typing import Any


@contextlib.contextmanager
def quiet_poller(loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """Let what grpcio makes a loop watch find nothing to read.

    grpcio does that while the first channel or server of a loop is made.
    """
    add_reader = loop.add_reader

    def add_quietly(fd: Any, callback: Callable[..., Any], *args: Any) -> None:
        add_reader(fd, _or_nothing(callback), *args)

    try:
        loop.add_reader = add_quietly  # type: ignore[assignment,method-assign]
    except AttributeError:  # a loop of somebody's that can't be changed
        yield
        return
    try:
        yield
    finally:
        del loop.add_reader


def _or_nothing(callback: Callable[..., Any]) -> Callable[..., None]:
    def call(*args: Any) -> None:
        with contextlib.suppress(BlockingIOError):
            callback(*args)

    return call
