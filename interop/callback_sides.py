"""Starts the pairs of the broker's tests, so that a test can drive both sides.

Whatever the host and the plugin are written in, the test gets an Actor for each.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Coroutine, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc

from goplugin_py import Client, ClientConfig, aio
from interop import callback_plugin_aio
from interop.callback_pb2 import AcceptRequest, DialReply, DialRequest, StopRequest
from interop.callback_pb2_grpc import ActorStub
from interop.callback_plugin import BUSY, COMMAND, HANDSHAKE, CallbackPlugin
from interop.fixtures import ROOT, binary

PYTHON = "python"
ASYNCIO = "asyncio"
GO = "1.8.0"
# A pair starts two processes, and each may be one of many that start on a busy machine.
START_TIMEOUT = 30.0
UNLIMITED = (("grpc.max_receive_message_length", -1),)


@dataclass(frozen=True, slots=True)
class Link:
    """Who the two sides are, and how they are connected."""

    host: str
    """`PYTHON`, `ASYNCIO`, or the version of the go-plugin that the Go host uses."""

    plugin: str
    mtls: bool = False
    mux: bool = False

    def __str__(self) -> str:
        security = "mtls" if self.mtls else "plain"
        sockets = "mux" if self.mux else "sockets"
        return f"{self.host}-to-{self.plugin}-{security}-{sockets}"

    @property
    def command(self) -> list[str]:
        """How to start the plugin."""
        if self.plugin == PYTHON:
            return list(COMMAND)
        if self.plugin == ASYNCIO:
            return list(callback_plugin_aio.COMMAND)
        return [str(binary(f"callback-plugin-{self.plugin}"))]


class LoopThread:
    """An event loop in a thread of its own, for a host that the test drives."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Await something on the loop; return its result."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(BUSY)

    def close(self) -> None:
        """End the loop, and require that nothing was left on it."""
        left = self.run(self._others())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(BUSY)
        self._loop.close()
        assert not left

    async def _others(self) -> set[asyncio.Task[Any]]:
        return asyncio.all_tasks() - {asyncio.current_task()}


async def _awaited(call: Any, request: object, options: dict[str, Any]) -> Any:
    return await call(request, **options)


class Side:
    """One side's Actor, wherever it runs; every call is bounded."""

    def __init__(self, actor: Any, loop: LoopThread | None = None) -> None:
        """Take a host's Actor, or a stub of one; with its loop if it is awaited."""
        self._actor = actor
        self._loop = loop
        self._is_remote = isinstance(actor, ActorStub)
        self._accepted: list[int] = []

    def _call(self, method: str, request: object) -> Any:
        call = getattr(self._actor, method)
        options = {"timeout": BUSY} if self._is_remote else {}
        if self._loop is None:
            return call(request, **options)
        return self._loop.run(_awaited(call, request, options))

    def accept(self, *ids: int, count: int = 0) -> list[int]:
        """Serve a Peer under each id, and under `count` ids of the broker's choice."""
        accepted = self._call("Accept", AcceptRequest(ids=ids, count=count)).ids
        self._accepted += accepted
        return list(accepted)

    def stop(self, *ids: int, when_waited_for: bool = False) -> None:
        """Stop what is served under these ids."""
        self._accepted = [each for each in self._accepted if each not in ids]
        self._call("Stop", StopRequest(ids=ids, when_waited_for=when_waited_for))

    def stop_all(self) -> None:
        """Stop all that is served.

        Go programs end before their brokered servers have removed their sockets.
        """
        self.stop(*self._accepted)

    def dial(
        self, *ids: int, timeout: float = BUSY - 5, **what: int | bool
    ) -> DialReply:
        """Dial each id, and call there what `DialRequest` says; by default one Sum."""
        if not what.keys() & {"sums", "blobs", "wait"}:
            what["sums"] = 1
        request = DialRequest(ids=ids, timeout=timeout, **what)  # type: ignore[arg-type]
        reply: DialReply = self._call("Dial", request)
        return reply


@dataclass(kw_only=True)
class Pair:
    """A host, its plugin, and threads for calls that shall overlap."""

    host: Side
    plugin: Side
    client: Client | None = None
    """Of a Python host."""

    process: subprocess.Popen[str] | None = None
    """A Go host."""

    pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(8))

    @property
    def both_ways(self) -> list[tuple[Side, Side]]:
        """Who dials and who accepts, and the other way round."""
        return [(self.plugin, self.host), (self.host, self.plugin)]

    def begin(self, call: Any, *args: Any, **kwargs: Any) -> Future[Any]:
        """Make a call on a thread of its own."""
        return self.pool.submit(call, *args, **kwargs)


@contextlib.contextmanager
def linked(
    link: Link,
    *,
    accepted: tuple[int, ...] = (),
    command: Sequence[str] = (),
) -> Iterator[Pair]:
    """Start a pair, and require that its plugin ends when it is asked to.

    Args:
        link: What to start.
        accepted: Ids that the host serves when it dispenses.
        command: The plugin, instead of the link's.
    """
    command = command or link.command
    if link.host == PYTHON:
        config = python_config(link, command=command, accepted=accepted)
        with Client(config) as client:
            host, plugin = client.dispense("callback")
            pair = Pair(host=Side(host), plugin=Side(plugin), client=client)
            yield pair
        pair.pool.shutdown(wait=True)
        return
    if link.host == ASYNCIO:
        with asyncio_host(link, command=command, accepted=accepted) as pair:
            yield pair
        return
    with go_host(link, command=command, accepted=accepted) as pair:
        yield pair


@contextlib.contextmanager
def asyncio_host(
    link: Link, *, command: Sequence[str], accepted: tuple[int, ...] = ()
) -> Iterator[Pair]:
    """Run a host on an event loop of its own."""
    plugins = {"callback": callback_plugin_aio.CallbackPlugin(accepted)}
    with contextlib.closing(LoopThread()) as loop:
        client = aio.Client(python_config(link, command=command, plugins=plugins))
        try:
            host, plugin = loop.run(client.dispense("callback"))
            pair = Pair(host=Side(host, loop), plugin=Side(plugin, loop))
            yield pair
            if link.plugin not in (PYTHON, ASYNCIO):
                pair.plugin.stop_all()
        finally:
            loop.run(client.kill())
        pair.pool.shutdown(wait=True)


def python_config(
    link: Link,
    *,
    command: Sequence[str] = (),
    accepted: tuple[int, ...] = (),
    **changes: Any,
) -> ClientConfig:
    """Configure a Python host."""
    changes.setdefault("plugins", {"callback": CallbackPlugin(accepted)})
    return ClientConfig(
        command=command or link.command,
        handshake=HANDSHAKE,
        auto_mtls=link.mtls,
        broker_multiplex=link.mux,
        start_timeout=START_TIMEOUT,
        **changes,
    )


@contextlib.contextmanager
def go_host(
    link: Link, *, command: Sequence[str], accepted: tuple[int, ...] = ()
) -> Iterator[Pair]:
    """Run `callback-host` of the link's version of go-plugin."""
    flags = [f"-mtls={link.mtls}".lower(), f"-mux={link.mux}".lower()]
    flags += [f"-accept={service_id}" for service_id in accepted]
    with tempfile.TemporaryDirectory(prefix="go-host-", dir="/tmp") as directory:
        program = str(binary(f"callback-host-{link.host}"))
        with process([program, *flags, directory, *command], directory) as host:
            assert host.stdout is not None
            answer = host.stdout.readline().strip()
            if answer != "ready":
                raise HostFailed(answer)
            with contextlib.ExitStack() as stack:
                sides = []
                for name in ("host", "plugin"):
                    target = f"unix:{directory}/{name}"
                    channel = grpc.insecure_channel(target, options=UNLIMITED)
                    sides.append(Side(ActorStub(stack.enter_context(channel))))
                pair = Pair(host=sides[0], plugin=sides[1], process=host)
                yield pair
                if host.poll() is None:
                    pair.host.stop_all()
                if host.poll() is None and link.plugin not in (PYTHON, ASYNCIO):
                    pair.plugin.stop_all()
            pair.pool.shutdown(wait=True)
            if host.poll() is None:
                rest, _ = host.communicate(timeout=START_TIMEOUT)
                assert rest.split() == ["graceful"], Path(directory, "log").read_text()


class HostFailed(Exception):
    """The Go host could not start its plugin; the text is its reason."""


@contextlib.contextmanager
def process(command: Sequence[str], directory: str) -> Iterator[subprocess.Popen[str]]:
    """Run a program in a session of its own, so that all of it can be ended."""
    with (
        Path(directory, "log").open("w") as log,
        subprocess.Popen(
            command,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
        ) as started,
    ):
        try:
            yield started
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(started.pid, signal.SIGKILL)


def outcome(reply: DialReply) -> tuple[int, dict[int, str]]:
    """Return how many calls were good, and the errors by id."""
    return reply.good, dict(reply.errors)
