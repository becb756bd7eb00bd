"""hclog's JSON log lines: one record and its line.

Layer: wire. Values and bytes only.

A Go host reads a plugin's stderr with `Client.logStderr`. It shows a line as a
structured record only when `parseJSON` accepts it, shows everything else as text,
and crashes on some JSON that no hclog logger writes. So `Record.format` writes only
what that host accepts, whatever values it is given, and `parse_line` reads what that
host would read, whatever bytes it is given. Neither ever raises.
"""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from enum import IntEnum
from typing import Self

from goplugin_py.wire.log_line import (
    BUILT_IN,
    CALLER,
    LEVEL,
    MAX_DEPTH,
    MESSAGE,
    MODULE,
    TIMESTAMP,
    encode,
    format_line,
)
from goplugin_py.wire.white_space import trim

_SURROGATE = re.compile("[\ud800-\udfff]")
_ESCAPED_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
# hclog: TimeFormatJSON, as lenient as Go's time.Parse is with it.
_STAMP = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{1,2}):([0-9]{2}):([0-9]{2})"
    r"[.,]([0-9]{6})(?:Z|([+-])([01][0-9]|2[0-4]):([0-5][0-9]|60))"
)


class Level(IntEnum):
    """hclog's five levels. The numbers are those of the `logging` module."""

    TRACE = 5
    DEBUG = 10
    INFO = 20
    WARN = 30
    ERROR = 40

    @property
    def label(self) -> str:
        """The name on the wire."""
        return self.name.lower()

    @classmethod
    def from_name(cls, name: str) -> Self | None:
        """Read a level as hclog's LevelFromString does; None for any other name.

        `warning`, `off` and `all` are other names: a Go host shows such lines as text.
        """
        label = trim(name).lower()
        return next((level for level in cls if level.label == label), None)

    @classmethod
    def nearest(cls, number: float) -> Self:
        """Choose the level for a number of the `logging` module; ties go down."""
        return min(cls, key=lambda level: (abs(level - number), level))


@dataclass(frozen=True, slots=True)
class Record:
    """One log record of a plugin.

    `pairs` holds the key-values, of any type, in the order in which they came. A
    parsed record's values are JSON's. A naive `timestamp` is taken for UTC.
    """

    level: Level
    message: str
    module: str = ""
    timestamp: datetime | None = None
    pairs: Mapping[str, object] = field(default_factory=dict, hash=False)
    caller: str = ""

    def format(self) -> str:
        """Write the record as one line, without its line ending.

        The line is UTF-8 encodable JSON of at most `MAX_LINE` bytes that `parse_line`
        and a Go host's parseJSON read as a record of this level. Without a timestamp
        the line has none, and a Go host shows the year 1. Values that JSON does not
        know become text. Must not raise, whatever the values do.

        Two deliberate differences from hclog's logJSON: a pair named like a built-in
        key is renamed instead of overwriting it, and a record that is too long is
        shortened, visibly, instead of being cut into pieces by its reader.
        """
        return format_line(self._built_in_members(), self.pairs)

    def _built_in_members(self) -> dict[str, object]:
        members: dict[str, object] = {
            LEVEL: self.level.label,
            MESSAGE: self.message,
        }
        if self.timestamp is not None:
            members[TIMESTAMP] = _format_timestamp(self.timestamp)
        if self.module:
            members[MODULE] = self.module
        if self.caller:
            members[CALLER] = self.caller
        return members


def parse_line(line: str | bytes) -> Record | None:
    """Read one line, without its line ending, as a structured record.

    Returns None for every line that a Go host shows as text: not one JSON object, no
    level that hclog knows, a timestamp in another format; and for the built-in keys
    with values that are not text, which crash a Go host (go-plugin: parseJSON). A
    value nested deeper than `MAX_DEPTH` becomes its JSON text; nesting that Python
    can't read at all makes the line text. Must not raise.
    """
    try:
        return read_json(line)
    except (ValueError, RecursionError):
        return None


def read_json(line: str | bytes) -> Record | None:
    """Read a line as go-plugin's parseJSON does, and its level as logStderr does.

    Returns None for an object without a known level. Raises ValueError where
    parseJSON returns an error and where it panics.
    """
    pairs = _load_object(_json_text(line))
    message = _pop_text(pairs, MESSAGE)
    level = Level.from_name(_pop_text(pairs, LEVEL))
    timestamp = _pop_timestamp(pairs)
    if level is None:
        return None
    module = _pop_if_text(pairs, MODULE)
    caller = _pop_if_text(pairs, CALLER)
    return Record(level, message, module, timestamp, pairs, caller)


def _json_text(line: str | bytes) -> str:
    """Decode as encoding/json does: U+FFFD for each byte that is not UTF-8."""
    if isinstance(line, bytes):
        line = line.decode("utf-8", "surrogateescape")
    return _whole(line)


def _refuse(text: str) -> object:
    raise ValueError(f"not JSON: {text}")


def _finite(text: str) -> float:
    """Go's float64 takes no number beyond its range."""
    number = float(text)
    if math.isinf(number):
        raise ValueError("number out of range")
    return number


def _integer(text: str) -> int:
    """Keep all digits, where Go rounds to float64; refuse what float64 refuses."""
    _finite(text)
    return int(text)


_DECODER = json.JSONDecoder(
    parse_constant=_refuse, parse_float=_finite, parse_int=_integer
)


def _load_object(text: str) -> dict[str, object]:
    if not text.lstrip(" \t\r\n").startswith(("{", "null")):
        raise ValueError("not a JSON object")  # most lines of text end here
    members: dict[str, object] = _DECODER.decode(text) or {}  # Go takes null, too
    if text.count("[") + text.count("{") > MAX_DEPTH:
        members = {key: _shallow(key, value) for key, value in members.items()}
    if _ESCAPED_SURROGATE.search(text):
        return {_whole(k): _without_surrogates(v) for k, v in members.items()}
    return members


def _shallow(key: str, value: object) -> object:
    """Make text of a deep value, except where text would mean something else."""
    if not _is_deep(value):
        return value
    if key in BUILT_IN:
        raise ValueError(f"{key} is not text")
    return encode(value)


def _is_deep(value: object) -> bool:
    """Tell what a recursive consumer (repr, a formatter) could stumble over."""
    layer = [value]
    for _ in range(MAX_DEPTH):
        layer = [child for node in layer for child in _children(node)]
        if not layer:
            return False
    return True


def _children(node: object) -> list[object]:
    if isinstance(node, dict):
        node = list(node.values())
    items = node if isinstance(node, list) else []
    return [item for item in items if isinstance(item, dict | list)]


def _without_surrogates(value: object) -> object:
    if isinstance(value, str):
        return _whole(value)
    if isinstance(value, list):
        return [_without_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {_whole(k): _without_surrogates(v) for k, v in value.items()}
    return value


def _whole(text: str) -> str:
    """Replace half characters by U+FFFD, as encoding/json does."""
    return _SURROGATE.sub("\ufffd", text)


def _pop_text(pairs: dict[str, object], key: str) -> str:
    value = pairs.pop(key, "")
    if not isinstance(value, str):
        raise ValueError(f"{key} is not text")  # parseJSON: v.(string) panics
    return value


def _pop_if_text(pairs: dict[str, object], key: str) -> str:
    """Take a key that Go treats as any other pair; other types stay a pair."""
    return _pop_text(pairs, key) if isinstance(pairs.get(key), str) else ""


def _pop_timestamp(pairs: dict[str, object]) -> datetime | None:
    if TIMESTAMP not in pairs:
        return None
    stamp = _STAMP.fullmatch(_pop_text(pairs, TIMESTAMP))
    if stamp is None:
        raise ValueError("not hclog's time format")
    *numbers, sign, hours, minutes = stamp.groups()
    year, month, day, hour, minute, second, micro = map(int, numbers)
    shown = datetime(year, month, day, hour, minute, second, micro, UTC)
    offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    return _in_zone(shown, -offset if sign == "-" else offset)


def _in_zone(shown: datetime, offset: timedelta) -> datetime:
    """Apply the offset, of which Go takes more than a day, Python less than one."""
    if abs(offset) < timedelta(days=1):
        return shown.replace(tzinfo=timezone(offset))
    try:
        return shown - offset
    except OverflowError as error:
        raise ValueError("outside the calendar") from error


def _format_timestamp(moment: datetime) -> str:
    text = _in_whole_minutes(moment).isoformat(timespec="microseconds")
    return text.removesuffix("+00:00") + "Z" if text.endswith("+00:00") else text


def _in_whole_minutes(moment: datetime) -> datetime:
    """Give the moment an offset that the format can state; in doubt, UTC."""
    naive = moment.replace(tzinfo=None)
    try:
        offset = moment.utcoffset() or timedelta()
        if not offset % timedelta(minutes=1):
            return naive.replace(tzinfo=timezone(offset))
        return (naive - offset).replace(tzinfo=UTC)
    except Exception:  # a zone of the user's making, or the end of the calendar
        return naive.replace(tzinfo=UTC)
