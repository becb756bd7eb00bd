"""Reads all that a plugin process writes, from its start to its end."""

import contextlib
import logging
import os
import selectors
import threading
from collections.abc import Callable
from typing import Any

from goplugin_py.deadline import Deadline
from goplugin_py.process.running import SpawnedProcess
from goplugin_py.wire.handshake import MAX_LINE_LENGTH

_READ_SIZE = 64 * 1024

_log = logging.getLogger("goplugin.process")


class LineSplitter:
    """Cut a byte stream into lines of bounded length.

    A line longer than the bound comes in pieces, as from Go's `bufio.ReadLine`.
    """

    def __init__(self, limit: int, on_line: Callable[[bytes, bool], None]) -> None:
        """Prepare.

        Args:
            limit: Bytes after which a line is cut.
            on_line: Receives each line without its end, and whether it is a piece
                of a longer one.
        """
        self._limit = limit
        self._on_line = on_line
        self._partial = bytearray()
        self._in_long_line = False

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""
        *lines, rest = data.split(b"\n")
        for line in lines:
            self._partial += line
            self._cut()
            self._emit(self._partial.removesuffix(b"\r"), is_piece=self._in_long_line)
            self._in_long_line = False
        self._partial += rest
        self._cut()

    def finish(self) -> None:
        """Take the end: the last line may lack its newline."""
        if self._partial:
            self._emit(self._partial, is_piece=self._in_long_line)

    def _cut(self) -> None:
        while len(self._partial) > self._limit:
            self._in_long_line = True
            rest = self._partial[self._limit :]
            self._emit(self._partial[: self._limit], is_piece=True)
            self._partial = rest

    def _emit(self, line: bytearray, *, is_piece: bool) -> None:
        self._partial = bytearray()
        self._on_line(bytes(line), is_piece)


class FirstLine:
    """The first line on stdout, wherever it ends; everything later is discarded.

    The handshake line is complete at its newline, at the end of the stream, or once
    it is longer than go-plugin reads.
    """

    def __init__(self) -> None:
        self._data = bytearray()
        self._done = threading.Event()

    @property
    def text(self) -> str | None:
        """The line, or None if the stream ended without one.

        Bytes that are no text are kept as surrogates: they may be part of a path.
        """
        if not self._data:
            return None
        line = bytes(self._data).split(b"\n", 1)[0]
        return line[:MAX_LINE_LENGTH].decode(errors="surrogateescape")

    @property
    def is_overlong(self) -> bool:
        """Whether there was no newline within the length that go-plugin reads."""
        return len(self._data.split(b"\n", 1)[0]) >= MAX_LINE_LENGTH

    def feed(self, data: bytes) -> None:
        """Take the next bytes of stdout."""
        if self._done.is_set():
            return
        self._data += data
        if b"\n" in data or len(self._data) >= MAX_LINE_LENGTH:
            self._done.set()

    def finish(self) -> None:
        """Take the end of stdout."""
        self._done.set()

    def wait(self, timeout: float | None) -> bool:
        """Wait until the line is complete; return False after `timeout` seconds."""
        return self._done.wait(timeout)


class OutputReader:
    """One thread that reads a process's stdout and stderr and collects its end.

    All that the process itself wrote has been handed on when `exited` is set. A
    grandchild that still holds the pipes does not delay that: what is in them at
    the exit is read, and no more is waited for.
    """

    def __init__(
        self,
        runner: SpawnedProcess,
        *,
        on_stdout: Callable[[bytes], None],
        on_stderr: Callable[[bytes], None],
        on_exit: Callable[[int | None], None],
    ) -> None:
        """Prepare; `start` begins.

        Args:
            runner: A started process; closed and reaped by the thread.
            on_stdout: Receives bytes, and `b""` at the end.
            on_stderr: Likewise.
            on_exit: Receives the exit status, None if nobody knows, last of all.
        """
        self._runner = runner
        self._on_exit = on_exit
        self._consumers = {runner.stdout: on_stdout, runner.stderr: on_stderr}
        self.exited = threading.Event()
        self._thread = threading.Thread(
            target=self._run, name=f"goplugin-output-{runner.name}", daemon=True
        )

    def start(self) -> None:
        """Start the thread.

        Raises:
            OSError: There is a lack of descriptors.
            RuntimeError: There is a lack of threads.
        """
        with contextlib.ExitStack() as undo:
            self._notice = self._runner.exit_notice()
            undo.callback(os.close, self._notice)
            self._selector = undo.enter_context(selectors.DefaultSelector())
            self._thread.start()
            undo.pop_all()

    def join(self, timeout: float | None) -> bool:
        """Wait for the end; return False after `timeout` seconds."""
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            self._read_until_exit()
            status = self._runner.reap()
        finally:
            os.close(self._notice)
            self._runner.close()
        self._guarded(self._on_exit, status)
        self.exited.set()

    def _read_until_exit(self) -> None:
        with self._selector as selector:
            selector.register(self._notice, selectors.EVENT_READ)
            for fd in self._consumers:
                os.set_blocking(fd, False)
                selector.register(fd, selectors.EVENT_READ)
            has_exited = False
            while not has_exited:
                for key, _ in selector.select():
                    if key.fd == self._notice:
                        has_exited = True
                    elif not self._read(key.fd):
                        selector.unregister(key.fd)
            self._read_late(selector)
        for fd in list(self._consumers):
            self._read_rest(fd)

    def _read_late(self, selector: selectors.BaseSelector) -> None:
        """Read up to the end what takes a longer way."""
        selector.unregister(self._notice)
        deadline = Deadline(self._runner.lag)
        while self._consumers and not deadline.expired:
            for key, _ in selector.select(deadline.remaining()):
                if not self._read(key.fd):
                    selector.unregister(key.fd)

    def _read(self, fd: int) -> bool:
        """Hand one read on; return whether more may come."""
        try:
            data = os.read(fd, _READ_SIZE)
        except BlockingIOError:
            return True
        if data:
            self._guarded(self._consumers[fd], data)
        else:
            self._guarded(self._consumers.pop(fd), b"")
        return bool(data)

    def _read_rest(self, fd: int) -> None:
        """Hand on what the process left in a pipe.

        A grandchild may be writing to it all the while, so no more is read than a
        pipe can hold.
        """
        consumer = self._consumers[fd]
        for _ in range(_PIPE_CAPACITY // _READ_SIZE):
            try:
                data = os.read(fd, _READ_SIZE)
            except BlockingIOError:
                break
            if not data:
                break
            self._guarded(consumer, data)
        self._guarded(consumer, b"")

    def _guarded(self, consume: Callable[[Any], None], item: object) -> None:
        try:
            consume(item)
        except Exception:
            # A failing consumer must not stop the reading: the plugin would block.
            _log.exception("a consumer of plugin output failed")


_PIPE_CAPACITY = 1024 * 1024  # /proc/sys/fs/pipe-max-size, what a process may set
