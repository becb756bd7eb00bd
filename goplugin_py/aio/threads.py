"""Blocking calls of the core, awaited: each on a thread of its own.

The threads of an executor are no place for them: a program has few, shares them with
everything else, and joins them at its end.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

# A thread that has given its result away ends in microseconds.
JOIN_TIMEOUT = 1.0


async def in_thread(
    call: Callable[[], T],
    name: str,
    *,
    abort: Callable[[], object] = lambda: None,
    undo: Callable[[T], object] | None = None,
) -> T:
    """Run a blocking call, and leave nothing behind when that is cancelled.

    Args:
        call: What to run.
        name: Whose thread it is.
        abort: Makes `call` end soon; called on a thread when the caller is cancelled.
            The cancellation goes on once `call` has ended.
        undo: Called on a thread with a result that came although it was not wanted
            any more.
    """
    running, thread = _begin(call, name)
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        if not running.done():
            aborting, aborter = _begin(abort, f"{name}-abort")
            await settled(running, aborting)
            aborter.join(JOIN_TIMEOUT)
        if undo is not None and running.exception() is None:
            await settled(asyncio.ensure_future(_undo(undo, running.result(), name)))
        raise
    finally:
        thread.join(JOIN_TIMEOUT)


async def _undo(undo: Callable[[T], object], result: T, name: str) -> None:
    await in_thread(lambda: undo(result), f"{name}-undo")


def _begin(
    call: Callable[[], T], name: str
) -> tuple[asyncio.Future[T], threading.Thread]:
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()
    context = contextvars.copy_context()

    def run() -> None:
        try:
            result = context.run(call)
        except BaseException as exc:  # whoever awaits it gets it
            tell(loop, future.set_exception, exc)
        else:
            tell(loop, future.set_result, result)

    thread = threading.Thread(target=run, name=f"goplugin-{name}", daemon=True)
    thread.start()
    return future, thread


def tell(
    loop: asyncio.AbstractEventLoop, call: Callable[..., object], *arguments: object
) -> bool:
    """Make a call on a loop; return False if it is closed, and nobody listens."""
    try:
        loop.call_soon_threadsafe(call, *arguments)
    except RuntimeError:
        return False
    return True


async def settled(*futures: asyncio.Future[Any]) -> None:
    """Wait until all are done, whatever cancellations come meanwhile.

    Only for what has a bound of its own.
    """
    pending = set(futures)
    while pending:
        with contextlib.suppress(asyncio.CancelledError):
            _, pending = await asyncio.wait(pending)
    for future in futures:
        if not future.cancelled():
            future.exception()  # it was seen


def wait_on(
    loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, T], timeout: float
) -> T:
    """Run a coroutine on another thread's loop, and wait for its result.

    Raises:
        TimeoutError: The loop does not run, or is busy.
        RuntimeError: It is closed.
    """
    try:
        future = asyncio.run_coroutine_threadsafe(coroutine, loop)
    except RuntimeError:
        coroutine.close()
        raise
    return future.result(timeout)
