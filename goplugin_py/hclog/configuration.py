"""How a plugin sends its logs to its host.

structlog is imported only where it is used: that is slow, and start-up time is a
feature.
"""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO, TypeAlias

from goplugin_py.hclog.levels import OFF, name_trace_level, threshold_of
from goplugin_py.hclog.output import StderrHandler
from goplugin_py.hclog.records import HCLogRenderer, JSONFormatter
from goplugin_py.wire.hclog import Level

_HANDLER_NAME = "goplugin.hclog"

_Event: TypeAlias = MutableMapping[str, object]


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
    threshold = threshold_of(level)
    handler = StderrHandler(stream)
    handler.set_name(_HANDLER_NAME)
    handler.setFormatter(JSONFormatter(include_caller=include_caller))
    _install(handler, threshold)
    if structlog or (structlog is None and _structlog_is_free()):
        _configure_structlog(handler, threshold)


def _install(handler: logging.Handler, threshold: int) -> None:
    name_trace_level()
    root = logging.getLogger()
    for earlier in [h for h in root.handlers if h.name == _HANDLER_NAME]:
        root.removeHandler(earlier)
        earlier.close()
    root.addHandler(handler)
    root.setLevel(threshold)


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
        if threshold >= OFF:  # the filtering logger ends at critical
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
