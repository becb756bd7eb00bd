"""Schemas for tests, with little to write."""

from goplugin_py.terraform.cty import STRING, Type
from goplugin_py.terraform.schema import (
    Attribute,
    Block,
    NestedBlock,
    NestedType,
    Nesting,
)


def attribute(
    name: str, flags: str = "optional", kind: Type = STRING, **more: bool
) -> Attribute:
    """Make an attribute; the flags are words, such as `optional computed`."""
    words = {f"is_{word}": True for word in flags.split()}
    return Attribute(name, kind, **(words | more))  # type: ignore[arg-type]


def nested(
    name: str, nesting: Nesting, *attributes: Attribute, flags: str = "optional"
) -> Attribute:
    inside = NestedType({each.name: each for each in attributes}, nesting)
    words = {f"is_{word}": True for word in flags.split()}
    return Attribute(name, inside.type, inside, **words)  # type: ignore[arg-type]


def block(*parts: Attribute | NestedBlock) -> Block:
    return Block(
        {each.name: each for each in parts if isinstance(each, Attribute)},
        {each.name: each for each in parts if isinstance(each, NestedBlock)},
    )


def blocks(
    name: str, nesting: Nesting, *parts: Attribute | NestedBlock, **items: int
) -> NestedBlock:
    return NestedBlock(name, block(*parts), nesting, **items)
