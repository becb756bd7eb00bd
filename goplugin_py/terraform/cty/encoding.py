"""From values to msgpack, by type (go-cty: `msgpack.Marshal`).

The bytes are the ones that go-cty writes, except for the order of sets of anything
but strings, numbers and bools, which has no meaning. An encoder is compiled once per
type, and changes nothing in the value.
"""

from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache, partial
from itertools import chain, repeat
from operator import is_, itemgetter, lt
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
    transposed,
)
from goplugin_py.terraform.cty.errors import CtyError
from goplugin_py.terraform.cty.number import are_normal_numbers, is_fraction
from goplugin_py.terraform.cty.paths import GetAttr, Index
from goplugin_py.terraform.cty.refinements import encode_unknown, wire_number
from goplugin_py.terraform.cty.text import are_normal, are_texts, normal_text
from goplugin_py.terraform.cty.type_json import type_to_json
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
from goplugin_py.terraform.cty.values import SetValue, Typed, Unknown, Value

__all__ = ["encode"]


def encode(value: Value, kind: Type) -> bytes:
    """Return msgpack of a value of a type.

    Raises:
        CtyError: It is not of the type; the error says where.
    """
    try:
        wire = encoder(kind)([value], MAX_DEPTH)[0]
    except Misfit as exc:
        raise exc.error from None
    packed = msgpack.packb(wire)
    assert isinstance(packed, bytes)
    return packed


_SEQUENCES = (list, tuple, SetValue)


@lru_cache(maxsize=4096)
def encoder(kind: Type) -> Codec:
    """Compile the encoder of a type."""
    match kind:
        case Primitive(name):
            return _PRIMITIVES[name]
        case List(element):
            return _list(kind, encoder(element))
        case Set(element):
            return _set(kind, encoder(element))
        case Map(element):
            return _map(kind, encoder(element))
        case Tuple(elements):
            return _tuple(kind, [encoder(element) for element in elements])
        case Object(attributes):
            return _object(kind, {n: encoder(each) for n, each in attributes.items()})
    raise AssertionError(kind)


def _null_or_unknown(kind: Type, value: Value) -> Any:
    if value is None:
        return None
    if isinstance(value, Unknown):
        return encode_unknown(value, kind)
    raise CtyError(f"{kind} required, and this is {described(value)}")


_NAMES = ((bool, "a bool"), (int | float | Decimal, "a number"), (str, "a string"))


def described(value: object) -> str:
    """Return what to call a value of Python in a message."""
    for kind, name in _NAMES:
        if isinstance(value, kind):
            return name
    return f"a Python {type(value).__name__}"


# Without parts


def _bools(column: list[Any], _: int) -> list[Any]:
    if set(map(type, column)) <= {bool, NoneType}:
        return column
    return each(_bool, column)


def _bool(value: Value) -> Any:
    return value if isinstance(value, bool) else _null_or_unknown(BOOL, value)


def _strings(column: list[Any], _: int) -> list[Any]:
    return column if are_texts(column) else each(_string, column)


def _string(value: Value) -> Any:
    if not isinstance(value, str):
        return _null_or_unknown(STRING, value)
    return normal_text(value)


def _numbers(column: list[Any], _: int) -> list[Any]:
    return column if are_normal_numbers(column) else each(_number, column)


def _number(value: Value) -> Any:
    if type(value) is float and is_fraction(value):
        return value
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        return wire_number(value)
    return _null_or_unknown(NUMBER, value)


# With parts


def _list(kind: Type, element: Codec) -> Codec:
    def encode(column: list[Any], budget: int) -> list[Any]:
        return through(column, _SEQUENCES, special, lambda known: lists(known, budget))

    def lists(column: list[Any], budget: int) -> list[Any]:
        return flattened(element, column, budget) or column

    special = partial(_null_or_unknown, kind)
    return encode


def _set(kind: Type, element: Codec) -> Codec:
    lists = _list(kind, element)

    def encode(column: list[Any], budget: int) -> list[Any]:
        if not set(map(type, column)) <= {SetValue, NoneType}:
            column = list(map(_canonical, column))
        return lists(column, budget)

    return encode


def _canonical(value: Value) -> Value:
    is_collection = isinstance(value, list | tuple | set | frozenset)
    if is_collection and not isinstance(value, SetValue):
        return SetValue(value)
    return value


def _map(kind: Type, element: Codec) -> Codec:
    def encode(column: list[Any], budget: int) -> list[Any]:
        return through(column, (dict,), special, lambda known: maps(known, budget))

    def maps(column: list[Any], budget: int) -> list[Any]:
        # Maps beside each other mostly have the same keys, so these are looked at once.
        if not all(map(_is_plain, set(map(tuple, column)))):
            column = each(_with_plain_keys, column)
        values = flattened(
            element,
            column,
            budget,
            lambda outer, inner: Index(list(column[outer])[inner]),
            parts=dict.values,
        )
        if values is None:
            return column
        return [
            dict(zip(*pair, strict=True)) for pair in zip(column, values, strict=True)
        ]

    special = partial(_null_or_unknown, kind)
    return encode


def _is_plain(keys: tuple[Any, ...]) -> bool:
    """Tell whether the keys of a map are strings in NFC and in order."""
    if not set(map(type, keys)) <= {str}:
        return False
    return all(map(lt, keys, keys[1:])) and are_normal(keys)


def _with_plain_keys(value: dict[Any, Any]) -> dict[str, Any]:
    if not set(map(type, value)) <= {str}:
        raise CtyError("the keys of a map are strings")
    return dict(
        sorted(
            ((normal_text(key), each) for key, each in value.items()), key=itemgetter(0)
        )
    )


def _tuple(kind: Type, elements: list[Codec]) -> Codec:
    def encode(column: list[Any], budget: int) -> list[Any]:
        return through(column, _SEQUENCES, special, lambda known: tuples(known, budget))

    def tuples(column: list[Any], budget: int) -> list[Any]:
        if not set(map(len, column)) <= {len(elements)}:
            each(partial(_check_length, len(elements)), column)
        old = transposed(column, len(elements))
        new = [
            at_step(element, part, budget, Index(index))
            for index, (part, element) in enumerate(zip(old, elements, strict=True))
        ]
        if all(map(is_, old, new)):
            return column
        return list(map(list, zip(*new, strict=True)))

    special = partial(_null_or_unknown, kind)
    return encode


def _check_length(length: int, value: list[Any]) -> None:
    if len(value) != length:
        raise CtyError(f"tuple of {length} required, and this has {len(value)}")


def _object(kind: Type, attributes: dict[str, Codec]) -> Codec:
    names = tuple(attributes)

    def encode(column: list[Any], budget: int) -> list[Any]:
        return through(column, (dict,), special, lambda known: objects(known, budget))

    def objects(column: list[Any], budget: int) -> list[Any]:
        # Keys are unique, so these are the names of each one only if they are the
        # names over and over.
        is_ordered = list(chain.from_iterable(column)) == [*names] * len(column)
        if is_ordered:
            old = transposed(map(dict.values, column), len(names))
        else:
            each(partial(_check_names, attributes), column)
            old = [list(map(itemgetter(name), column)) for name in names]
        new = [
            at_step(attribute, part, budget, GetAttr(name))
            for part, (name, attribute) in zip(old, attributes.items(), strict=True)
        ]
        if is_ordered:
            return _replaced(column, names, old, new)
        rows = zip(*new, strict=True) if new else repeat((), len(column))
        return [dict(zip(names, row, strict=True)) for row in rows]

    special = partial(_null_or_unknown, kind)
    return encode


def _replaced(
    column: list[dict[str, Any]],
    names: Sequence[str],
    old: list[list[Any]],
    new: list[list[Any]],
) -> list[dict[str, Any]]:
    """Return objects with new values where these are not the old ones."""
    changed = [(n, b) for n, a, b in zip(names, old, new, strict=True) if a is not b]
    if not changed:
        return column
    objects = list(map(dict.copy, column))
    for name, part in changed:
        for one, value in zip(objects, part, strict=True):
            one[name] = value
    return objects


def _check_names(attributes: dict[str, Codec], value: dict[Any, Any]) -> None:
    for name in value:
        if name not in attributes:
            raise CtyError(f"there is no attribute {name!r}")
    for name in attributes:
        if name not in value:
            raise CtyError(f"the attribute {name!r} is missing")


# Dynamic


def _dynamics(column: list[Any], budget: int) -> list[Any]:
    return each(partial(_dynamic, budget), column)


def _dynamic(budget: int, value: Value) -> Any:
    if not isinstance(value, Typed):
        return _null_or_unknown(DYNAMIC, value)
    kind = value.type
    budget -= kind.depth
    if budget < 0:
        raise CtyError(f"a value may be nested {MAX_DEPTH} deep, no deeper")
    try:
        wire = encoder(kind)([value.value], budget)[0]
    except Misfit as exc:
        raise exc.error from None
    return wire if kind == DYNAMIC else [type_to_json(kind), wire]


_PRIMITIVES: dict[str, Codec] = {
    "bool": _bools,
    "number": _numbers,
    "string": _strings,
    "dynamic": _dynamics,
}
