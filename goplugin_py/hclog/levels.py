"""Names and numbers of levels, of hclog, `logging` and structlog."""

import logging
from collections.abc import Mapping

from goplugin_py.errors import ConfigError
from goplugin_py.wire.hclog import Level

OFF = logging.CRITICAL + 1  # above every level in use

_NAMES: Mapping[str, int] = {
    **{level.label: level for level in Level},
    "notset": Level.TRACE,
    "warning": Level.WARN,
    "exception": Level.ERROR,
    "critical": Level.ERROR,
    "fatal": Level.ERROR,
    "off": OFF,  # a threshold only
}


def level_of(level: object) -> Level:
    """Read a number or a name; Info for what is neither."""
    if isinstance(level, int):
        return Level.nearest(level)
    return Level.nearest(_NAMES.get(text_of(level).lower(), Level.INFO))


def threshold_of(level: str | int) -> int:
    """Return the lowest number to log.

    Raises:
        ConfigError: There is no level of that name.
    """
    if isinstance(level, int):
        return level
    name = level.strip().lower()
    if name in ("critical", "fatal"):  # an error to hclog, but not as a threshold
        return logging.CRITICAL
    if name not in _NAMES:
        known = ", ".join(_NAMES)
        raise ConfigError(f"unknown log level {level!r}; known are {known}")
    return _NAMES[name]


def name_trace_level() -> None:
    """Give `logging` a name for Trace, unless the program has one."""
    if logging.getLevelName(Level.TRACE).startswith("Level "):
        logging.addLevelName(Level.TRACE, "TRACE")


def text_of(value: object) -> str:
    """Return the value's text. Never raises."""
    try:
        return str(value)
    except Exception:
        return f"<unprintable {type(value).__name__}>"
