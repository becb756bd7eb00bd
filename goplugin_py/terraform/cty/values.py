"""Values, as plain Python wherever Python has the like.

| type | value |
|---|---|
| bool, string | `bool`, `str` |
| number | `int`, `float` or `Decimal`; see `number` |
| list, tuple | `list` |
| set | `SetValue` |
| map, object | `dict` |
| dynamic | `Typed`; for null and unknown of no type, as everywhere |
| null of any type | `None` |
| unknown of any type | `Unknown` |

A value alone does not tell whether it is a map or an object: its type goes with it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from decimal import Decimal
from itertools import chain
from json import JSONEncoder
from operator import itemgetter, lt
from types import NoneType
from typing import Any, TypeAlias

from goplugin_py.terraform.cty.number import Number
from goplugin_py.terraform.cty.types import Type

__all__ = ["UNKNOWN", "Bound", "SetValue", "Typed", "Unknown", "Value"]

# The union of the table above. Types alone can tell more, and only at run time.
Value: TypeAlias = Any


@dataclass(frozen=True, slots=True)
class Bound:
    """One end of a range of numbers."""

    number: Number
    is_inclusive: bool = True


@dataclass(frozen=True, slots=True)
class Unknown:
    """A value that is not known yet, and what is known about it all the same.

    Attributes:
        is_not_null: It will certainly not be null.
        prefix: How a string will begin.
        lower: The lower end of a number's range.
        upper: The upper end.
        min_length: The least number of elements of a list, set or map.
        max_length: The greatest.
    """

    is_not_null: bool = False
    prefix: str = ""
    lower: Bound | None = None
    upper: Bound | None = None
    min_length: int = 0
    max_length: int | None = None

    def admits(self, value: Value) -> bool:
        """Tell whether a value of the same type may take this one's place."""
        if value is None:
            return not self.is_not_null
        if isinstance(value, Unknown):
            return True
        match value:
            case str():
                return value.startswith(self.prefix)
            case list() | dict():
                return self._admits_lengths(len(value), len(value))
            case SetValue():
                return self._admits_lengths(value.least_length, len(value))
            case bool() | Typed():
                return True
        return self._admits_number(value)

    def _admits_lengths(self, least: int, most: int) -> bool:
        is_short_enough = self.max_length is None or least <= self.max_length
        return most >= self.min_length and is_short_enough

    def _admits_number(self, number: Number) -> bool:
        is_low = self.lower is not None and (
            number < self.lower.number
            or (number == self.lower.number and not self.lower.is_inclusive)
        )
        is_high = self.upper is not None and (
            number > self.upper.number
            or (number == self.upper.number and not self.upper.is_inclusive)
        )
        return not is_low and not is_high

    def __repr__(self) -> str:
        told = (
            f"{f.name}={getattr(self, f.name)!r}"
            for f in fields(self)
            if getattr(self, f.name) != f.default
        )
        return f"Unknown({', '.join(told)})"


UNKNOWN = Unknown()


@dataclass(frozen=True, slots=True)
class Typed:
    """A value of dynamic type, with its own type; its value may be null or unknown."""

    type: Type
    value: Value


class SetValue(tuple[Value, ...]):
    """A set: its elements without duplicates, and in an order that depends on nothing.

    Elements may be dictionaries, which is why this is no `frozenset`. Two that are
    unknown may turn out to differ, so both stay.
    """

    __slots__ = ()

    def __new__(cls, elements: Iterable[Value] = ()) -> "SetValue":
        """Put the elements in order, and drop those that are there already."""
        elements = list(elements)
        if set(map(type, elements)) <= _SIMPLE:  # nearly all sets
            return super().__new__(cls, _sorted(elements))
        parts: dict[type, list[Value]] = {}
        for element in elements:
            parts.setdefault(type(element), []).append(element)
        nulls, unknown = parts.pop(NoneType, []), parts.pop(Unknown, [])
        known = list(chain.from_iterable(parts.values()))
        ordered = _sorted(known) if parts.keys() <= _SIMPLE else _ordered(known)
        rest = [*sorted(unknown, key=repr), *nulls[:1]]
        return super().__new__(cls, [*ordered, *rest])

    @property
    def least_length(self) -> int:
        """How many elements there are at least, once all are known."""
        return min(len(self), 1) if any(map(_has_unknown, self)) else len(self)

    def __repr__(self) -> str:
        return f"SetValue({list(self)!r})"


def _sorted(elements: list[Value]) -> list[Value]:
    """Sort, which is fast where it is sorted already, and drop what is there twice."""
    ordered = sorted(elements)
    are_unique = all(map(lt, ordered, ordered[1:]))
    return ordered if are_unique else sorted(set(elements))


_SIMPLE = {bool, int, float, Decimal, str}


def _ordered(elements: list[Value]) -> list[Value]:
    """Drop what is there already, and sort by JSON, which the C of Python makes fast.

    Elements with something unknown in them are never the same.
    """
    unknown: list[Unknown] = []
    encoder = JSONEncoder(sort_keys=True, default=lambda each: _plain(each, unknown))
    keyed: list[tuple[str, Value]] = []
    seen: set[str] = set()
    for element in elements:
        unknown.clear()
        key = encoder.encode(element)
        if unknown or key not in seen:
            keyed.append((key, element))
        seen.add(key)
    return [element for _, element in sorted(keyed, key=itemgetter(0))]


def _plain(value: Value, unknown: list[Unknown]) -> object:
    """Return what stands for a value in JSON that is only compared."""
    match value:
        case Unknown():
            unknown.append(value)
            return repr(value)
        case Typed():
            return [repr(value.type), value.value]
        case Decimal():
            return float(value) if float(value) == value else format(value, "f")
    raise TypeError(f"a {type(value).__name__} is no value")


def _has_unknown(value: Value) -> bool:
    match value:
        case Unknown():
            return True
        case list() | tuple():
            return any(map(_has_unknown, value))
        case dict():
            return any(map(_has_unknown, value.values()))
        case Typed():
            return _has_unknown(value.value)
    return False
