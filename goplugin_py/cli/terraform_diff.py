"""Plans for people: a line for each value that changes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from goplugin_py.cli.terraform_change import sensitive_parts
from goplugin_py.cli.terraform_json import json_text
from goplugin_py.terraform import Action, Plan
from goplugin_py.terraform.cty import (
    DYNAMIC,
    Object,
    Path,
    SetValue,
    Type,
    Typed,
    Unknown,
    Value,
    is_wholly_known,
)
from goplugin_py.terraform.schema import Block

__all__ = ["Line", "changed_lines", "headline"]

_FATE = {
    Action.CREATE: "will be created",
    Action.UPDATE: "will be updated in place",
    Action.REPLACE: "will be replaced",
    Action.DELETE: "will be destroyed",
    Action.NO_OP: "needs no change",
}


@dataclass(frozen=True, slots=True)
class Line:
    """A value that changes.

    Attributes:
        sign: `+` it comes, `-` it goes, `~` it becomes another.
        path: Where it is.
        text: What it was, and what it will be.
    """

    sign: str
    path: Path
    text: str


def headline(type_name: str, plan: Plan) -> str:
    """Return what happens to the resource."""
    reason = ""
    if plan.action is Action.REPLACE and plan.requires_replace:
        reason = f", because of {', '.join(map(str, plan.requires_replace))}"
    elif plan.action is Action.REPLACE and plan.prior and plan.prior.is_tainted:
        reason = ", because its creation failed"
    return f"{type_name} {_FATE[plan.action]}{reason}"


def changed_lines(plan: Plan, block: Block) -> list[Line]:
    """Return the changes, in the order of the schema."""
    before = plan.prior.value if plan.prior else None
    old = _Side(before or block.empty, sensitive_parts(block, before))
    new = _Side(plan.planned or block.empty, sensitive_parts(block, plan.planned))
    return list(_lines(old, new, block.type, Path()))


@dataclass(frozen=True, slots=True)
class _Side:
    """A value before or after the change, and what of it must not be shown."""

    value: Value
    secret: Any = False

    def at(self, key: str | int) -> _Side:
        """Return what is inside; null where nothing is."""
        return _Side(_taken(self.value, key), self.secret and _taken(self.secret, key))

    def __str__(self) -> str:
        if self.secret is True:
            return "(sensitive value)"
        return _words(self.value)


def _words(value: Value) -> str:
    """Return a value as in a configuration."""
    match value:
        case Unknown():
            return "(known after apply)"
        case Typed():
            return _words(value.value)
        case dict():
            pairs = (f"{key} = {_words(each)}" for key, each in value.items())
            return "{" + ", ".join(pairs) + "}"
        case list() | tuple():
            return "[" + ", ".join(map(_words, value)) + "]"
    return json_text(value)


def _taken(value: Any, key: str | int) -> Any:
    if isinstance(value, dict):
        return value.get(str(key))
    is_there = isinstance(value, list) and int(key) < len(value)
    return value[int(key)] if is_there else None


def _lines(old: _Side, new: _Side, kind: Type, path: Path) -> Iterator[Line]:
    if kind == DYNAMIC:
        kind, old, new = _untyped(old, new)
    if old.value == new.value and is_wholly_known(new.value):
        return
    keys = () if True in (old.secret, new.secret) else _keys(old.value, new.value)
    for key in keys:
        below = _below(path, kind, key)
        yield from _lines(old.at(key), new.at(key), _kind_at(kind, key), below)
    if not keys:
        yield from _elements(old, new, path)


def _untyped(old: _Side, new: _Side) -> tuple[Type, _Side, _Side]:
    """Take the types off dynamic values; one stands for both where they are alike."""
    sides = [
        _Side(each.value.value, each.secret) if isinstance(each.value, Typed) else each
        for each in (old, new)
    ]
    kinds = [each.value.type for each in (new, old) if isinstance(each.value, Typed)]
    return (kinds[0] if kinds else DYNAMIC), sides[0], sides[1]


def _keys(old: Value, new: Value) -> list[str | int]:
    """Return what to look into; nothing if the values are not of the same shape."""
    parts = [each for each in (old, new) if each is not None]
    if all(isinstance(each, dict) for each in parts):
        return list(dict.fromkeys(key for each in parts for key in each))
    if all(isinstance(each, list) for each in parts):
        return list(range(max(map(len, parts), default=0)))
    return []


def _below(path: Path, kind: Type, key: str | int) -> Path:
    if isinstance(kind, Object):
        return path.attribute(str(key))
    return path.element(key)


def _kind_at(kind: Type, key: str | int) -> Type:
    if isinstance(kind, Object):
        return kind.attributes[str(key)]
    parts = list(kind.parts)
    if isinstance(key, int) and key < len(parts):
        return parts[key]
    return next(iter(parts), DYNAMIC)


def _elements(old: _Side, new: _Side, path: Path) -> Iterator[Line]:
    """Yield a line; for a set one for each element that comes or goes."""
    sets = [each.value for each in (old, new) if each.value is not None]
    is_set = any(sets) and all(isinstance(each, SetValue) for each in sets)
    if not is_set or True in (old.secret, new.secret):
        yield _line(old, new, path)
        return
    was, will = old.value or (), new.value or ()
    for sign, ours, others in (("-", was, will), ("+", will, was)):
        for each in ours:
            if each not in others:
                yield Line(sign, path, str(_Side(each)))


def _line(old: _Side, new: _Side, path: Path) -> Line:
    if old.value is None:
        return Line("+", path, str(new))
    if new.value is None:
        return Line("-", path, str(old))
    return Line("~", path, f"{old} -> {new}")
