"""Write-only attributes: sent to a provider, and never told by it."""

from collections.abc import Iterator, Mapping

from goplugin_py.terraform.cty import CtyError, Path, Unknown, Value
from goplugin_py.terraform.schema import Attribute, Block, NestedType, Nesting

__all__ = ["write_only_problems"]


def write_only_problems(
    block: Block, value: Value, path: Path | None = None
) -> Iterator[CtyError]:
    """Yield where a value that a provider answered has a write-only attribute."""
    path = path or Path()
    if not block.has_write_only or value is None or isinstance(value, Unknown):
        return
    yield from _attributes(block.attributes, value, path)
    for name, nested in block.blocks.items():
        for below, each in _each(nested.nesting, value[name], path.attribute(name)):
            yield from write_only_problems(nested.block, each, below)


def _attributes(
    attributes: Mapping[str, Attribute], value: Value, path: Path
) -> Iterator[CtyError]:
    for name, attribute in attributes.items():
        below = path.attribute(name)
        if attribute.is_write_only and value[name] is not None:
            yield CtyError("a write-only attribute has a value in an answer", below)
        elif attribute.nested_type is not None and attribute.has_write_only:
            yield from _nested(attribute.nested_type, value[name], below)


def _nested(nested: NestedType, value: Value, path: Path) -> Iterator[CtyError]:
    for below, each in _each(nested.nesting, value, path):
        yield from _attributes(nested.attributes, each, below)


def _each(nesting: Nesting, value: Value, path: Path) -> Iterator[tuple[Path, Value]]:
    """Yield the objects in a value, without those that are null or unknown."""
    if value is None or isinstance(value, Unknown):
        return
    if nesting in {Nesting.SINGLE, Nesting.GROUP}:
        yield path, value
        return
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, each in items:
        if each is not None and not isinstance(each, Unknown):
            yield path.element(key), each
