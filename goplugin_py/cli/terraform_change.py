"""Plans as `terraform show -json` prints them, among its `resource_changes`.

Terraform: `jsonplan.MarshalResourceChanges`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from goplugin_py.terraform import Action, Plan
from goplugin_py.terraform.cty import (
    Index,
    Map,
    Object,
    Path,
    Primitive,
    SetValue,
    Type,
    Typed,
    Unknown,
    Value,
    is_wholly_known,
)
from goplugin_py.terraform.schema import Attribute, Block, NestedType, Nesting

__all__ = ["known_part", "resource_change", "sensitive_parts"]

_ACTIONS = {
    Action.CREATE: ["create"],
    Action.UPDATE: ["update"],
    Action.REPLACE: ["delete", "create"],
    Action.DELETE: ["delete"],
    Action.NO_OP: ["no-op"],
}


def resource_change(type_name: str, plan: Plan, block: Block) -> dict[str, Any]:
    """Return what a plan comes to."""
    before = plan.prior.value if plan.prior else None
    after = plan.planned
    change = {
        "actions": _ACTIONS[plan.action],
        "before": known_part(before),
        "after": known_part(after),
        "after_unknown": {} if is_wholly_known(after) else _unknown_parts(after),
        "before_sensitive": sensitive_parts(block, before),
        "after_sensitive": sensitive_parts(block, after),
    }
    if plan.requires_replace:
        change["replace_paths"] = [_steps(path) for path in plan.requires_replace]
    return {"type": type_name, "change": change}


def _steps(path: Path) -> list[str | int]:
    return [step.key if isinstance(step, Index) else step.name for step in path]


def known_part(value: Value) -> Any:
    """Return a value as plain Python, without what is unknown in it.

    In a list null takes its place, so that all others keep theirs.
    """
    match value:
        case Unknown():
            return None
        case Typed():
            return known_part(value.value)
        case list() | tuple():
            return [known_part(each) for each in value]
        case dict():
            known = value.items()
            return {k: known_part(v) for k, v in known if not isinstance(v, Unknown)}
    return value


def _unknown_parts(value: Value) -> Any:
    """Return true for what is unknown, within what it is in."""
    match value:
        case Typed():
            return _unknown_parts(value.value)
        case list() | tuple():
            return [_unknown_parts(each) for each in value]
        case dict():
            return _marked((k, _unknown_parts(v)) for k, v in value.items())
    return isinstance(value, Unknown)


def sensitive_parts(block: Block, value: Value) -> Any:
    """Return true for what the schema calls sensitive, within what it is in."""
    if not isinstance(value, dict):
        return False if value is None else {}
    attributes = _attributes(block.attributes, value)
    return attributes | _marked(
        (
            name,
            _each(nested.nesting, value[name], nested.type, nested.block),
        )
        for name, nested in block.blocks.items()
    )


def _attributes(
    attributes: Mapping[str, Attribute], value: dict[str, Value]
) -> dict[str, Any]:
    return _marked((n, _attribute(a, value[n])) for n, a in attributes.items())


def _attribute(attribute: Attribute, value: Value) -> Any:
    if attribute.is_sensitive:
        return True
    if (nested := attribute.nested_type) is not None:
        return _each(nested.nesting, value, nested.type, nested)
    return _shape(value, attribute.type)


def _each(nesting: Nesting, value: Value, kind: Type, part: Block | NestedType) -> Any:
    """Return the same for all the blocks or objects of a name."""
    match value:
        case SetValue():
            # What is in a set has no place of its own to be marked.
            marks = [_inside(part, each) for each in value]
            return any(map(_is_marked, marks)) or marks
        case list():
            return [_inside(part, each) for each in value]
        case dict() if nesting is Nesting.MAP:
            return _marked((k, _inside(part, each)) for k, each in value.items())
        case dict():
            return _inside(part, value)
    return _shape(value, kind)


def _inside(part: Block | NestedType, value: Value) -> Any:
    if isinstance(part, Block):
        return sensitive_parts(part, value)
    if not isinstance(value, dict):
        return _shape(value, part.object_type)
    return _attributes(part.attributes, value)


def _shape(value: Value, kind: Type) -> Any:
    """Return what stands for a value in which nothing is sensitive."""
    match value:
        case Typed():
            return _shape(value.value, value.type)
        case list() | tuple():
            parts = list(kind.parts)
            kinds = parts if len(parts) == len(value) else parts[:1] * len(value)
            return [_shape(*pair) for pair in zip(value, kinds, strict=True)]
        case dict():
            kinds_of = kind.attributes if isinstance(kind, Object) else {}
            element = next(iter(kind.parts), kind)
            return _marked(
                (k, _shape(v, kinds_of.get(k, element))) for k, v in value.items()
            )
        case Unknown() if not isinstance(kind, Primitive):
            return {} if isinstance(kind, Object | Map) else []
    return False


def _is_marked(marks: Any) -> bool:
    match marks:
        case list():
            return any(map(_is_marked, marks))
        case dict():
            return any(map(_is_marked, marks.values()))
    return bool(marks)


def _marked(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    return {name: mark for name, mark in pairs if mark is not False}
