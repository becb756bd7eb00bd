"""Answers of providers built on the first SDK, which knows no nulls for blocks.

Terraform: `objchange.NormalizeObjectFromLegacySDK`.
"""

from goplugin_py.terraform.cty import UNKNOWN, SetValue, Unknown, Value
from goplugin_py.terraform.schema import Block, NestedBlock, Nesting

__all__ = ["with_blocks"]


def with_blocks(block: Block, value: Value) -> Value:
    """Return a value in which no nested block is null or unknown as a whole."""
    if value is None:
        return None
    return value | {
        name: _blocks(nested, value[name])
        for name, nested in block.blocks.items()
        if not nested.block.type.has_dynamic
    }


def _blocks(nested: NestedBlock, value: Value) -> Value:
    match nested.nesting:
        case Nesting.LIST:
            return list(_elements(nested, value))
        case Nesting.SET:
            return SetValue(_elements(nested, value))
        case Nesting.MAP:
            return value
    if isinstance(value, Unknown):
        return _unknown(nested.block)
    if value is None and nested.nesting is Nesting.GROUP:
        return nested.empty
    return with_blocks(nested.block, value)


def _elements(nested: NestedBlock, value: Value) -> list[Value]:
    if isinstance(value, Unknown):
        return [_unknown(nested.block)]
    return [with_blocks(nested.block, each) for each in value or ()]


def _unknown(block: Block) -> Value:
    """Return a block whose attributes are all unknown, in place of an unknown one."""
    attributes: dict[str, Value] = dict.fromkeys(block.attributes, UNKNOWN)
    return attributes | {
        name: {} if nested.nesting is Nesting.MAP else _blocks(nested, UNKNOWN)
        for name, nested in block.blocks.items()
    }
