"""Types as JSON: `"string"`, `["list","string"]`, `["object",{"id":"string"}]`."""

import json
from collections.abc import Callable
from typing import Any

from goplugin_py.terraform.cty.errors import CtyError
from goplugin_py.terraform.cty.json_text import dump, parse
from goplugin_py.terraform.cty.types import (
    BOOL,
    DYNAMIC,
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

__all__ = ["type_from_json", "type_to_json"]

_PRIMITIVES = {each.name: each for each in (BOOL, NUMBER, STRING, DYNAMIC)}


def type_to_json(kind: Type) -> bytes:
    """Return a type as JSON, byte by byte as go-cty writes it."""
    return dump(_description(kind)).encode()


def _description(kind: Type) -> object:
    match kind:
        case Primitive(name):
            return name
        case List(element) | Set(element) | Map(element):
            return [type(kind).__name__.lower(), _description(element)]
        case Tuple(elements):
            return ["tuple", [_description(element) for element in elements]]
        case Object(attributes, optional):
            types = {name: _description(each) for name, each in attributes.items()}
            return ["object", types, *([sorted(optional)] if optional else [])]
    raise AssertionError(kind)


def type_from_json(data: bytes | str) -> Type:
    """Return the type that JSON describes.

    Raises:
        CtyError: It describes none, or one that is nested too deep.
    """
    return _type(parse(data))


def _type(description: object) -> Type:
    match description:
        case str() as name if name in _PRIMITIVES:
            return _PRIMITIVES[name]
        case [str() as kind, *rest] if kind in _READERS:
            return _READERS[kind](rest)
    raise CtyError(f"not a type: {json.dumps(description)[:100]}")


def _tuple(rest: list[Any]) -> Type:
    match rest:
        case [list() as elements]:
            return Tuple(map(_type, elements))
    raise CtyError("a tuple's description has one list of types")


def _object(rest: list[Any]) -> Type:
    match rest:
        case [dict() as attributes]:
            names: list[str] = []
        case [dict() as attributes, list() as names] if all(
            isinstance(name, str) for name in names
        ):
            pass
        case _:
            raise CtyError("an object's description has types and optional names")
    return Object({name: _type(each) for name, each in attributes.items()}, names)


def _collection(make: type[List | Set | Map]) -> Callable[[list[Any]], Type]:
    def read(rest: list[Any]) -> Type:
        if len(rest) != 1:
            raise CtyError("a collection's description has one type")
        return make(_type(rest[0]))

    return read


_READERS: dict[str, Callable[[list[Any]], Type]] = {
    "list": _collection(List),
    "set": _collection(Set),
    "map": _collection(Map),
    "tuple": _tuple,
    "object": _object,
}
