"""How values look to authors, by the annotation of an attribute."""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Literal, TypeAlias

from goplugin_py import ConfigError
from goplugin_py.terraform.cty import (
    BOOL,
    DYNAMIC,
    NUMBER,
    STRING,
    UNKNOWN,
    CtyError,
    Index,
    List,
    Map,
    Set,
    SetValue,
    Step,
    Tuple,
    Type,
    Unknown,
    Value,
    from_python,
    to_python,
)
from goplugin_py.terraform.schema import Nesting
from goplugin_py.terraform.serving.model import Model

# Describes a class; `layout` imports this file.
LayoutOf: TypeAlias = Callable[[type[Model]], Any]

__all__ = ["Shape", "as_set", "below", "shape_of", "shape_of_type"]


@dataclass(frozen=True)
class Shape:
    """How the values of a type look in Python.

    Attributes:
        type: The type.
        load: Makes what authors see of a value that is neither null nor unknown.
        dump: The way back; both raise CtyError with the place of what does not fit.
        is_nullable: Whether the annotation allows None.
        layout: The `Layout` of the objects in it, if these have a class.
        nesting: How many of these objects there are.
        check: Raises CtyError where a value is none of an annotation's choices.
    """

    type: Type
    load: Callable[[Value], Any]
    dump: Callable[[Any], Value]
    is_nullable: bool = False
    layout: Any = None
    nesting: Nesting = Nesting.SINGLE
    check: Callable[[Any], None] = lambda _: None

    @property
    def of_objects(self) -> Any:
        """What a list, set or map of these has as its layout."""
        return self.layout if self.nesting is Nesting.SINGLE else None

    def loaded(self, value: Value) -> Any:
        """Return what authors see of any value."""
        if value is None:
            return None
        return UNKNOWN if isinstance(value, Unknown) else self.load(value)

    def checked(self, seen: Any) -> None:
        """Raise CtyError where a configured value is none of the choices."""
        if seen is not None and not isinstance(seen, Unknown):
            self.check(seen)

    def argument(self, value: Value) -> Any:
        """Return what a function of an author's is called with for a value."""
        seen = self.loaded(value)
        self.checked(seen)
        return seen

    def dumped(self, value: Any) -> Value:
        """Return the value of what an author made."""
        if value is None or isinstance(value, Unknown):
            return value
        return self.dump(value)


def below(step: Step, function: Callable[[Any], Any], value: Any) -> Any:
    """Call a function, and tell of its errors as seen from one step further out."""
    try:
        return function(value)
    except CtyError as exc:
        raise exc.below(step) from None


def shape_of_type(kind: Type) -> Shape:
    """Return the shape of a declared type: plain Python all the way down.

    What it has as optional authors may leave out.
    """
    exact = kind.without_optional()
    return Shape(exact, to_python, lambda value: from_python(value, kind))


def _whole(value: Value) -> int:
    if isinstance(value, int):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    raise CtyError(f"a whole number is required, and this is {value}")


def _number(convert: Callable[[Value], Any]) -> Shape:
    return replace(shape_of_type(NUMBER), load=convert)


_SIMPLE: Mapping[Any, Shape] = {
    str: shape_of_type(STRING),
    bool: shape_of_type(BOOL),
    int: Shape(NUMBER, _whole, lambda value: _whole(from_python(value, NUMBER))),
    float: _number(float),
    Decimal: _number(Decimal),
    Any: shape_of_type(DYNAMIC),
    object: shape_of_type(DYNAMIC),
}


def shape_of(hint: Any, layout_of: LayoutOf) -> Shape:
    """Return the shape of an annotation.

    Args:
        hint: The annotation, evaluated.
        layout_of: Describes the class of a nested object.

    Raises:
        ConfigError: Terraform has no type for it.
    """
    if hint in _SIMPLE:
        return _SIMPLE[hint]
    if isinstance(hint, type) and issubclass(hint, Model):
        shape: Shape = layout_of(hint).shape
        return shape
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin in {types.UnionType, typing.Union}:
        return _union(hint, parts, layout_of)
    if origin is Literal:
        return _literal(parts)
    inside = [shape_of(part, layout_of) for part in parts if part is not Ellipsis]
    match origin, inside:
        case (builtin, [element]) if builtin is list:
            return _list(element)
        case (builtin, [element]) if builtin in {set, frozenset}:
            return _set(element, builtin)
        case (builtin, [key, element]) if builtin is dict and key.type == STRING:
            return _map(element)
        case (builtin, [_, *_]) if builtin is tuple and Ellipsis not in parts:
            return _tuple(inside)
    raise ConfigError(
        f"Terraform has no type for the annotation {hint!r}: use str, bool, int, "
        "float, Decimal, Any, Literal, a Nested class, list, set, dict with str keys, "
        "or tuple of these; or declare attribute(type=...)"
    )


def _union(hint: Any, parts: tuple[Any, ...], layout_of: LayoutOf) -> Shape:
    given = [part for part in parts if part is not types.NoneType]
    if len(given) == 1:
        shape = shape_of(given[0], layout_of)
    elif set(given) <= {int, float, Decimal}:
        shape = shape_of_type(NUMBER)  # a union of numbers is any number
    else:
        raise ConfigError(f"no value of Terraform's can be {hint!r}: annotate Any")
    return replace(shape, is_nullable=shape.is_nullable or len(given) < len(parts))


def _literal(choices: tuple[Any, ...]) -> Shape:
    kinds = {type(choice) for choice in choices}
    if kinds not in ({str}, {int}):
        raise ConfigError(f"the choices must be strings or whole numbers: {choices!r}")

    def check(seen: Any) -> None:
        if seen not in choices:
            told = ", ".join(map(repr, choices))
            raise CtyError(f"it must be one of {told}, and is {seen!r}")

    return replace(_SIMPLE[kinds.pop()], check=check)


def _items(function: Callable[[Any], Any], values: Iterable[Any]) -> list[Any]:
    return [below(Index(i), function, each) for i, each in enumerate(values)]


def _each_item(check: Callable[[Any], None], seen: Iterable[Any]) -> None:
    _items(check, seen)


def _nothing(_: object) -> None:
    """Forget a result."""


def _sequence(value: Any) -> Any:
    if not isinstance(value, list | tuple | set | frozenset):
        found = type(value).__name__
        raise CtyError(f"a list or set is required, and this is {found}")
    return value


def _list(element: Shape) -> Shape:
    return Shape(
        List(element.type),
        lambda value: _items(element.loaded, value),
        lambda value: _items(element.dumped, _sequence(value)),
        check=lambda seen: _each_item(element.checked, seen),
        layout=element.of_objects,
        nesting=Nesting.LIST,
    )


def as_set(shape: Shape) -> Shape:
    """Return the shape of a list for a set, which authors see as a list."""
    [element] = shape.type.parts
    return replace(
        shape,
        type=Set(element),
        dump=lambda value: SetValue(shape.dump(value)),
        nesting=Nesting.SET,
    )


def _set(element: Shape, builtin: Any) -> Shape:
    if element.layout is not None:
        raise ConfigError(
            "objects that can be changed are in no Python set: annotate list[...] and "
            "say nesting=Nesting.SET"
        )
    shape = as_set(_list(element))
    return replace(shape, load=lambda value: builtin(_items(element.loaded, value)))


def _map(element: Shape) -> Shape:
    def each(function: Callable[[Any], Any], value: Any) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            found = type(value).__name__
            raise CtyError(f"a mapping is required, and this is {found}")
        if not all(isinstance(key, str) for key in value):
            raise CtyError("the keys of a map are strings")
        return {key: below(Index(key), function, one) for key, one in value.items()}

    return Shape(
        Map(element.type),
        lambda value: each(element.loaded, value),
        lambda value: each(element.dumped, value),
        check=lambda seen: _nothing(each(element.checked, seen)),
        layout=element.of_objects,
        nesting=Nesting.MAP,
    )


def _tuple(elements: list[Shape]) -> Shape:
    def each(functions: list[Callable[[Any], Any]], value: Any) -> list[Any]:
        if len(_sequence(value)) != len(functions):
            raise CtyError(f"{len(functions)} elements are required, not {len(value)}")
        pairs = enumerate(zip(functions, value, strict=True))
        return [below(Index(i), function, one) for i, (function, one) in pairs]

    return Shape(
        Tuple(element.type for element in elements),
        lambda value: tuple(each([e.loaded for e in elements], value)),
        lambda value: each([e.dumped for e in elements], value),
    )
