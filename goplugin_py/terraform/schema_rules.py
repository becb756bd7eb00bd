"""The rules that schemas keep (Terraform: `configschema.Block.InternalValidate`)."""

import re
from collections.abc import Iterator

from goplugin_py.terraform.cty import CtyError, Path
from goplugin_py.terraform.schema import Attribute, Block, NestedBlock, Nesting

__all__ = ["schema_problems"]

_BLOCK_NAME = re.compile(r"[a-z0-9_]+")


def schema_problems(block: Block, path: Path | None = None) -> Iterator[CtyError]:
    """Yield where a schema breaks the rules."""
    path = path or Path()
    for name, attribute in block.attributes.items():
        yield from _attribute(attribute, path.attribute(name))
    for name, nested in block.blocks.items():
        below = path.attribute(name)
        if name in block.attributes:
            yield CtyError("it is both an attribute and a block", below)
        yield from _block(nested, below)


def _attribute(attribute: Attribute, path: Path) -> Iterator[CtyError]:
    is_used = attribute.is_optional or attribute.is_computed or attribute.is_required
    if not is_used:
        yield CtyError("an attribute is required, optional or computed", path)
    if attribute.is_required and (attribute.is_optional or attribute.is_computed):
        yield CtyError("a required attribute is neither optional nor computed", path)
    if nested := attribute.nested_type:
        if nested.nesting is Nesting.GROUP:
            yield CtyError("an attribute can't be a group", path)
        if nested.nesting is Nesting.SET and attribute.has_write_only:
            yield CtyError("a set can't hold write-only attributes", path)
        if nested.nesting is Nesting.SET and attribute.type.has_dynamic:
            yield CtyError("a set can't hold dynamic attributes", path)
        for name, each in nested.attributes.items():
            yield from _attribute(each, path.attribute(name))


def _block(nested: NestedBlock, path: Path) -> Iterator[CtyError]:
    if not _BLOCK_NAME.fullmatch(nested.name):
        yield CtyError("a block's name is of a-z, 0-9 and _", path)
    if not _can_be_counted(nested):
        yield CtyError("the numbers of blocks do not go with the nesting", path)
    if nested.nesting is Nesting.SET and nested.block.has_write_only:
        yield CtyError("a set can't hold write-only attributes", path)
    if nested.nesting is Nesting.SET and nested.block.type.has_dynamic:
        yield CtyError("a set can't hold dynamic attributes", path)
    yield from schema_problems(nested.block, path)


def _can_be_counted(nested: NestedBlock) -> bool:
    least, most = nested.min_items, nested.max_items
    match nested.nesting:
        case Nesting.SINGLE:
            return least == most and least in {0, 1}
        case Nesting.LIST | Nesting.SET:
            return least >= 0 and (most == 0 or least <= most)
    return least == most == 0
