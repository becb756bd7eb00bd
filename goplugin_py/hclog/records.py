"""From log records of `logging` and structlog to hclog's lines."""

import logging
import sys
import traceback
from collections.abc import Mapping, MutableMapping
from contextlib import suppress
from datetime import UTC, datetime
from types import TracebackType

from goplugin_py.hclog.levels import level_of, text_of
from goplugin_py.wire.hclog import Record

# A plugin's own key-values, as a host's `logging` record carries them.
FORWARDED_PAIRS = "plugin_pairs"

# Python 3.12 added taskName; the other two are set by formatting.
_RECORD_ATTRIBUTES = frozenset(
    {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"}
)


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
            level=level_of(record.levelno),
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

    def __call__(
        self, logger: object, method_name: str, event_dict: MutableMapping[str, object]
    ) -> str:
        """Return the line, without its line ending. Must not raise."""
        pairs = dict(event_dict)
        for internal in ("_record", "_from_structlog"):
            pairs.pop(internal, None)
        _name_exception(pairs)
        return Record(
            level=level_of(pairs.pop("level", method_name)),
            message=text_of(pairs.pop("event", "")),
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
        return text_of(record.msg), faults


def _extra(record: logging.LogRecord) -> dict[str, object]:
    """Return what `extra=` added, and what `forward` could not add as attributes."""
    pairs = {k: v for k, v in vars(record).items() if k not in _RECORD_ATTRIBUTES}
    forwarded = pairs.get(FORWARDED_PAIRS)
    if not isinstance(forwarded, Mapping):
        return pairs
    del pairs[FORWARDED_PAIRS]
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
