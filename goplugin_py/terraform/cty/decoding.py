"""From msgpack to values, by type (go-cty: `msgpack.Unmarshal`).

What msgpack gives is turned into values in place. A decoder is compiled once per type.
"""

from functools import lru_cache, partial
from operator import itemgetter
from types import NoneType
from typing import Any

import msgpack

from goplugin_py.terraform.cty.columns import (
    Codec,
    Misfit,
    at_step,
    each,
    flattened,
    through,
)
from goplugin_py.terraform.cty.errors import CtyError
from goplugin_py.terraform.cty.number import (
    are_normal_numbers,
    is_fraction,
    normal,
    parse_number,
)
from goplugin_py.terraform.cty.paths import GetAttr, Index
from goplugin_py.terraform.cty.refinements import decode_unknown
from goplugin_py.terraform.cty.text import are_texts, normal_text
from goplugin_py.terraform.cty.type_json import type_from_json
from goplugin_py.terraform.cty.types import (
    BOOL,
    DYNAMIC,
    MAX_DEPTH,
    NUMBER,
    STRING,
    List,
    Map,
    Object,
    Primitive,
    Set,
    Tuple,
    Type,
)
from goplugin_py.terraform.cty.values import SetValue, Typed, Value

__all__ = ["MAX_SIZE", "decode"]

# What terraform-plugin-go accepts and sends in one message.
MAX_SIZE = 256 << 20


def decode(data: bytes, kind: Type) -> Value:
    """Return the value of a type that msgpack holds.

    What follows the value is ignored, as in go-cty.

    Raises:
        CtyError: It holds none; the error says where it does not fit.
    """
    try:
        return decoder(kind)([_unpack(data)], MAX_DEPTH)[0]
    except Misfit as exc:
        raise exc.error from None


def _unpack(data: bytes) -> Any:
    if len(data) > MAX_SIZE:
        raise CtyError(f"a value has {MAX_SIZE} bytes, no more")
    try:
        # A string that is no UTF-8 is refused later, where its place is known.
        return msgpack.unpackb(data, unicode_errors="surrogateescape")
    except msgpack.ExtraData as exc:
        return exc.unpacked
    # ValueError is also the base of the library's own.
    except (ValueError, TypeError, RecursionError) as exc:
        raise CtyError(f"not msgpack: {str(exc) or type(exc).__name__}") from exc


@lru_cache(maxsize=4096)
def decoder(kind: Type) -> Codec:
    """Compile the decoder of a type."""
    match kind:
        case Primitive(name):
            return _PRIMITIVES[name]
        case List(element):
            return _list(kind, decoder(element))
        case Set(element):
            return _set(kind, decoder(element))
        case Map(element):
            return _map(kind, decoder(element))
        case Tuple(elements):
            return _tuple(kind, [decoder(element) for element in elements])
        case Object(attributes):
            return _object(kind, {n: decoder(each) for n, each in attributes.items()})
    raise AssertionError(kind)


def _null_or_unknown(kind: Type, raw: Any) -> Value:
    if raw is None:
        return None
    if isinstance(raw, msgpack.ExtType):
        return decode_unknown(raw, kind)
    raise CtyError(f"{kind} required, and this is {_described(raw)}")


_NAMES = {
    bool: "a bool",
    int: "a number",
    float: "a number",
    str: "a string",
    bytes: "bytes",
    list: "an array",
    dict: "a map",
}


def _described(raw: Any) -> str:
    return _NAMES.get(type(raw), "a time")


# Without parts


def _bools(column: list[Any], _: int) -> list[Any]:
    if set(map(type, column)) <= {bool, NoneType}:
        return column
    return each(_bool, column)


def _bool(raw: Any) -> Value:
    return raw if isinstance(raw, bool) else _null_or_unknown(BOOL, raw)


def strings(column: list[Any], _: int) -> list[Any]:
    """Decode strings."""
    return column if are_texts(column) else each(_string, column)


def _string(raw: Any) -> Value:
    if isinstance(raw, bytes):
        raw = raw.decode(errors="surrogateescape")
    if not isinstance(raw, str):
        return _null_or_unknown(STRING, raw)
    return normal_text(raw)


def _numbers(column: list[Any], _: int) -> list[Any]:
    return column if are_normal_numbers(column) else each(_number, column)


def _number(raw: Any) -> Value:
    if type(raw) is float and is_fraction(raw):
        return raw
    if isinstance(raw, bool):
        raise CtyError("number required, and this is a bool")
    if isinstance(raw, int | float):
        return normal(raw)
    if isinstance(raw, bytes):
        raw = raw.decode(errors="replace")
    return parse_number(raw) if isinstance(raw, str) else _null_or_unknown(NUMBER, raw)


# With parts


def _list(kind: Type, element: Codec) -> Codec:
    def decode(column: list[Any], budget: int) -> list[Any]:
        return through(column, (list,), special, lambda known: lists(known, budget))

    def lists(column: list[Any], budget: int) -> list[Any]:
        return flattened(element, column, budget) or column

    special = partial(_null_or_unknown, kind)
    return decode


def _set(kind: Type, element: Codec) -> Codec:
    lists = _list(kind, element)

    def decode(column: list[Any], budget: int) -> list[Any]:
        decoded = lists(column, budget)
        return [SetValue(each) if type(each) is list else each for each in decoded]

    return decode


def _map(kind: Type, element: Codec) -> Codec:
    def decode(column: list[Any], budget: int) -> list[Any]:
        return through(column, (dict,), special, lambda known: maps(known, budget))

    def maps(column: list[Any], budget: int) -> list[Any]:
        keys = flattened(strings, column, budget)
        values = flattened(
            element,
            column,
            budget,
            lambda outer, inner: Index(_text(list(column[outer])[inner])),
            parts=dict.values,
        )
        if keys is None and values is None:
            return column
        keys = keys or [list(one) for one in column]
        values = values or [list(one.values()) for one in column]
        return [
            dict(zip(*pair, strict=True)) for pair in zip(keys, values, strict=True)
        ]

    special = partial(_null_or_unknown, kind)
    return decode


def _text(key: str | bytes) -> str:
    return key if isinstance(key, str) else key.decode(errors="replace")


def _tuple(kind: Type, elements: list[Codec]) -> Codec:
    def decode(column: list[Any], budget: int) -> list[Any]:
        return through(column, (list,), special, lambda known: tuples(known, budget))

    def tuples(column: list[Any], budget: int) -> list[Any]:
        if not set(map(len, column)) <= {len(elements)}:
            each(partial(_check_length, len(elements)), column)
        for index, element in enumerate(elements):
            part = [one[index] for one in column]
            decoded = at_step(element, part, budget, Index(index))
            if decoded is not part:
                _store(column, index, decoded)
        return column

    special = partial(_null_or_unknown, kind)
    return decode


def _check_length(length: int, raw: list[Any]) -> None:
    if len(raw) != length:
        raise CtyError(f"tuple of {length} required, and this has {len(raw)}")


def _object(kind: Type, attributes: dict[str, Codec]) -> Codec:
    def decode(column: list[Any], budget: int) -> list[Any]:
        return through(column, (dict,), special, lambda known: objects(known, budget))

    def objects(column: list[Any], budget: int) -> list[Any]:
        if not set(map(len, column)) <= lengths:
            each(partial(_check_names, attributes), column)
        for name, attribute in attributes.items():
            try:
                part = list(map(itemgetter(name), column))
            except KeyError:
                each(partial(_check_names, attributes), column)
                raise
            decoded = at_step(attribute, part, budget, GetAttr(name))
            if decoded is not part:
                _store(column, name, decoded)
        return column

    lengths = {len(attributes)}
    special = partial(_null_or_unknown, kind)
    return decode


def _check_names(attributes: dict[str, Codec], raw: dict[Any, Any]) -> None:
    """Refuse an object with other attributes, also where go-cty lets `{}` pass."""
    for name in raw:
        if name not in attributes:
            raise CtyError(f"there is no attribute {name!r}")
    for name in attributes:
        if name not in raw:
            raise CtyError(f"the attribute {name!r} is missing")


def _store(column: list[Any], key: Any, values: list[Any]) -> None:
    for one, value in zip(column, values, strict=True):
        one[key] = value


# Dynamic


def _dynamics(column: list[Any], budget: int) -> list[Any]:
    return each(partial(_dynamic, budget), column)


def _dynamic(budget: int, raw: Any) -> Value:
    if not isinstance(raw, list):
        return _null_or_unknown(DYNAMIC, raw)
    if len(raw) != 2 or not isinstance(raw[0], bytes | str):
        raise CtyError("a dynamic value has a type and a value")
    kind, codec = _codec_of(raw[0])
    budget -= kind.depth
    if budget < 0:
        raise CtyError(f"a value may be nested {MAX_DEPTH} deep, no deeper")
    try:
        value = codec([raw[1]], budget)[0]
    except Misfit as exc:
        raise exc.error from None
    return value if kind == DYNAMIC else Typed(kind, value)


@lru_cache(maxsize=1024)
def _codec_of(description: bytes | str) -> tuple[Type, Codec]:
    if isinstance(description, str):
        description = description.encode(errors="replace")
    kind = type_from_json(description).without_optional()
    return kind, decoder(kind)


_PRIMITIVES: dict[str, Codec] = {
    "bool": _bools,
    "number": _numbers,
    "string": strings,
    "dynamic": _dynamics,
}
