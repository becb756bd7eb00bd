"""Blocks whose attributes are dynamic, which travel in another form than others.

The blocks of one name may differ in type then. So the wire has a tuple or an object of
them, with their types, where others are a list or a map. Here, they are always lists
and dictionaries of values of the block's own type.
"""

from collections.abc import Callable

from goplugin_py.terraform.cty import (
    DYNAMIC,
    CtyError,
    Object,
    SetValue,
    Tuple,
    Type,
    Typed,
    Unknown,
    Value,
)
from goplugin_py.terraform.schema import Block, NestedBlock

__all__ = ["from_wire", "to_wire"]


def to_wire(value: Value, block: Block) -> Value:
    """Return a block's value in the form of its type."""
    return _converted(value, block, _tupled)


def from_wire(value: Value, block: Block) -> Value:
    """Return the value of a block's type without tuples and objects for blocks.

    Raises:
        CtyError: They hold something else than blocks.
    """
    return _converted(value, block, _listed)


def _converted(
    value: Value, block: Block, convert: Callable[[Value, NestedBlock], Value]
) -> Value:
    if not block.type.has_dynamic or not isinstance(value, dict):
        return value
    return value | {
        name: convert(value[name], nested) for name, nested in block.blocks.items()
    }


def _inside(value: Value, change: Callable[[Value], Value]) -> Value:
    """Change what a list, set or map of blocks holds."""
    match value:
        case SetValue():
            return SetValue(map(change, value))
        case list():
            return list(map(change, value))
        case dict():
            return {key: change(each) for key, each in value.items()}
    return value


def _tupled(value: Value, nested: NestedBlock) -> Value:
    if nested.type != DYNAMIC:
        return _nested(value, nested, to_wire)
    match value:
        case list():
            pairs = [_concrete(to_wire(v, nested.block), nested) for v in value]
            return Typed(Tuple(kind for kind, _ in pairs), [each for _, each in pairs])
        case dict():
            named = {
                key: _concrete(to_wire(each, nested.block), nested)
                for key, each in value.items()
            }
            kind = Object({key: kind for key, (kind, _) in named.items()})
            return Typed(kind, {key: each for key, (_, each) in named.items()})
    return value


def _nested(
    value: Value, nested: NestedBlock, convert: Callable[[Value, Block], Value]
) -> Value:
    if nested.type == nested.block.type:
        return convert(value, nested.block)
    return _inside(value, lambda each: convert(each, nested.block))


def _concrete(value: Value, nested: NestedBlock) -> tuple[Type, Value]:
    """Return a block's value, and its type with those of dynamic attributes."""
    kind = nested.block.type
    if not isinstance(value, dict) or not isinstance(kind, Object):
        return kind, value
    types = dict(kind.attributes)
    for name, each in value.items():
        if types[name] == DYNAMIC and isinstance(each, Typed):
            types[name] = each.type
            value = value | {name: each.value}
    return Object(types), value


def _listed(value: Value, nested: NestedBlock) -> Value:
    if nested.type != DYNAMIC:
        return _nested(value, nested, from_wire)
    match value:
        case Typed(Tuple(kinds), list() as values):
            pairs = zip(values, kinds, strict=True)
            return [from_wire(_wide(*pair, nested), nested.block) for pair in pairs]
        case Typed(Object(types), dict() as named):
            return {
                key: from_wire(_wide(each, types[key], nested), nested.block)
                for key, each in named.items()
            }
        case None | Unknown():
            return value
        case Typed(_, inside) if inside is None or isinstance(inside, Unknown):
            return inside
    raise CtyError(f"blocks named {nested.name!r} are required")


def _wide(value: Value, kind: Type, nested: NestedBlock) -> Value:
    """Return a block's value, with the types of its dynamic attributes inside of it."""
    wanted = nested.block.type
    assert isinstance(wanted, Object)
    if (
        not isinstance(kind, Object)
        or kind.attributes.keys() != wanted.attributes.keys()
    ):
        raise CtyError(f"a block named {nested.name!r} is required")
    if not isinstance(value, dict):
        return value
    for name, attribute in wanted.attributes.items():
        if attribute == DYNAMIC and kind.attributes[name] != DYNAMIC:
            value = value | {name: Typed(kind.attributes[name], value[name])}
        elif attribute not in {DYNAMIC, kind.attributes[name]}:
            raise CtyError(f"{name!r} is a {kind.attributes[name]}, not a {attribute}")
    return value
