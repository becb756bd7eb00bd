"""hclog's JSON log lines: one record, its line, and the sorting of stderr lines.

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
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from enum import IntEnum
from itertools import islice
from typing import Any, Self, TypeVar

__all__ = [
    "LINE_BUFFER_SIZE",
    "MAX_DEPTH",
    "MAX_LINE",
    "MAX_TRACEBACK_LINES",
    "Level",
    "LineClassifier",
    "Record",
    "parse_line",
]

LINE_BUFFER_SIZE = 64 * 1024  # go-plugin: defaultPluginLogBufferSize
# A line that does not fit that buffer with its line ending is cut into pieces of
# text. The margin is for whatever a wrapper puts before the line.
MAX_LINE = LINE_BUFFER_SIZE - 1024
MAX_DEPTH = 64  # of values; Go reads 10,000, Python's own limit depends on the version
MAX_TRACEBACK_LINES = 1000

# What a line keeps when it has to be shortened: enough room for each field to stay
# recognisable (MAX_LINE / 128 = 504 bytes).
_MAX_SHORTENED_FIELDS = 128
_MAX_SHORTENED_KEY = 128

_CUT = "...[truncated]"
_TOO_DEEP = "...[nested too deep]"
_CYCLE = "...[cycle]"

# hclog: jsonMapEntry
_LEVEL, _MESSAGE, _TIMESTAMP = "@level", "@message", "@timestamp"
_MODULE, _CALLER = "@module", "@caller"
_BUILT_IN = frozenset({_LEVEL, _MESSAGE, _TIMESTAMP, _MODULE, _CALLER})
_WARN = "@warn"  # hclog: logJSON, where it had to leave something out

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
        label = name.strip().lower()
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
        members = self._built_in_members()
        for key, value in self.pairs.items():
            members[_free_key(_plain_text(key), members)] = _Plain().convert(value)
        line = _encode(members)
        return line if len(line.encode()) <= MAX_LINE else _encode(_shorten(members))

    def _built_in_members(self) -> dict[str, object]:
        members: dict[str, object] = {
            _LEVEL: self.level.label,
            _MESSAGE: _plain_text(self.message),
        }
        if self.timestamp is not None:
            members[_TIMESTAMP] = _format_timestamp(self.timestamp)
        if self.module:
            members[_MODULE] = _plain_text(self.module)
        if self.caller:
            members[_CALLER] = _plain_text(self.caller)
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
        return _parse_json(line)
    except (ValueError, RecursionError):
        return None


class LineClassifier:
    """Turns the lines of one plugin's stderr into records, in order.

    It follows go-plugin's logStderr: structured records, level tags at column 0, and
    Error for all untagged text after a Go panic. Beyond Go, which shows them at
    Debug, the text of a Python traceback and of a fatal interpreter error is Error.
    """

    __slots__ = ("_continued", "_panicked", "_traceback")

    def __init__(self) -> None:
        self._continued = False
        self._panicked = False
        self._traceback = _Traceback()

    def classify(self, line: bytes, partial: bool = False) -> Record:
        """Return the record to log for one line, without its line ending.

        `partial` says that the line goes on in the next call. The pieces of such a
        line, the last one included, are text at Debug. Must not raise.
        """
        continued, self._continued = self._continued, partial
        text = line.decode("utf-8", "backslashreplace")
        if partial or continued:
            return Record(Level.DEBUG, text)
        try:
            record = _parse_json(line)
        except (ValueError, RecursionError):
            return Record(self._text_level(text), text)
        # JSON of something that is not hclog. Go: Debug, even after a panic.
        return record or Record(Level.DEBUG, text)

    def _text_level(self, text: str) -> Level:
        for tag, level in _TAGS:
            if text.startswith(tag):
                return level
        if text.startswith(_PANICS):
            self._panicked = True
        if self._traceback.takes(text) or self._panicked:
            return Level.ERROR
        return Level.DEBUG


_TAGS = tuple((f"[{level.name}]", level) for level in Level)

# The process ends with these, so everything after them belongs to them. The third is
# CPython's own; the others are Go's.
_PANICS = ("panic: ", "fatal error: ", "Fatal Python error: ")

_TRACEBACK_HEADER = re.compile(
    r"( +\+ Exception Group |)Traceback \(most recent call last\):"
)
_TRACEBACK_COMPANIONS = (
    "During handling of the above exception, another exception occurred:",
    "The above exception was the direct cause of the following exception:",
    "Exception ignored ",
    "Exception in thread ",
)


class _Traceback:
    """Recognises the lines of Python tracebacks.

    A traceback is its header, the indented lines, and one line at column 0 with the
    exception; the one of an exception group has no such line. Further lines of the
    exception's own text can't be told from other output and are not taken. A
    traceback that does not end after `MAX_TRACEBACK_LINES` is given up.
    """

    __slots__ = ("_grouped", "_left")

    def __init__(self) -> None:
        self._left = 0
        self._grouped = False

    def takes(self, text: str) -> bool:
        if header := _TRACEBACK_HEADER.fullmatch(text):
            self._left = MAX_TRACEBACK_LINES
            self._grouped = bool(header[1])
            return True
        return self._continues(text) or text.startswith(_TRACEBACK_COMPANIONS)

    def _continues(self, text: str) -> bool:
        if not self._left:
            return False
        self._left -= 1
        if text.startswith((" ", "\t")):
            return True
        self._left = 0
        return bool(text) and not self._grouped


def _parse_json(line: str | bytes) -> Record | None:
    """Read a line as go-plugin's parseJSON does, and its level as logStderr does.

    Returns None for an object without a known level. Raises ValueError where
    parseJSON returns an error and where it panics.
    """
    pairs = _load_object(_json_text(line))
    message = _pop_text(pairs, _MESSAGE)
    level = Level.from_name(_pop_text(pairs, _LEVEL))
    timestamp = _pop_timestamp(pairs)
    if level is None:
        return None
    module = _pop_if_text(pairs, _MODULE)
    caller = _pop_if_text(pairs, _CALLER)
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
    if key in _BUILT_IN:
        raise ValueError(f"{key} is not text")
    return _encode(value)


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
    if _TIMESTAMP not in pairs:
        return None
    stamp = _STAMP.fullmatch(_pop_text(pairs, _TIMESTAMP))
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


def _plain_text(key: object) -> str:
    """Turn a key, or the text of a built-in, into text that any encoder takes."""
    value = _Plain().convert(key)
    return value if isinstance(value, str) else _encode(value)


def _free_key(key: str, taken: Mapping[str, object]) -> str:
    while key in _BUILT_IN or key in taken:
        key = "_" + key
    return key


_V = TypeVar("_V")


class _Plain:
    """Turns one value into what JSON knows, spending at most one line's room on it.

    Every node costs its text plus one, so that no structure, however often it refers
    to its own parts, costs more than the longest line could show.
    """

    __slots__ = ("_left", "_path")

    def __init__(self) -> None:
        self._left = MAX_LINE
        self._path: set[int] = set()

    def convert(self, value: object) -> object:
        """Convert a value. Must not raise, whatever the value's methods do."""
        self._left -= 1
        try:
            return self._convert(value)
        except Exception:
            return f"<unprintable {type(value).__name__}>"

    def _convert(self, value: object) -> object:
        match value:
            case None | True | False:
                return value
            case str():
                return self._text(str.__str__(value))
            case int():
                return self._number(int.__int__(value))
            case float():
                return _number_or_name(float.__float__(value))
        return self._container(value)

    def _container(self, value: object) -> object:
        match value:
            case Mapping():
                return self._nested(value, self._object)
            case list() | tuple():
                return self._nested(value, self._array)
            case set() | frozenset():
                return self._nested(value, self._sorted_array)
        if is_dataclass(value) and not isinstance(value, type):
            return self._nested(value, self._attributes)
        return self._text(_text_of(value))

    def _nested(self, value: _V, build: Callable[[_V], object]) -> object:
        if id(value) in self._path:
            return _CYCLE
        if len(self._path) == MAX_DEPTH:
            return _TOO_DEEP
        self._path.add(id(value))
        try:
            return build(value)
        finally:
            self._path.discard(id(value))

    def _object(self, value: Mapping[Any, object]) -> dict[str, object]:
        members: dict[str, object] = {}
        for key in value:
            if self._left <= 0:
                members[_CUT] = True
                break
            text = self.convert(key)
            name = text if isinstance(text, str) else _encode(text)
            members[name] = self.convert(value[key])
        return members

    def _attributes(self, value: object) -> dict[str, object]:
        names = (f.name for f in fields(value))  # type: ignore[arg-type]
        return self._object({name: getattr(value, name) for name in names})

    def _array(self, value: Iterable[object]) -> list[object]:
        items: list[object] = []
        for item in value:
            if self._left <= 0:
                items.append(_CUT)
                break
            items.append(self.convert(item))
        return items

    def _sorted_array(self, value: Iterable[object]) -> list[object]:
        # Sets have no order of their own; equal records should give equal lines.
        return sorted(self._array(value), key=_encode)

    def _text(self, text: str) -> str:
        room = max(self._left, 0)
        self._left -= len(text)
        if len(text) > room:
            text = text[:room] + _CUT
        if text.isascii():
            return text
        return text.encode("utf-8", "backslashreplace").decode()

    def _number(self, number: int) -> int | str:
        # Text beyond what Go writes as an integer: a Go host shows the whole line as
        # text when a number is out of float64's range. At last hex, for Python's
        # decimals have a limit.
        if abs(number) < _INTEGERS_END:
            return number
        return self._text(str(number) if abs(number) < _DECIMALS_END else hex(number))


_INTEGERS_END = 10**21  # encoding/json: from there on it writes an exponent
_DECIMALS_END = 1 << 1024


def _text_of(value: object) -> str:
    """Return the text of anything that has no JSON type."""
    match value:
        case bytes() | bytearray() | memoryview():
            return bytes(value[: MAX_LINE + 1]).decode("utf-8", "backslashreplace")
        case BaseException():
            return str(value) or type(value).__name__
        case date() | time():
            return value.isoformat()
    return str(value)


def _number_or_name(number: float) -> float | str:
    """JSON has no word for these three; Go's own names."""
    if math.isfinite(number):
        return number
    return "NaN" if math.isnan(number) else "+Inf" if number > 0 else "-Inf"


_ENCODER = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":")
)
# Legal inside JSON text, but line ends to some readers; Go escapes the first two.
_LINE_ENDS = str.maketrans(
    {"\u2028": "\\u2028", "\u2029": "\\u2029", "\x85": "\\u0085"}
)


def _encode(value: object) -> str:
    text = _ENCODER.encode(value)
    return text if text.isascii() else text.translate(_LINE_ENDS)


def _size(value: object) -> int:
    return len(_encode(value).encode())


def _shorten(members: dict[str, object]) -> dict[str, object]:
    """Shorten what is long, leave what is short, until the line fits.

    The members share the room from the shortest to the longest, so that each one
    leaves to the longer ones what it does not need.
    """
    kept = _first_members(members)
    room = MAX_LINE - 2
    for taken, key in enumerate(sorted(kept, key=lambda key: _size(kept[key]))):
        share = room // (len(kept) - taken)
        overhead = _size(key) + 2
        kept[key] = _clip(kept[key], share - overhead)
        room -= overhead + _size(kept[key])
    return kept


def _first_members(members: dict[str, object]) -> dict[str, object]:
    kept: dict[str, object] = {}
    for key, value in islice(members.items(), _MAX_SHORTENED_FIELDS - 1):
        short = _clip_text(key, _MAX_SHORTENED_KEY)
        kept[key if key in _BUILT_IN else _free_key(short, kept)] = value
    if dropped := len(members) - len(kept):
        kept[_free_key(_WARN, kept)] = f"line too long: {dropped} pairs dropped"
    return kept


def _clip(value: object, limit: int) -> object:
    """Leave a value of so many bytes of JSON alone; make others clipped text."""
    if _size(value) <= limit:
        return value
    return _clip_text(value if isinstance(value, str) else _encode(value), limit)


def _clip_text(text: str, limit: int) -> str:
    if _size(text) <= limit:
        return text
    keep = limit
    while _size(clipped := text[:keep] + _CUT) > limit:
        keep = keep * 3 // 4
    return clipped
