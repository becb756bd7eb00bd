"""The Echo plugin for asyncio: `python -m interop.echo_plugin_aio`.

It does what `interop.echo_plugin` does, and takes the same variables. What waits or
streams is a coroutine function; the rest are that plugin's own plain functions.

    ECHO_LOOP    uvloop instead of asyncio's own
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import hashlib
import logging
import os
import sys
from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio

from goplugin_py import Plugin, ServeConfig, aio
from interop import echo_plugin
from interop.echo_pb2 import (
    CrashRequest,
    FailRequest,
    MetadataReply,
    Payload,
    SleepRequest,
    StreamRequest,
    Summary,
)
from interop.echo_pb2_grpc import EchoServicer, add_EchoServicer_to_server

COMMAND = (sys.executable, "-m", "interop.echo_plugin_aio")

_log = logging.getLogger("echo")

Context = grpc.aio.ServicerContext[Any, Any]


class Echo(EchoServicer):
    """Implements proto/echo.proto."""

    blocking = echo_plugin.Echo()
    # Plain functions, on threads.
    Print = blocking.Print
    Log = blocking.Log
    Env = blocking.Env

    async def Unary(self, request: Payload, context: Context) -> Payload:
        return self.blocking.Unary(request, context)  # type: ignore[arg-type]

    async def ServerStream(
        self, request: StreamRequest, context: Context
    ) -> AsyncIterator[Payload]:
        if request.count < 0 or request.size < 0:
            invalid = "count and size must not be negative"
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, invalid)
        data = bytes(request.size)
        for number in range(request.count):
            yield Payload(data=data, number=number)

    async def ClientStream(
        self, request_iterator: AsyncIterator[Payload], context: Context
    ) -> Summary:
        digest = hashlib.sha256()
        messages = size = 0
        async for payload in request_iterator:
            digest.update(payload.data)
            messages += 1
            size += len(payload.data)
        return Summary(messages=messages, bytes=size, sha256=digest.digest())

    async def Bidi(
        self, request_iterator: AsyncIterator[Payload], context: Context
    ) -> AsyncIterator[Payload]:
        async for payload in request_iterator:
            yield payload

    async def Fail(self, request: FailRequest, context: Context) -> Payload:
        if request.code == grpc.StatusCode.OK.value[0]:
            return Payload()
        if request.detail:
            trailing = echo_plugin.status_details(request)
            context.set_trailing_metadata(trailing)
        code = echo_plugin.STATUS_CODES[request.code]
        return await context.abort(code, request.message)

    async def Sleep(self, request: SleepRequest, context: Context) -> Payload:
        _log.debug("sleeping")
        if echo_plugin.is_stubborn():
            await _sleep_on(request.seconds)
        else:
            await asyncio.sleep(request.seconds)
        return Payload()

    async def Metadata(self, request: Payload, context: Context) -> MetadataReply:
        metadata: Any = context.invocation_metadata()
        received = echo_plugin.received_metadata(metadata)
        if echo := received.get("x-echo"):
            await context.send_initial_metadata((("x-initial", echo),))
            context.set_trailing_metadata((("x-trailing", echo),))
        return MetadataReply(received=received)

    async def Crash(self, request: CrashRequest, context: Context) -> Payload:
        echo_plugin.crash(request)
        invalid = f"unknown kind {request.kind}"
        await context.abort(grpc.StatusCode.INVALID_ARGUMENT, invalid)


async def _sleep_on(seconds: float) -> None:
    """Sleep whatever cancellations come, but for the loop's own end."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    for _ in range(2):  # the call's end, then that of `asyncio.run`
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(end - loop.time())


def make_config() -> ServeConfig:
    """Make the configuration that the variables ask for."""
    config = echo_plugin.make_config()
    plugins = {"echo": Plugin.from_servicer(add_EchoServicer_to_server, Echo())}
    if config.versioned_plugins is None:
        return dataclasses.replace(config, plugins=plugins)
    versions = dict.fromkeys(config.versioned_plugins, plugins)
    return dataclasses.replace(config, versioned_plugins=versions)


def main() -> None:
    echo_plugin.prepare_log()
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(aio.serve(make_config()))


def _loop_factory() -> Any:
    if os.environ.get("ECHO_LOOP") != "uvloop":
        return None
    import uvloop

    return uvloop.new_event_loop


if __name__ == "__main__":
    main()
