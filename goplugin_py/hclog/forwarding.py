"""From a plugin's records to the logger of its host."""

import logging
from contextlib import suppress
from datetime import datetime
from typing import Protocol

from goplugin_py.hclog.levels import name_trace_level
from goplugin_py.hclog.records import FORWARDED_PAIRS
from goplugin_py.wire.hclog import Level, Record

_log = logging.getLogger("goplugin.hclog")


class StructuredLogger(Protocol):
    """A structlog logger, recognised by its `bind`; `forward` calls its methods."""

    def bind(self, **new_values: object) -> object:
        """Return a logger with more context. Not called here."""


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
        name_trace_level()
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
    attributes[FORWARDED_PAIRS] = dict(record.pairs)
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
