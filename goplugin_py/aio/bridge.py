"""Servicers of the library's own, which block, as handlers of a grpc.aio server.

grpcio can run blocking handlers too, but on the threads of the user's, and without
telling them of the end of their call.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future
from typing import Any

import grpc.aio

from goplugin_py.services.registration import Handler, replace_behaviour
from goplugin_py.services.workers import Workers

_END: Any = object()


def bridged(handler: Handler, workers: Workers) -> Handler:
    """Return an asyncio handler that runs a blocking one on `workers`."""
    bridge = _bridged_stream if handler.response_streaming else _bridged_unary
    return replace_behaviour(handler, lambda behaviour: bridge(behaviour, workers))


def _bridged_unary(
    behaviour: Callable[..., Any], workers: Workers
) -> Callable[..., Any]:
    async def call(request: Any, context: Any) -> Any:
        async with _blocking(context) as blocking:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(workers, behaviour, request, blocking)

    return call


def _bridged_stream(
    behaviour: Callable[..., Any], workers: Workers
) -> Callable[..., Any]:
    # No generator: one that grpcio abandons is closed a moment after the call's end.
    async def call(request: Any, context: Any) -> None:
        async with _blocking(context) as blocking, _requests(request) as requests:
            responses = _Responses(behaviour(requests, blocking), workers)
            try:
                while (response := await responses.next()) is not _END:
                    await context.write(response)
            finally:
                responses.close()

    return call


class BlockingContext:
    """What our servicers use of a `grpc.ServicerContext`, on whatever thread."""

    def __init__(self, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        self._context = context
        self._lock = threading.Lock()  # guards the two below
        self._callbacks: list[Callable[[], None]] = []
        self._has_ended = False

    def is_active(self) -> bool:
        """Whether the call has not ended."""
        return not self._has_ended

    def add_callback(self, callback: Callable[[], None]) -> bool:
        """Let `callback` be called at the end; return False if that has come."""
        with self._lock:
            if not self._has_ended:
                self._callbacks.append(callback)
            return not self._has_ended

    def set_code(self, code: grpc.StatusCode) -> None:
        """See `grpc.ServicerContext.set_code`."""
        self._context.set_code(code)

    def set_details(self, details: str) -> None:
        """See `grpc.ServicerContext.set_details`."""
        self._context.set_details(details)

    def end(self) -> None:
        """Tell of the end of the call."""
        with self._lock:
            self._has_ended = True
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback()


@contextlib.asynccontextmanager
async def _blocking(
    context: grpc.aio.ServicerContext[Any, Any],
) -> AsyncIterator[BlockingContext]:
    blocking = BlockingContext(context)
    try:
        yield blocking
    finally:
        blocking.end()


@contextlib.asynccontextmanager
async def _requests(request: Any) -> AsyncIterator[Any]:
    """Give a stream of requests as a blocking iterator; one request as it is."""
    if not hasattr(request, "__aiter__"):
        yield request
        return
    arrived: queue.SimpleQueue[Any] = queue.SimpleQueue()

    async def read() -> None:
        try:
            async for each in request:
                arrived.put(each)
        finally:
            arrived.put(_END)

    # A task, so that nothing is read any more when the call has ended.
    reading = asyncio.create_task(read())
    try:
        yield _until_end(arrived)
    finally:
        reading.cancel()
        await asyncio.wait([reading])
        if not reading.cancelled():
            reading.exception()  # a host that is gone; the end says so already


def _until_end(arrived: queue.SimpleQueue[Any]) -> Iterator[Any]:
    while (item := arrived.get()) is not _END:
        yield item


class _Responses:
    """Takes a blocking iterator's items, one by one, on a worker.

    They are sent by the call's own coroutine, never later than its end.
    """

    def __init__(self, responses: Any, workers: Workers) -> None:
        self._responses = iter(responses)
        self._workers = workers
        self._latest: Future[Any] | None = None

    async def next(self) -> Any:
        """Return the next one, or `_END`."""
        self._latest = self._workers.submit(next, self._responses, _END)
        return await asyncio.wrap_future(self._latest)

    def close(self) -> None:
        """Let a generator end, as soon as no worker is in it."""
        close = getattr(self._responses, "close", None)
        if self._latest is not None and close is not None:
            self._latest.add_done_callback(lambda _: close())
