"""Values as JSON, the form of Terraform's state (go-cty: `cty/json`)."""

from collections.abc import Mapping
from typing import Any
from unicodedata import normalize

from goplugin_py.terraform.cty.encoding import described
from goplugin_py.terraform.cty.errors import CtyError
from goplugin_py.terraform.cty.json_text import Literal, dump, parse
from goplugin_py.terraform.cty.number import format_number, parse_number
from goplugin_py.terraform.cty.paths import GetAttr, Index, Step
from goplugin_py.terraform.cty.type_json import type_from_json, type_to_json
from goplugin_py.terraform.cty.types import (
    BOOL,
    DYNAMIC,
    MAX_DEPTH,
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

__all__ = ["from_json", "to_json"]


def to_json(value: Value, kind: Type) -> bytes:
    """Return a value of a type as JSON, byte by byte as go-cty writes it.

    Raises:
        CtyError: It is not of the type, or something in it is unknown or infinite.
    """
    return _text(value, kind).encode()


def _text(value: Value, kind: Type) -> str:
    if isinstance(value, Unknown):
        raise CtyError("the value is not known, and JSON can't say so")
    if value is None:
        return "null"
    if kind == DYNAMIC:
        return _dynamic_text(value)
    match kind, value:
        case (Object(attributes), dict()):
            return _object_text(value, attributes)
        case (Map(element), dict()):
            pairs = sorted(value.items())
            return _braces({k: _below(Index(k), v, element) for k, v in pairs})
        case (Tuple(elements), list() | tuple()) if len(elements) == len(value):
            return _brackets(list(zip(value, elements, strict=True)))
        case (Set(element), list() | tuple() | set() | frozenset()):
            return _brackets([(one, element) for one in SetValue(value)])
        case (List(element), list() | tuple()):
            return _brackets([(one, element) for one in value])
    return _primitive_text(value, kind)


def _primitive_text(value: Value, kind: Type) -> str:
    if kind == STRING and isinstance(value, str):
        return dump(normalize("NFC", value))
    if kind == BOOL and isinstance(value, bool):
        return dump(value)
    if kind == NUMBER and not isinstance(value, str | bool | list | tuple | dict):
        return format_number(value)
    raise CtyError(f"{kind} required, and this is {described(value)}")


def _dynamic_text(value: Value) -> str:
    if not isinstance(value, Typed):
        raise CtyError(f"a type is required with the value, {described(value)}")
    text = _text(value.value, value.type)
    if value.type == DYNAMIC:
        return text
    return f'{{"value":{text},"type":{type_to_json(value.type).decode()}}}'


def _object_text(value: dict[str, Value], attributes: Mapping[str, Type]) -> str:
    if value.keys() != attributes.keys():
        wrong = min(value.keys() ^ attributes.keys())
        state = "missing" if wrong in attributes else "not one of the type's"
        raise CtyError(f"the attribute {wrong!r} is {state}")
    return _braces(
        {n: _below(GetAttr(n), value[n], each) for n, each in attributes.items()}
    )


def _below(step: Step, value: Value, kind: Type) -> str:
    try:
        return _text(value, kind)
    except CtyError as exc:
        raise exc.below(step) from None


def _braces(texts: dict[str, str]) -> str:
    return "{" + ",".join(f"{dump(key)}:{text}" for key, text in texts.items()) + "}"


def _brackets(typed: list[tuple[Value, Type]]) -> str:
    texts = (_below(Index(i), value, kind) for i, (value, kind) in enumerate(typed))
    return "[" + ",".join(texts) + "]"


def from_json(data: bytes | str, kind: Type) -> Value:
    """Return the value of a type that JSON holds.

    As in go-cty, attributes of objects may be missing and become null, and strings
    may stand for numbers and bools and the other way round.

    Raises:
        CtyError: It holds none; the error says where it does not fit.
    """
    return _value(parse(data), kind, MAX_DEPTH)


def _value(raw: Any, kind: Type, budget: int) -> Value:
    if raw is None:
        return None
    if kind == DYNAMIC:
        return _dynamic_value(raw, budget)
    match kind, raw:
        case (Object(attributes), dict()):
            return _object_value(raw, attributes, budget)
        case (Map(element), dict()):
            return {
                normalize("NFC", key): _read(Index(key), one, element, budget)
                for key, one in raw.items()
            }
        case (Tuple(elements), list()) if len(elements) == len(raw):
            typed = enumerate(zip(raw, elements, strict=True))
            return [_read(Index(i), one, each, budget) for i, (one, each) in typed]
        case (List(element) | Set(element), list()):
            values = [
                _read(Index(i), one, element, budget) for i, one in enumerate(raw)
            ]
            return values if isinstance(kind, List) else SetValue(values)
    return _primitive_value(raw, kind)


def _read(step: Step, raw: Any, kind: Type, budget: int) -> Value:
    try:
        return _value(raw, kind, budget)
    except CtyError as exc:
        raise exc.below(step) from None


_BOOLS = {"true": True, "1": True, "false": False, "0": False}


def _primitive_value(raw: Any, kind: Type) -> Value:
    is_text = isinstance(raw, str)
    if kind == STRING and is_text:
        return _valid(normalize("NFC", str(raw)))
    if kind == STRING and isinstance(raw, bool):
        return str(raw).lower()
    if kind == NUMBER and is_text:
        return parse_number(raw)
    if kind == BOOL and isinstance(raw, bool):
        return raw
    if kind == BOOL and is_text and not isinstance(raw, Literal) and raw in _BOOLS:
        return _BOOLS[raw]
    found = "a number" if isinstance(raw, Literal) else described(raw)
    raise CtyError(f"{kind} required, and this is {found}")


def _valid(text: str) -> str:
    # What JSON's \ud800 leaves Go replaces as well.
    return text.encode(errors="replace").decode() if not text.isascii() else text


def _object_value(
    raw: dict[str, Any], attributes: Mapping[str, Type], budget: int
) -> Value:
    for name in raw:
        if name not in attributes:
            raise CtyError(f"there is no attribute {name!r}")
    return {
        name: _read(GetAttr(name), raw.get(name), each, budget)
        for name, each in attributes.items()
    }


def _dynamic_value(raw: Any, budget: int) -> Value:
    if not isinstance(raw, dict) or raw.keys() != {"type", "value"}:
        raise CtyError("a dynamic value has a type and a value")
    kind = type_from_json(dump(raw["type"])).without_optional()
    budget -= kind.depth
    if budget < 0:
        raise CtyError(f"a value may be nested {MAX_DEPTH} deep, no deeper")
    value = _value(raw["value"], kind, budget)
    return value if kind == DYNAMIC else Typed(kind, value)
