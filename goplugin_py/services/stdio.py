"""The stdio service: what a plugin prints, carried to its host.

On the plugin's side `Capture` puts pipes in the place of the file descriptors 1 and
2, so that Python's `print`, a C library's write and a child's output all arrive.
`StdioServicer` reads the pipes while a host listens, and not otherwise: a full pipe
blocks the writers, as in go-plugin. On the host's side `copy_stdio` hands the bytes
to the user's files.
"""

from __future__ import annotations

import contextlib
import fcntl
import io
import logging
import os
import selectors
import sys
import threading
from collections.abc import Callable, Iterator
from typing import BinaryIO, TextIO

import grpc

from goplugin_py._pb.empty_pb2 import Empty
from goplugin_py._pb.stdio_pb2 import StdioData
from goplugin_py._pb.stdio_pb2_grpc import GRPCStdioServicer, GRPCStdioStub

CHUNK_SIZE = 32 * 1024
# Room for a plugin that prints before its host listens; Linux's default maximum.
PIPE_SIZE = 1024 * 1024
# How long Shutdown waits for a listening host to take what was printed last.
DRAIN_TIMEOUT = 1.0
# A flush takes a moment, once it gets hold of the stream.
FLUSH_TIMEOUT = 0.2

_log = logging.getLogger("goplugin.stdio")


class Capture:
    """Pipes in the place of the descriptors 1 and 2, until `release`.

    The original descriptors live on as `stdout` and `stderr`, not inherited by
    children: a child that kept them open would keep the host waiting.
    """

    def __init__(self, stdout: int = 1) -> None:
        """Redirect both descriptors.

        Args:
            stdout: Where the real stdout is now, if not at 1.
        """
        _flush()
        self.stdout = os.dup(stdout)
        self.stderr = os.dup(2)
        self.readers = {
            _replace(1): StdioData.STDOUT,
            _replace(2): StdioData.STDERR,
        }
        self._unbuffer(sys.stdout)

    @staticmethod
    def _unbuffer(stream: TextIO | None) -> None:
        if isinstance(stream, io.TextIOWrapper) and not stream.closed:
            stream.reconfigure(line_buffering=True)

    def release(self) -> None:
        """Put the original descriptors back."""
        _flush()
        os.dup2(self.stdout, 1)
        os.dup2(self.stderr, 2)
        for fd in (self.stdout, self.stderr, *self.readers):
            os.close(fd)


def _flush() -> None:
    """Flush both streams, unless threads that print without end keep them busy."""
    thread = threading.Thread(target=_flush_streams, daemon=True)
    thread.start()
    thread.join(FLUSH_TIMEOUT)


def _flush_streams() -> None:
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            # A stream that the program has closed has nothing to lose.
            with contextlib.suppress(ValueError, OSError):
                stream.flush()


def _replace(fd: int) -> int:
    """Put a pipe's writing end in the place of a descriptor; return the other."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    if hasattr(fcntl, "F_SETPIPE_SZ"):
        # A system may allow less; the pipe then keeps the size it has.
        with contextlib.suppress(OSError):
            fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, PIPE_SIZE)
    os.dup2(writing, fd)
    os.close(writing)
    return reading


class StdioServicer(GRPCStdioServicer):
    """Streams what arrives in pipes (go-plugin: `grpcStdioServer`)."""

    def __init__(self, readers: dict[int, StdioData.Channel.ValueType]) -> None:
        """Prepare.

        Args:
            readers: Non-blocking reading ends and the channels they feed; none at
                all gives a stream that stays silent.
        """
        self._readers = readers
        self._is_draining = False
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
                if not self._is_draining:
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
                if self._is_draining and not chunks:
                    return

    def drain(self) -> None:
        """Send what has been printed to the hosts that listen, and end the streams."""
        if self._is_draining:
            return  # the host has been told; another second would be too much for it
        _flush()
        self._is_draining = True
        with self._lock:
            listeners = dict(self._listeners)
        for ear, done in listeners.items():
            self._wake(ear)
            done.wait(DRAIN_TIMEOUT)


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
