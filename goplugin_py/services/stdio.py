"""The stdio service: what a plugin prints, carried to its host.

On the plugin's side `StdioServicer` reads the pipes of a `Capture` while a host
listens, and not otherwise: a full pipe blocks the writers, as in go-plugin. On the
host's side `copy_stdio` hands the bytes to the user's files.
"""

from __future__ import annotations

import contextlib
import logging
import os
import selectors
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO

import grpc

from goplugin_py._pb.empty_pb2 import Empty
from goplugin_py._pb.stdio_pb2 import StdioData
from goplugin_py._pb.stdio_pb2_grpc import GRPCStdioServicer, GRPCStdioStub
from goplugin_py.deadline import Deadline
from goplugin_py.services.capture import flush

CHUNK_SIZE = 32 * 1024
# How long Shutdown waits for a listening host to take what was printed last.
DRAIN_TIMEOUT = 1.0

_log = logging.getLogger("goplugin.stdio")


class StdioServicer(GRPCStdioServicer):
    """Streams what arrives in pipes (go-plugin: `grpcStdioServer`)."""

    def __init__(self, readers: dict[int, StdioData.Channel.ValueType]) -> None:
        """Prepare.

        Args:
            readers: Non-blocking reading ends and the channels they feed; none at
                all gives a stream that stays silent.
        """
        self._readers = readers
        self._was_heard = threading.Event()
        self._draining: Deadline | None = None
        self._listeners: dict[int, threading.Event] = {}
        self._wakers: dict[int, int] = {}
        self._lock = threading.Lock()  # guards the three above

    def StreamStdio(
        self, request: Empty, context: grpc.ServicerContext
    ) -> Iterator[StdioData]:
        """Stream until the host hangs up or the plugin shuts down."""
        ear, waker = os.pipe()
        os.set_blocking(waker, False)
        done = threading.Event()
        with self._lock:
            self._listeners[ear] = done
            self._wakers[ear] = waker
        self._was_heard.set()
        try:
            if context.add_callback(lambda: self._wake(ear)):
                yield from self._chunks(ear, context)
        finally:
            with self._lock:
                del self._listeners[ear], self._wakers[ear]
                os.close(ear)
                os.close(waker)
            done.set()

    def _wake(self, ear: int) -> None:
        with self._lock, contextlib.suppress(BlockingIOError):
            if ear in self._wakers:
                os.write(self._wakers[ear], b"\0")

    def _chunks(self, ear: int, context: grpc.ServicerContext) -> Iterator[StdioData]:
        readers = dict(self._readers)
        with selectors.DefaultSelector() as selector:
            selector.register(ear, selectors.EVENT_READ)
            for fd in readers:
                selector.register(fd, selectors.EVENT_READ)
            while context.is_active():
                if self._draining is None:
                    selector.select()
                chunks = [
                    (fd, data) for fd in readers if (data := _read(fd)) is not None
                ]
                for fd, data in chunks:
                    if data:
                        yield StdioData(channel=readers[fd], data=data)
                    else:
                        # The program has put something else there, and the end
                        # would be ready to be read for ever.
                        selector.unregister(fd)
                        del readers[fd]
                if self._is_drained(more=bool(chunks)):
                    return

    def _is_drained(self, *, more: bool) -> bool:
        """Whether all was sent, or the time for it is over."""
        draining = self._draining
        return draining is not None and (not more or draining.expired)

    def drain(self) -> None:
        """Send what has been printed to the hosts that listen, and end the streams.

        A host asks for its stream before anything else, but on a busy machine its
        Shutdown can overtake that: what nobody has read yet waits for it.
        """
        with self._lock:
            if self._draining is not None:
                return  # the host was told; another second is too much for it
            self._draining = deadline = Deadline(DRAIN_TIMEOUT)
        flush()
        if _is_readable(self._readers):
            self._was_heard.wait(deadline.remaining())
        with self._lock:
            listeners = dict(self._listeners)
        for ear, done in listeners.items():
            self._wake(ear)
            done.wait(deadline.remaining())


def _is_readable(fds: Iterable[int]) -> bool:
    with selectors.DefaultSelector() as selector:
        for fd in fds:
            selector.register(fd, selectors.EVENT_READ)
        return bool(selector.select(0))


def _read(fd: int) -> bytes | None:
    """Return what a pipe holds: None if it is empty, no bytes if it has ended."""
    try:
        return os.read(fd, CHUNK_SIZE)
    except BlockingIOError:
        return None


def copy_stdio(
    channel: grpc.Channel,
    stdout: BinaryIO | None,
    stderr: BinaryIO | None,
    on_chunk: Callable[[], None] = lambda: None,
) -> None:
    """Copy a plugin's stdio until it ends (go-plugin: `grpcStdioClient.Run`).

    A file that fails is given up, not the stream: unread output would block the
    plugin.

    Args:
        channel: To the plugin.
        stdout: Receives stdout; None discards it.
        stderr: Likewise.
        on_chunk: Called after each chunk.
    """
    sinks = {StdioData.STDOUT: stdout, StdioData.STDERR: stderr}
    try:
        for chunk in GRPCStdioStub(channel).StreamStdio(Empty()):
            if chunk.channel not in sinks:
                _log.warning("stdio on an unknown channel %s", chunk.channel)
                continue
            sinks[chunk.channel] = _write(sinks[chunk.channel], chunk.data)
            on_chunk()
    except (grpc.RpcError, ValueError) as exc:  # the latter: closed before it began
        # The link is gone, or the plugin has no stdio service.
        _log.debug("stdio ended: %s", exc)


def _write(sink: BinaryIO | None, data: bytes) -> BinaryIO | None:
    if sink is None:
        return None
    try:
        sink.write(data)
        sink.flush()
    except Exception:
        _log.exception("a stdio file failed and gets no more")
        return None
    return sink
