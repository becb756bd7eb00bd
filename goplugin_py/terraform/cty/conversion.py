"""Between values and what Python programs have at hand."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from decimal import Decimal
from typing import Any

from goplugin_py.terraform.cty.encoding import described
from goplugin_py.terraform.cty.errors import CtyError
from goplugin_py.terraform.cty.number import normal
from goplugin_py.terraform.cty.paths import GetAttr, Index, Step
from goplugin_py.terraform.cty.text import normal_text
from goplugin_py.terraform.cty.types import (
    BOOL,
    DYNAMIC,
    NUMBER,
    STRING,
    List,
    Map,
    Object,
    Set,
    Tuple,
    Type,
)
from goplugin_py.terraform.cty.values import SetValue, Typed, Unknown, Value

__all__ = ["from_python", "to_python"]


def from_python(value: object, kind: Type) -> Value:
    """Return a value of a type from plain Python, which is checked, not guessed at.

    Mappings become objects and maps, iterables lists, tuples and sets; attributes that
    the type has as optional may be missing and become null. A float is taken for the
    decimal that Python prints, as if it stood in a configuration: `0.1` is one tenth.
    Where the type is dynamic, it is taken from the value.

    Raises:
        CtyError: The value is not of the type; the error says where.
    """
    if value is None or isinstance(value, Unknown):
        return value
    if kind == DYNAMIC:
        return _dynamic(value)
    match kind:
        case Object():
            return _object(_mapping(value, kind), kind)
        case Map(element):
            return _map(_mapping(value, kind), element)
        case List(element):
            return _elements(_sequence(value, kind), element)
        case Set(element):
            # A set of Python has an order that changes from run to run.
            return SetValue(_elements(_sequence(value, kind), element))
        case Tuple(elements):
            return _tuple(_sequence(value, kind), elements)
    return _primitive(value, kind)


def _primitive(value: object, kind: Type) -> Value:
    if kind == STRING and isinstance(value, str):
        return normal_text(value)
    if kind == BOOL and isinstance(value, bool):
        return value
    if kind == NUMBER and not isinstance(value, bool):
        if isinstance(value, float) and value - value == 0:
            return normal(Decimal(repr(value)))
        if isinstance(value, int | float | Decimal):
            return normal(value)
    raise _wrong(value, kind)


def _wrong(value: object, kind: Type) -> CtyError:
    return CtyError(f"{kind} required, and this is {described(value)}")


def _mapping(value: object, kind: Type) -> Mapping[Any, object]:
    if not isinstance(value, Mapping):
        raise _wrong(value, kind)
    return value


def _sequence(value: object, kind: Type) -> list[object]:
    if not isinstance(value, list | tuple | AbstractSet):
        raise _wrong(value, kind)
    return list(value)


def _below(step: Step, value: object, kind: Type) -> Value:
    try:
        return from_python(value, kind)
    except CtyError as exc:
        raise exc.below(step) from None


def _elements(values: list[object], element: Type) -> list[Value]:
    return [_below(Index(index), each, element) for index, each in enumerate(values)]


def _tuple(values: list[object], elements: tuple[Type, ...]) -> list[Value]:
    if len(values) != len(elements):
        raise CtyError(f"tuple of {len(elements)} required, and this has {len(values)}")
    pairs = enumerate(zip(values, elements, strict=True))
    return [_below(Index(index), value, kind) for index, (value, kind) in pairs]


def _map(value: Mapping[Any, object], element: Type) -> dict[str, Value]:
    if not all(isinstance(key, str) for key in value):
        raise CtyError("the keys of a map are strings")
    return {
        normal_text(key): _below(Index(key), each, element)
        for key, each in value.items()
    }


def _object(value: Mapping[Any, object], kind: Object) -> dict[str, Value]:
    for name in value:
        if name not in kind.attributes:
            raise CtyError("there is no such attribute").below(GetAttr(str(name)))
    for name in kind.attributes:
        if name not in value and name not in kind.optional:
            raise CtyError("this attribute is missing").below(GetAttr(name))
    return {
        name: _below(GetAttr(name), value.get(name), each)
        for name, each in kind.attributes.items()
    }


def _dynamic(value: object) -> Typed:
    if isinstance(value, Typed):
        return Typed(value.type, from_python(value.value, value.type))
    kind = _implied(value)
    return Typed(kind, from_python(value, kind))


def _implied(value: object) -> Type:
    """Return the type that a literal in a configuration would have."""
    match value:
        case None | Unknown() | Typed():
            return DYNAMIC
        case bool():
            return BOOL
        case str():
            return STRING
        case int() | float() | Decimal():
            return NUMBER
        case Mapping():
            return Object({str(key): _implied(each) for key, each in value.items()})
        case list() | tuple():
            return Tuple(_implied(each) for each in value)
    raise CtyError(f"no type can be told from {described(value)}: pass Typed")


def to_python(value: Value) -> Any:
    """Return a value without the types inside of it, and its sets as lists."""
    match value:
        case Typed():
            return to_python(value.value)
        case list() | tuple():
            return [to_python(each) for each in value]
        case dict():
            return {key: to_python(each) for key, each in value.items()}
    return value
