"""Structured logs between plugin and host, for `logging` and for structlog.

A plugin calls `configure()`; its records then arrive at the host, Go or Python, with
level, module, time and key-values. A host's reader hands each record that it has
parsed to `forward()`. structlog is never imported here unless asked for: it is slow
to import, and start-up time is a feature.

Layer: facade, above wire/hclog.py, which knows the lines themselves.
"""

import logging
import os
import select
import sys
import threading
import traceback
from collections.abc import Mapping, MutableMapping
from contextlib import suppress
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Protocol, TextIO, TypeAlias

from goplugin_py.errors import ConfigError
from goplugin_py.wire.hclog import Level, Record, parse_line

__all__ = [
    "HCLogRenderer",
    "JSONFormatter",
    "Level",
    "Record",
    "StderrHandler",
    "StructuredLogger",
    "configure",
    "forward",
    "parse_line",
    "redirect",
]

STDERR = 2
# A pipe that its reader has left full for so long has no reader any more; the line is
# dropped rather than the plugin stopped. Only met when someone made it non-blocking.
STALL_TIMEOUT = 5.0

_HANDLER_NAME = "goplugin.hclog"
_OFF = logging.CRITICAL + 1  # above every level in use

_LEVEL_NAMES: Mapping[str, int] = {
    **{level.label: level for level in Level},
    "notset": Level.TRACE,
    "warning": Level.WARN,
    "exception": Level.ERROR,
    "critical": Level.ERROR,
    "fatal": Level.ERROR,
    "off": _OFF,  # a threshold only
}

# Python 3.12 added taskName; the other two are set by formatting.
_RECORD_ATTRIBUTES = frozenset(
    {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"}
)
_FORWARDED_PAIRS = "plugin_pairs"

_Event: TypeAlias = MutableMapping[str, object]

_log = logging.getLogger("goplugin.hclog")


class StructuredLogger(Protocol):
    """A structlog logger, recognised by its `bind`; `forward` calls its methods."""

    def bind(self, **new_values: object) -> object:
        """Return a logger with more context. Not called here."""


class JSONFormatter(logging.Formatter):
    """Formats `logging` records as hclog's JSON lines.

    The logger's name becomes the module, except for the root logger. `extra=` values
    become pairs, with JSON's own types where they have one. An exception becomes the
    pairs `error` and `stacktrace`; `stack_info=True` a `stacktrace` too. Times are
    UTC.

    Args:
        include_caller: Add `@caller`, the file and line of the logging call.
    """

    def __init__(self, *, include_caller: bool = False) -> None:
        super().__init__()
        self._include_caller = include_caller

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without its line ending. Must not raise."""
        message, pairs = _message(record)
        pairs |= _extra(record)
        for key, value in self._stacks(record).items():
            pairs.setdefault(key, value)
        return Record(
            level=_level(record.levelno),
            message=message,
            module="" if record.name == "root" else record.name,
            timestamp=_moment(record.created),
            pairs=pairs,
            caller=self._caller(record),
        ).format()

    def _caller(self, record: logging.LogRecord) -> str:
        return f"{record.pathname}:{record.lineno}" if self._include_caller else ""

    def _stacks(self, record: logging.LogRecord) -> dict[str, object]:
        pairs = _exception_pairs(record.exc_info)
        # exc_text is all that is left of an exception that came through a queue.
        if stack := record.exc_text or record.stack_info:
            pairs.setdefault("stacktrace", stack)
        return pairs


class HCLogRenderer:
    """Renders structlog events as hclog's JSON lines; the last processor of a chain.

    It understands what structlog's own processors leave: `event`, `level` (else the
    method's name), `timestamp` (text, seconds or a datetime; else the time is taken
    here), `logger` or `logger_name` (else the wrapped logger's `name`), and
    `exc_info`, which becomes `error` and `stacktrace`, or `exception`, which becomes
    `stacktrace`. All other keys become pairs.

    The line goes to the wrapped logger as the message, so that logger must write it
    as it is: structlog's own, the one `configure` sets, or
    `structlog.stdlib.ProcessorFormatter` with this as its processor.
    """

    def __call__(self, logger: object, method_name: str, event_dict: _Event) -> str:
        """Return the line, without its line ending. Must not raise."""
        pairs = dict(event_dict)
        for internal in ("_record", "_from_structlog"):
            pairs.pop(internal, None)
        _name_exception(pairs)
        return Record(
            level=_level(pairs.pop("level", method_name)),
            message=_text(pairs.pop("event", "")),
            module=_event_module(pairs, logger),
            timestamp=_event_time(pairs),
            pairs=pairs,
        ).format()


def _message(record: logging.LogRecord) -> tuple[str, dict[str, object]]:
    """Return the message and, where arguments don't fit it, what they were."""
    try:
        return record.getMessage(), {}
    except Exception as error:
        faults: dict[str, object] = {
            "logging_error": error,
            "logging_args": record.args,
        }
        return _text(record.msg), faults


def _extra(record: logging.LogRecord) -> dict[str, object]:
    """Return what `extra=` added, and what `forward` could not add as attributes."""
    pairs = {k: v for k, v in vars(record).items() if k not in _RECORD_ATTRIBUTES}
    forwarded = pairs.get(_FORWARDED_PAIRS)
    if not isinstance(forwarded, Mapping):
        return pairs
    del pairs[_FORWARDED_PAIRS]
    return {**forwarded, **pairs}


def _exception_pairs(exc_info: object) -> dict[str, object]:
    """Describe `exc_info`: an exception, a triple, or any truth for the current one."""
    error, frames = _resolve_exc_info(exc_info)
    if error is None:
        return {}
    try:
        only = traceback.format_exception_only(error)
        stack = traceback.format_exception(type(error), error, frames)
    except Exception:  # an exception whose own text can't be had
        return {"error": error}
    return {"error": "".join(only).strip(), "stacktrace": "".join(stack).rstrip()}


def _name_exception(pairs: dict[str, object]) -> None:
    """Replace structlog's exception keys by hclog's names."""
    found = _exception_pairs(pairs.pop("exc_info", None))
    if exception := pairs.pop("exception", None):
        found.setdefault("stacktrace", exception)
    for key, value in found.items():
        pairs.setdefault(key, value)


def _resolve_exc_info(
    exc_info: object,
) -> tuple[BaseException | None, TracebackType | None]:
    match exc_info:
        case None | False | (_, None, _):
            return None, None
        case BaseException():
            return exc_info, exc_info.__traceback__
        case (_, BaseException() as error, frames):
            return error, frames if isinstance(frames, TracebackType) else None
    return sys.exc_info()[1:]


def _level(level: object) -> Level:
    """Read a number or a name; Info for what is neither."""
    if isinstance(level, int):
        return Level.nearest(level)
    return Level.nearest(_LEVEL_NAMES.get(_text(level).lower(), Level.INFO))


def _event_module(pairs: dict[str, object], logger: object) -> str:
    named = [pairs.pop("logger", None), pairs.pop("logger_name", None)]
    name = named[0] or named[1] or getattr(logger, "name", None)
    return name if isinstance(name, str) and name != "root" else ""


def _event_time(pairs: dict[str, object]) -> datetime:
    """Take the timestamp; one that can't be read stays a pair."""
    moment = _read_time(pairs.get("timestamp"))
    if moment is None:
        return datetime.now(UTC)
    del pairs["timestamp"]
    return moment


def _read_time(value: object) -> datetime | None:
    match value:
        case datetime():
            return value if value.tzinfo else value.astimezone()
        case int() | float():
            return _moment(value)
        case str():
            with suppress(ValueError):
                return datetime.fromisoformat(value)
    return None


def _moment(seconds: float) -> datetime | None:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _text(value: object) -> str:
    try:
        return str(value)
    except Exception:
        return f"<unprintable {type(value).__name__}>"


class _LogFile:
    """The descriptor that log lines go to. Its lock guards the descriptor.

    The lock is held while a line is written, so that `redirect` returns only when
    nobody uses the old descriptor any more, and so that lines don't mix.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._lock = threading.RLock()  # reentrant: signal handlers log too
        os.register_at_fork(after_in_child=self._renew_lock)

    def redirect(self, fd: int) -> int:
        with self._lock:
            previous, self._fd = self._fd, fd
        return previous

    def write(self, line: str) -> None:
        """Write a line, in one call where the system takes it whole."""
        data = memoryview(line.encode("utf-8", "backslashreplace") + b"\n")
        with self._lock, suppress(OSError):  # without a reader there is nobody to tell
            while data:
                data = data[self._write_some(data) :]

    def _write_some(self, data: memoryview) -> int:
        try:
            return os.write(self._fd, data)
        except BlockingIOError:
            poll = select.poll()
            poll.register(self._fd, select.POLLOUT)
            if not poll.poll(STALL_TIMEOUT * 1000):
                raise
            return 0

    def _renew_lock(self) -> None:
        # The thread that held it in the parent does not exist in the child.
        self._lock = threading.RLock()


_log_file = _LogFile(STDERR)


def redirect(fd: int) -> int:
    """Send log lines to another descriptor from now on; return the previous one.

    `serve` calls this before it points descriptor 2 at the stdio service, with a
    duplicate of the original stderr, and again with the returned value when it
    stops. When this returns, no line is on its way to the previous descriptor. The
    caller keeps ownership of both.
    """
    return _log_file.redirect(fd)


class StderrHandler(logging.Handler):
    """Writes each record as one line to the plugin's original stderr.

    A Go or Python host reads logs there, while `sys.stderr` and descriptor 2 may
    belong to the stdio service by then. Each line is one write, so that lines of
    several processes don't mix. A host that is gone is no error.

    Args:
        stream: Write to this text stream instead; it is flushed after each line.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        super().__init__()
        self._stream = stream
        self.setFormatter(JSONFormatter())

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record; failures go to `handleError`, as in all handlers."""
        try:
            self.write_line(self.format(record))
        except Exception:
            self.handleError(record)

    def write_line(self, line: str) -> None:
        """Write a finished line, given without its line ending."""
        if self._stream is None:
            _log_file.write(line)
            return
        self.acquire()
        try:
            self._write_to(self._stream, line + "\n")
        finally:
            self.release()

    @staticmethod
    def _write_to(stream: TextIO, text: str) -> None:
        if getattr(stream, "closed", False):
            return
        with suppress(OSError):
            stream.write(text)
            stream.flush()


def configure(
    level: str | int = "trace",
    stream: TextIO | None = None,
    *,
    structlog: bool | None = None,
    include_caller: bool = False,
) -> None:
    """Send a plugin's logs to its host: one handler on the root logger.

    Calling it again replaces that handler and no other.

    Args:
        level: The lowest level to send: a name of hclog (`trace` to `error`, `off`)
            or of `logging`, in any case, or a number.
        stream: Write to this text stream instead of the original stderr.
        structlog: True imports and configures structlog, False leaves it alone. By
            default it is configured if the program has imported it already and has
            not configured it otherwise. With it, structlog loggers have a `trace`
            method.
        include_caller: Add the file and line of each `logging` call.

    Raises:
        ConfigError: There is no level of that name.
    """
    threshold = _threshold(level)
    handler = StderrHandler(stream)
    handler.set_name(_HANDLER_NAME)
    handler.setFormatter(JSONFormatter(include_caller=include_caller))
    _install(handler, threshold)
    if structlog or (structlog is None and _structlog_is_free()):
        _configure_structlog(handler, threshold)


def _threshold(level: str | int) -> int:
    if isinstance(level, int):
        return level
    name = level.strip().lower()
    if name in ("critical", "fatal"):  # an error to hclog, but not as a threshold
        return logging.CRITICAL
    if name not in _LEVEL_NAMES:
        known = ", ".join(_LEVEL_NAMES)
        raise ConfigError(f"unknown log level {level!r}; known are {known}")
    return _LEVEL_NAMES[name]


def _install(handler: logging.Handler, threshold: int) -> None:
    _name_trace_level()
    root = logging.getLogger()
    for earlier in [h for h in root.handlers if h.name == _HANDLER_NAME]:
        root.removeHandler(earlier)
        earlier.close()
    root.addHandler(handler)
    root.setLevel(threshold)


def _name_trace_level() -> None:
    """Give `logging` a name for Trace, unless the program has one."""
    if logging.getLevelName(Level.TRACE).startswith("Level "):
        logging.addLevelName(Level.TRACE, "TRACE")


def _structlog_is_free() -> bool:
    """Tell whether structlog is in use and nobody but us has configured it."""
    if "structlog" not in sys.modules:
        return False
    import structlog

    if not structlog.is_configured():
        return True
    processors = structlog.get_config()["processors"]
    return bool(processors) and isinstance(processors[-1], HCLogRenderer)


def _configure_structlog(handler: StderrHandler, threshold: int) -> None:
    import structlog

    def drop_if_off(_logger: object, _method: str, event: _Event) -> _Event:
        if threshold >= _OFF:  # the filtering logger ends at critical
            raise structlog.DropEvent
        return event

    structlog.configure(
        processors=[
            drop_if_off,
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.StackInfoRenderer(),
            HCLogRenderer(),
        ],
        wrapper_class=_bound_logger_class(threshold),
        logger_factory=lambda *args: _LineLogger(handler, *args),
        cache_logger_on_first_use=False,  # a later call may change the level
    )


def _bound_logger_class(threshold: int) -> type:
    """Build structlog's filtering logger, with the level that it lacks."""
    import structlog

    steps = (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR)
    step = next((step for step in steps if step >= threshold), logging.CRITICAL)
    base = structlog.make_filtering_bound_logger(step)

    def trace(self: Any, event: str, *args: object, **pairs: object) -> object:
        if threshold > Level.TRACE:
            return None
        return self._proxy_to_logger("trace", event % args if args else event, **pairs)

    return type("BoundLogger", (base,), {"trace": trace})


class _LineLogger:
    """The innermost logger of structlog's chain: it writes finished lines.

    structlog calls the method of the event's level; all of them do the same.
    """

    def __init__(self, handler: StderrHandler, name: str = "", *_: object) -> None:
        self.name = name  # HCLogRenderer makes it the module
        self._handler = handler

    def msg(self, line: str) -> None:
        self._handler.write_line(line)

    trace = debug = info = warn = warning = error = exception = msg
    critical = fatal = log = msg


def forward(record: Record, logger: logging.Logger | StructuredLogger) -> None:
    """Log a plugin's record through the host's logger, at the record's level.

    A `logging.Logger` gets a LogRecord with the logger's own name, the plugin's time
    as `created`, and the attributes `plugin_module`, `plugin_timestamp` (None if the
    record had none) and `plugin_pairs`, a dict. Each key-value is an attribute of its
    own too, as with `extra=`, unless a LogRecord has an attribute of that name. Trace
    is the number 5.

    A structlog logger gets the message as `event`, with `module`, `timestamp` and the
    key-values as keys; one that would clash with a key or argument of structlog's is
    renamed to `plugin_<key>`. Trace is `trace()` where the logger has it, else
    `debug()`.

    Must not raise: the caller is a thread that has to go on reading. What a logger
    raises is reported to the logger `goplugin.hclog`, once for each kind.
    """
    try:
        if isinstance(logger, logging.Logger):
            _forward_to_logging(record, logger)
        else:
            _forward_to_structlog(record, logger)
    except Exception as error:
        with suppress(Exception):
            _report_once(logger, error)


def _forward_to_logging(record: Record, logger: logging.Logger) -> None:
    if record.level is Level.TRACE:
        _name_trace_level()
    if not logger.isEnabledFor(record.level):
        return
    out = logger.makeRecord(
        logger.name, int(record.level), "(plugin)", 0, record.message, (), None
    )
    _set_created(out, record.timestamp)
    attributes = vars(out)
    attributes |= {k: v for k, v in record.pairs.items() if not hasattr(out, k)}
    attributes["plugin_module"] = record.module
    attributes["plugin_timestamp"] = record.timestamp
    attributes[_FORWARDED_PAIRS] = dict(record.pairs)
    logger.handle(out)


def _set_created(out: logging.LogRecord, moment: datetime | None) -> None:
    """Date the LogRecord by the plugin's clock, as far as `logging` can show it."""
    seconds = moment.timestamp() if moment else -1.0
    if seconds >= 0:  # localtime of some systems refuses what is before 1970
        out.relativeCreated += (seconds - out.created) * 1000
        out.created = seconds
        out.msecs = moment.microsecond // 1000 if moment else 0


# Parameters of structlog's logging methods, and keys that its processors overwrite or
# give a meaning to.
_STRUCTLOG_KEYS = frozenset(
    {
        *("self", "event", "method_name", "level", "log_level", "logger"),
        *("logger_name", "module", "timestamp", "exc_info", "exception", "stack"),
        *("stack_info", "stacklevel", "extra", "_record", "_from_structlog"),
    }
)
_STRUCTLOG_METHODS = {
    Level.TRACE: "trace",
    Level.DEBUG: "debug",
    Level.INFO: "info",
    Level.WARN: "warning",
    Level.ERROR: "error",
}


def _forward_to_structlog(record: Record, logger: StructuredLogger) -> None:
    method = getattr(logger, _STRUCTLOG_METHODS[record.level], None)
    if method is None and record.level is Level.TRACE:
        method = getattr(logger, "debug", None)
    if not callable(method):
        raise TypeError(f"{type(logger).__name__} has no method for {record.level!r}")
    try:
        method(record.message, **_structlog_keys(record))
    except KeyError:  # render_to_log_kwargs: `logging` has attributes of such names
        method(
            record.message,
            plugin_module=record.module,
            plugin_timestamp=record.timestamp,
            plugin_pairs=dict(record.pairs),
        )


def _structlog_keys(record: Record) -> dict[str, object]:
    keys: dict[str, object] = {}
    if record.module:
        keys["module"] = record.module
    if record.timestamp is not None:
        keys["timestamp"] = record.timestamp
    for key, value in record.pairs.items():
        name = key
        while name in _STRUCTLOG_KEYS or name in keys:
            name = "plugin_" + name
        keys[name] = value
    return keys


_reported: set[tuple[type, type]] = set()


def _report_once(logger: object, error: Exception) -> None:
    kind = type(logger), type(error)
    if kind in _reported:
        return
    _reported.add(kind)
    _log.warning(
        "the host's logger %s failed on a plugin's record: %s; further failures of "
        "this kind are not reported",
        type(logger).__name__,
        error,
        exc_info=error,
    )
