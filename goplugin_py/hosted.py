"""What `serve` changes in its process while a host runs it, and puts back after.

Descriptors 1 and 2 belong to the stdio service. All that a host should find in its
log keeps going to the original stderr: log records, tracebacks of uncaught
exceptions, and what faulthandler prints when the interpreter crashes.
"""

from __future__ import annotations

import contextlib
import faulthandler
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType, TracebackType
from typing import Any, NoReturn, TextIO

from goplugin_py import hclog
from goplugin_py.config.serve import ServeConfig
from goplugin_py.config.shared import HandshakeConfig
from goplugin_py.errors import LocalProtocolError, PluginError
from goplugin_py.process.host import HostWatch
from goplugin_py.services.capture import Capture
from goplugin_py.stdout import real_stdout
from goplugin_py.wire.environ import VOCABULARY, PluginEnviron
from goplugin_py.wire.handshake import Handshake

# The thread only logs and sets an event.
JOIN_TIMEOUT = 1.0

_log = logging.getLogger("goplugin.serve")


def check_process(config: ServeConfig) -> None:
    """Make sure that a host has started this process, and that it may be changed.

    Raises:
        LocalProtocolError: This is not the main thread.
        SystemExit: There is no host, which a person was told.
    """
    if threading.current_thread() is not threading.main_thread():
        raise LocalProtocolError(
            "serve() must be called from the main thread: use PluginServer elsewhere"
        )
    _check_cookie(config.handshake)


def give_up(config: ServeConfig, exc: PluginError) -> NoReturn:
    """Log why the plugin can't serve, and exit with status 1."""
    # No traceback: it is the user's to mend. No arguments: structlog's differ.
    logger_of(config).error(f"can't serve: {exc}")
    sys.exit(1)


@contextlib.contextmanager
def announced(
    config: ServeConfig,
    capture: Capture,
    handshake: Handshake,
    ask_to_stop: Callable[[], None],
) -> Iterator[None]:
    """Print the handshake line, and watch for the end of whoever reads it."""
    try:
        line = handshake.format()
    except LocalProtocolError as exc:
        give_up(config, exc)
    watch = _watch_host(config, capture, ask_to_stop)
    if not config.keep_environ:
        _forget_host(config.handshake)
    try:
        os.write(capture.stdout, os.fsencode(line) + b"\n")
        yield
    finally:
        if watch is not None:
            watch.close()


def _watch_host(
    config: ServeConfig, capture: Capture, ask_to_stop: Callable[[], None]
) -> HostWatch | None:
    if config.outlive_host or PluginEnviron.parse(os.environ).outlive_host:
        return None
    return HostWatch(capture.stdout, ask_to_stop)


def _forget_host(handshake: HandshakeConfig) -> None:
    """Remove what the host said to this process, before its children inherit it."""
    for name in (handshake.magic_cookie_key, *VOCABULARY):
        os.environ.pop(name, None)


def logger_of(config: ServeConfig) -> Any:
    """Return what the library itself logs with."""
    return config.logger if config.logger is not None else _log


def _check_cookie(handshake: HandshakeConfig) -> None:
    key, value = handshake.cookie
    if os.environ.get(key) != value:
        sys.stderr.write(
            "This program is a plugin, and plugins are not meant to be run by hand:\n"
            "the application that uses it starts it and talks to it.\n"
            f"(It expects the environment variable {key} to have a certain value.)\n"
        )
        sys.exit(1)


@contextlib.contextmanager
def captured(logger: Any) -> Iterator[Capture]:
    """Capture stdout and stderr, and keep the log where it goes.

    Args:
        logger: Receives uncaught exceptions; of `logging` or of structlog.
    """
    if not logging.getLogger().handlers:
        hclog.configure()
    with contextlib.ExitStack() as stack:
        handlers = _stderr_handlers()
        capture = Capture(real_stdout())
        stack.callback(capture.release)
        previous = hclog.redirect(capture.stderr)
        stack.callback(hclog.redirect, previous)
        stderr = os.fdopen(
            os.dup(capture.stderr), "w", buffering=1, errors="backslashreplace"
        )
        stack.enter_context(stderr)
        stack.enter_context(_moved(handlers, stderr))
        stack.enter_context(_crashes_to(stderr))
        stack.enter_context(_exceptions_to(logger))
        yield capture


def _stderr_handlers() -> list[logging.StreamHandler[TextIO]]:
    return [
        handler
        for handler in _handlers()
        if type(handler) is logging.StreamHandler
        and handler.stream in (sys.stderr, sys.__stderr__)
    ]


@contextlib.contextmanager
def _moved(
    handlers: list[logging.StreamHandler[TextIO]], stderr: TextIO
) -> Iterator[None]:
    """Move the handlers that the program has put on stderr."""
    streams = [handler.setStream(stderr) for handler in handlers]
    try:
        yield
    finally:
        for handler, stream in zip(handlers, streams, strict=True):
            if stream is not None:
                handler.setStream(stream)


def _handlers() -> Iterator[logging.Handler]:
    yield from logging.getLogger().handlers
    for logger in list(logging.Logger.manager.loggerDict.values()):
        if isinstance(logger, logging.Logger):
            yield from logger.handlers


@contextlib.contextmanager
def _crashes_to(stderr: TextIO) -> Iterator[None]:
    was_enabled = faulthandler.is_enabled()
    faulthandler.enable(stderr)
    try:
        yield
    finally:
        faulthandler.disable()
        if was_enabled and sys.stderr is not None:
            faulthandler.enable(sys.stderr)


@contextlib.contextmanager
def _exceptions_to(logger: Any) -> Iterator[None]:
    """Log uncaught exceptions instead of printing them."""
    previous = sys.excepthook, threading.excepthook, sys.unraisablehook

    def log(what: str, kind: type[BaseException], exc: Any, trace: Any) -> None:
        logger.error(what, exc_info=(kind, exc or kind(), trace))

    def main(
        kind: type[BaseException], exc: BaseException, trace: TracebackType | None
    ) -> None:
        log("uncaught exception", kind, exc, trace)

    def thread(args: threading.ExceptHookArgs) -> None:
        if args.exc_type is not SystemExit:
            log("uncaught exception in a thread", args.exc_type, *args[1:3])

    def unraisable(args: Any) -> None:
        what = args.err_msg or "exception ignored"
        log(what, args.exc_type, args.exc_value, args.exc_traceback)

    sys.excepthook, threading.excepthook, sys.unraisablehook = main, thread, unraisable
    try:
        yield
    finally:
        sys.excepthook, threading.excepthook, sys.unraisablehook = previous


class Signals:
    """Takes SIGINT and SIGTERM as a plugin should, until `restore`.

    SIGINT is ignored: a terminal sends it to the whole process group, and it is the
    host that decides. Unlike with `SIG_IGN`, children keep the default. SIGTERM
    stops the plugin as Shutdown does, so that no socket is left behind.

    A thread acts on them. A handler of Python's runs between two instructions of the
    main thread: it may find a lock held that it needs, or not run at all when the
    thread is just about to block. The interpreter's wake-up descriptor knows neither.
    """

    def __init__(self, stop: Callable[[], None]) -> None:
        """Install the handlers; only the main thread may."""
        self._stop = stop
        self._is_terminated = False
        self._arrivals, self._wakeup = os.pipe()
        os.set_blocking(self._wakeup, False)
        self._previous_wakeup = signal.set_wakeup_fd(
            self._wakeup, warn_on_full_buffer=False
        )
        self._previous = {
            number: signal.signal(number, _leave_to_thread)
            for number in (signal.SIGINT, signal.SIGTERM)
        }
        self._thread = threading.Thread(
            target=self._watch, name="goplugin-signals", daemon=True
        )
        self._thread.start()
        os.register_at_fork(after_in_child=self._reset)

    def _watch(self) -> None:
        while number := ord(os.read(self._arrivals, 1)):
            if number == signal.SIGINT:
                _log.debug("SIGINT is the host's business, ignored")
            elif number == signal.SIGTERM:
                self._is_terminated = True
                self._stop()

    def restore(self) -> None:
        """Put the previous handlers back; die of SIGTERM now if it came."""
        self._reset()
        os.write(self._wakeup, b"\0")
        self._thread.join(JOIN_TIMEOUT)
        os.close(self._wakeup)
        os.close(self._arrivals)
        if self._is_terminated:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.raise_signal(signal.SIGTERM)

    def _reset(self) -> None:
        # Also in a forked child, or its SIGTERM would come in here.
        while self._previous:
            signal.signal(*self._previous.popitem())
            signal.set_wakeup_fd(self._previous_wakeup)


def _leave_to_thread(number: int, frame: FrameType | None) -> None:
    """Handle nothing: a signal without a handler would not be announced."""
