"""From the proposed new state to a plan, before the author's hook has a say.

In the order of terraform-plugin-framework: defaults, write-only attributes, and only
if something differs then, unknown values for all that may have to be computed anew.
"""

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from goplugin_py.terraform.cty import (
    UNKNOWN,
    Path,
    SetValue,
    Unknown,
    Value,
)
from goplugin_py.terraform.proposed import may_come_from
from goplugin_py.terraform.schema import Block, NestedType, Nesting
from goplugin_py.terraform.serving.fields import AttributeSpec
from goplugin_py.terraform.serving.layout import Field, Layout

__all__ = [
    "changed_paths",
    "completed",
    "replacing_paths",
    "with_defaults",
    "without_write_only",
]

# Takes a field, its value and what is configured for it; returns its new value.
_Change: TypeAlias = Callable[[Field, Value, Value], Value]


def completed(layout: Layout, prior: Value, proposed: Value, config: Value) -> Value:
    """Return what to plan for a configuration.

    Args:
        layout: The class of the resource.
        prior: What exists; None if nothing does.
        proposed: The configuration, completed by what exists.
        config: The configuration, in which nothing else is filled in.
    """
    planned = _changed(layout, proposed, config, _filled)
    if planned == prior:
        return planned
    return _changed(layout, planned, config, _opened)


def with_defaults(layout: Layout, config: Value) -> Value:
    """Return a configuration with the defaults of what is not configured."""
    return _changed(layout, config, config, _defaulted)


def _defaulted(field: Field, value: Value, _config: Value) -> Value:
    if value is None and isinstance(field.spec, AttributeSpec):
        return field.default
    return value


def without_write_only(layout: Layout, value: Value) -> Value:
    """Return a value with null for all that must be in no state."""
    return _changed(layout, value, value, _hidden)


def _hidden(field: Field, value: Value, _config: Value) -> Value:
    if isinstance(field.spec, AttributeSpec) and field.spec.write_only:
        return None
    return value


def _filled(field: Field, value: Value, config: Value) -> Value:
    if not isinstance(field.spec, AttributeSpec):
        return value
    if field.spec.write_only:
        return None
    return field.default if field.spec.has_default and config is None else value


def _opened(field: Field, value: Value, config: Value) -> Value:
    spec = field.spec
    if not isinstance(spec, AttributeSpec) or config is not None:
        return value
    if not spec.computed or spec.has_default or (spec.stable and value is not None):
        return value
    return UNKNOWN


def _opened_in_set(field: Field, value: Value, config: Value) -> Value:
    # What an element has computed makes it the element that it is.
    return _opened(field, value, config) if value is None else value


_IN_SETS: dict[_Change, _Change] = {_opened: _opened_in_set}


def _changed(layout: Layout, value: Value, config: Value, change: _Change) -> Value:
    if value is None or isinstance(value, Unknown):
        return value
    return {
        name: _changed_inside(field, value[name], _part(config, name), change)
        for name, field in layout.fields.items()
    }


def _part(config: Value, name: str) -> Value:
    return config[name] if isinstance(config, dict) else config


def _changed_inside(
    field: Field, value: Value, config: Value, change: _Change
) -> Value:
    value = change(field, value, config)
    layout = field.layout
    if layout is None or config is None or value is None or isinstance(value, Unknown):
        return value
    if field.shape.nesting in {Nesting.SINGLE, Nesting.GROUP}:
        return _changed(layout, value, config, change)
    if isinstance(value, dict):
        configs = config if isinstance(config, dict) else {}
        return {
            key: _changed(layout, each, configs.get(key), change)
            for key, each in value.items()
        }
    pairs = zip(value, _origins(field, layout, value, config), strict=True)
    if field.shape.nesting is Nesting.LIST:
        return [_changed(layout, *pair, change) for pair in pairs]
    inside = _IN_SETS.get(change, change)
    return SetValue(_changed(layout, *pair, inside) for pair in pairs)


def _origins(
    field: Field, layout: Layout, values: Value, config: Value
) -> Iterator[Value]:
    """Yield what is configured for each element; an unknown value if that is not known.

    Elements of a set are found by all that is not computed.
    """
    if isinstance(config, Unknown):
        yield from [UNKNOWN] * len(values)
    elif field.shape.nesting is Nesting.LIST:
        yield from config
    else:
        schema = _schema(field, layout)
        unused = list(config)
        for value in values:
            yield _taken(schema, unused, value)


def _schema(field: Field, layout: Layout) -> Block | NestedType:
    if field.is_block:
        return layout.block
    nested = field.attribute.nested_type
    assert nested is not None
    return nested


def _taken(schema: Block | NestedType, unused: list[Value], value: Value) -> Value:
    for index, config in enumerate(unused):
        if may_come_from(schema, value, config):
            return unused.pop(index)
    return UNKNOWN


def changed_paths(layout: Layout, prior: Value, planned: Value) -> Iterator[Path]:
    """Yield the fields that a plan changes, without what is only computed anew."""
    for name in layout.fields:
        if planned[name] != prior[name] and not isinstance(planned[name], Unknown):
            yield Path().attribute(name)


def replacing_paths(
    layout: Layout,
    prior: Value,
    planned: Value,
    config: Value,
    path: Path | None = None,
) -> Iterator[Path]:
    """Yield what a plan changes although it can't be updated."""
    path = path or Path()
    for name, field in layout.fields.items():
        before, after, wanted = prior[name], planned[name], _part(config, name)
        if before == after:
            continue
        below = path.attribute(name)
        is_replacing = (
            isinstance(field.spec, AttributeSpec) and field.spec.requires_replace
        )
        if is_replacing and not (wanted is None and isinstance(after, Unknown)):
            yield below
        elif field.layout is not None:
            yield from _inside(field, field.layout, (before, after, wanted), below)


def _inside(
    field: Field, layout: Layout, values: tuple[Value, Value, Value], path: Path
) -> Iterator[Path]:
    before, after, config = values
    if not all(isinstance(each, dict | list | SetValue) for each in (before, after)):
        return
    match field.shape.nesting:
        case Nesting.SINGLE | Nesting.GROUP:
            yield from replacing_paths(layout, before, after, config, path)
        case Nesting.SET:
            # Its elements have no address: the change of one is the change of all.
            if _has_replacing(layout):
                yield path
        case _:
            for key in _common(before, after):
                wanted = _element(config, key)
                below = path.element(key)
                yield from replacing_paths(
                    layout, before[key], after[key], wanted, below
                )


def _common(before: Any, after: Any) -> list[Any]:
    if isinstance(before, dict):
        return [key for key in before if key in after and _both(before, after, key)]
    count = min(len(before), len(after))
    return [key for key in range(count) if _both(before, after, key)]


def _both(before: Any, after: Any, key: Any) -> bool:
    return isinstance(before[key], dict) and isinstance(after[key], dict)


def _element(config: Value, key: Any) -> Value:
    try:
        return config[key]
    except (TypeError, LookupError):
        return None


def _has_replacing(layout: Layout) -> bool:
    return any(
        (isinstance(field.spec, AttributeSpec) and field.spec.requires_replace)
        or (field.layout is not None and _has_replacing(field.layout))
        for field in layout.fields.values()
    )
