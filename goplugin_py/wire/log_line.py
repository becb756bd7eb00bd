"""The members of a log record as one line of JSON that a Go host accepts.

Layer: wire. Values only. Python has values that JSON has no word for, that refer to
themselves, that raise, or that are too long for the buffer of the host; none of them
costs a record.
"""

import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, is_dataclass
from datetime import date, time
from itertools import islice
from typing import Any, TypeVar

LINE_BUFFER_SIZE = 64 * 1024  # go-plugin: defaultPluginLogBufferSize
# A line that does not fit that buffer with its line ending is cut into pieces of
# text. The margin is for whatever a wrapper puts before the line.
MAX_LINE = LINE_BUFFER_SIZE - 1024
MAX_DEPTH = 64  # of values; Go reads 10,000, Python's own limit depends on the version

# What a line keeps when it has to be shortened: enough room for each field to stay
# recognisable (MAX_LINE / 128 = 504 bytes).
_MAX_SHORTENED_FIELDS = 128
_MAX_SHORTENED_KEY = 128

_CUT = "...[truncated]"
_TOO_DEEP = "...[nested too deep]"
_CYCLE = "...[cycle]"

# hclog: jsonMapEntry
LEVEL, MESSAGE, TIMESTAMP = "@level", "@message", "@timestamp"
MODULE, CALLER = "@module", "@caller"
BUILT_IN = frozenset({LEVEL, MESSAGE, TIMESTAMP, MODULE, CALLER})
_WARN = "@warn"  # hclog: logJSON, where it had to leave something out


def format_line(built_in: Mapping[str, object], pairs: Mapping[str, object]) -> str:
    """Return the line, of at most `MAX_LINE` bytes in UTF-8. Never raises.

    Args:
        built_in: Members under hclog's own keys, as text; they come first.
        pairs: The others. One named like a member that is there gets another name.
    """
    members: dict[str, object] = {key: _text(value) for key, value in built_in.items()}
    for key, value in pairs.items():
        members[_free_key(_text(key), members)] = _Plain().convert(value)
    line = encode(members)
    return line if len(line.encode()) <= MAX_LINE else encode(_shorten(members))


def _text(key: object) -> str:
    """Turn a key, or the text of a built-in, into text that any encoder takes."""
    value = _Plain().convert(key)
    return value if isinstance(value, str) else encode(value)


def _free_key(key: str, taken: Mapping[str, object]) -> str:
    while key in BUILT_IN or key in taken:
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
            name = text if isinstance(text, str) else encode(text)
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
        return sorted(self._array(value), key=encode)

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


def encode(value: object) -> str:
    """Return JSON without line ends."""
    text = _ENCODER.encode(value)
    return text if text.isascii() else text.translate(_LINE_ENDS)


def _size(value: object) -> int:
    return len(encode(value).encode())


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
        kept[key if key in BUILT_IN else _free_key(short, kept)] = value
    if dropped := len(members) - len(kept):
        kept[_free_key(_WARN, kept)] = f"line too long: {dropped} pairs dropped"
    return kept


def _clip(value: object, limit: int) -> object:
    """Leave a value of so many bytes of JSON alone; make others clipped text."""
    if _size(value) <= limit:
        return value
    return _clip_text(value if isinstance(value, str) else encode(value), limit)


def _clip_text(text: str, limit: int) -> str:
    if _size(text) <= limit:
        return text
    keep = limit
    while _size(clipped := text[:keep] + _CUT) > limit:
        keep = keep * 3 // 4
    return clipped
