"""Unknown values as msgpack extensions (go-cty: `cty/msgpack/unknown.go`)."""

import math
import unicodedata
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import msgpack

from goplugin_py.terraform.cty.errors import CtyError
from goplugin_py.terraform.cty.number import (
    Number,
    format_number,
    is_short_fraction,
    normal,
    parse_number,
)
from goplugin_py.terraform.cty.types import (
    DYNAMIC,
    NUMBER,
    STRING,
    List,
    Map,
    Set,
    Type,
)
from goplugin_py.terraform.cty.values import UNKNOWN, Bound, Unknown

__all__ = ["decode_unknown", "encode_unknown", "wire_number"]

# The extension that carries refinements; one of any code without a payload, or with
# one byte, is an unknown value without.
REFINED = 12
MAX_REFINEMENTS = 1024  # bytes; go-cty refuses more
MAX_PREFIX = 256  # bytes; go-cty sends no more, to stay below the above

_PLAIN = msgpack.ExtType(0, b"\0")
_INT64 = range(-(2**63), 2**63)

_NULLNESS, _PREFIX, _LOWER, _UPPER, _MIN_LENGTH, _MAX_LENGTH = range(1, 7)


def wire_number(number: Number) -> int | float | str:
    """Return what msgpack carries for a number: text if nothing else is exact.

    Raises:
        CtyError: It is no number, or has too many digits.
    """
    if isinstance(number, Decimal) and is_short_fraction(text := str(number)):
        # Halves of halves end in 5, and floats are made of no others.
        return text if text[-1] != "5" else _exact(number, text)
    if isinstance(number, bool):
        raise CtyError("number required, and this is a bool")
    return _exact(normal(number))


def _exact(number: Number, text: str = "") -> int | float | str:
    if isinstance(number, int):
        return number if number in _INT64 else format_number(number)
    nearest = float(number)
    is_exact = nearest == number and not nearest.is_integer()
    is_infinite = isinstance(number, float) and math.isinf(number)
    return nearest if is_exact or is_infinite else text or format_number(number)


# Writing


def encode_unknown(value: Unknown, kind: Type) -> msgpack.ExtType:
    """Return the extension for an unknown value of a type."""
    if value is UNKNOWN:
        return _PLAIN
    refinements = dict(_refinements(value, kind))
    if not refinements:
        return _PLAIN
    return msgpack.ExtType(REFINED, msgpack.packb(refinements))


def _refinements(value: Unknown, kind: Type) -> Iterator[tuple[int, Any]]:
    if kind == DYNAMIC:
        return
    if value.is_not_null:
        yield _NULLNESS, False
    if kind == STRING and value.prefix:
        yield _PREFIX, _short_prefix(value.prefix)
    elif kind == NUMBER:
        if value.lower is not None:
            yield _LOWER, _wire_bound(value.lower)
        if value.upper is not None:
            yield _UPPER, _wire_bound(value.upper)
    elif isinstance(kind, List | Set | Map):
        if value.min_length:
            yield _MIN_LENGTH, value.min_length
        if value.max_length is not None:
            yield _MAX_LENGTH, value.max_length


def _wire_bound(bound: Bound) -> list[Any]:
    return [wire_number(bound.number), bound.is_inclusive]


def _short_prefix(prefix: str) -> str:
    """Cut a long prefix where what follows can't change its last character."""
    prefix = unicodedata.normalize("NFC", prefix)
    data = prefix.encode()
    if len(data) <= MAX_PREFIX:
        return prefix
    cut = data[: MAX_PREFIX - 1].decode(errors="ignore")
    while cut and unicodedata.combining(cut[-1]):
        cut = cut[:-1]
    return cut[:-1]


# Reading


def decode_unknown(extension: msgpack.ExtType, kind: Type) -> Unknown | None:
    """Return the unknown value in an extension; None if it is refined to be null.

    Raises:
        CtyError: The extension is none of an unknown value, or one of another type's.
    """
    if len(extension.data) <= 1:
        return UNKNOWN
    if extension.code != REFINED:
        raise CtyError(f"there is no extension {extension.code} with a payload")
    if len(extension.data) > MAX_REFINEMENTS:
        raise CtyError(f"refinements have {MAX_REFINEMENTS} bytes, no more")
    refinements = _unpack(extension.data)
    if kind == DYNAMIC:
        return UNKNOWN
    fields: dict[str, Any] = {}
    for key, value in refinements.items():
        # Others may come to be: they are safe to ignore.
        if isinstance(key, int) and key in _FIELDS:
            name, read = _FIELDS[key]
            fields[name] = read(value, kind)
    if not fields.get("is_not_null", True):
        return None
    return _consistent(Unknown(**fields))


def _unpack(data: bytes) -> dict[Any, Any]:
    unpacker = msgpack.Unpacker(strict_map_key=False, max_buffer_size=len(data))
    unpacker.feed(data)
    try:
        refinements = unpacker.unpack()  # what follows it is ignored, as in go-cty
    except (ValueError, TypeError, msgpack.UnpackException) as exc:
        raise CtyError(f"the refinements are no msgpack: {exc}") from exc
    if not isinstance(refinements, dict):
        raise CtyError("the refinements are no map")
    return refinements


def _nullness(value: object, _: Type) -> bool:
    if not isinstance(value, bool):
        raise CtyError("the refinement of nullness is no bool")
    return not value


def _prefix(value: object, kind: Type) -> str:
    if kind != STRING or not isinstance(value, str):
        raise CtyError(f"there is no prefix {value!r} of a {kind}")
    return value


def _bound(value: object, kind: Type) -> Bound:
    match value:
        case [bool(), _]:
            pass
        case [int() | float() as number, bool(inclusive)] if kind == NUMBER:
            return Bound(normal(number), inclusive)
        case [str(text), bool(inclusive)] if kind == NUMBER:
            return Bound(parse_number(text), inclusive)
    raise CtyError(f"there is no bound {value!r} of a {kind}")


def _length(value: object, kind: Type) -> int:
    is_length = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    if not is_length or not isinstance(kind, List | Set | Map):
        raise CtyError(f"there is no length {value!r} of a {kind}")
    assert isinstance(value, int)
    return value


_FIELDS: dict[int, tuple[str, Callable[[object, Type], object]]] = {
    _NULLNESS: ("is_not_null", _nullness),
    _PREFIX: ("prefix", _prefix),
    _LOWER: ("lower", _bound),
    _UPPER: ("upper", _bound),
    _MIN_LENGTH: ("min_length", _length),
    _MAX_LENGTH: ("max_length", _length),
}


def _consistent(value: Unknown) -> Unknown:
    low, high = value.lower, value.upper
    has_range = low is None or high is None or low.number <= high.number
    has_length = value.max_length is None or value.min_length <= value.max_length
    if not has_range or not has_length:
        raise CtyError("the refinements contradict each other")
    return value
