"""`goplugin terraform schema`: what a provider offers."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from goplugin_py.cli.output import show_json, show_table
from goplugin_py.cli.terraform_address import address_of
from goplugin_py.cli.terraform_provider import with_provider
from goplugin_py.cli.terraform_schema_json import KINDS, provider_schemas
from goplugin_py.terraform import Provider, UnknownName
from goplugin_py.terraform.schema import (
    Attribute,
    Block,
    Function,
    NestedBlock,
    Nesting,
    Parameter,
    ProviderSchema,
    Schema,
)


def run(options: argparse.Namespace) -> int:
    """Start the provider and show what is in it, or one of its parts in full."""
    return with_provider(options, partial(_show, options), is_configured=False)


def _show(options: argparse.Namespace, provider: Provider) -> int:
    schema = provider.schema
    if options.name:
        schema = _only(options.name, schema)
    if options.json:
        address = options.address or address_of(options.provider)
        show_json(provider_schemas(address, schema))
    elif options.name:
        head = ("kind", "name", "part", "type", "use", "description")
        show_table(head, list(_parts(schema)))
    else:
        show_table(("kind", "name", "what it takes"), list(_overview(schema)))
    return 0


def _only(name: str, schema: ProviderSchema) -> ProviderSchema:
    """Return the schema with what has the name, and nothing else.

    Raises:
        UnknownName: Nothing has it.
    """
    found = {
        kind: {
            each: part for each, part in getattr(schema, kind).items() if each == name
        }
        for kind in KINDS.values()
    }
    if not any(found.values()):
        raise UnknownName(f"the provider has no {name!r}")
    changes: dict[str, Any] = found
    return replace(schema, **changes)


def _kinds(schema: ProviderSchema) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for kind in KINDS.values():
        if kind != "identities":
            yield kind.removesuffix("s").replace("_", " "), getattr(schema, kind)


def _overview(schema: ProviderSchema) -> Iterator[tuple[str, str, str]]:
    yield "provider", "", ", ".join(_names(schema.provider.block))
    for kind, found in _kinds(schema):
        for name, part in found.items():
            yield kind, name, _taken(part)


def _taken(part: Schema | Function) -> str:
    if isinstance(part, Schema):
        return ", ".join(_names(part.block))
    names = [each.name for each in part.parameters]
    return ", ".join([*names, *([f"{part.variadic.name}..."] if part.variadic else [])])


def _names(block: Block) -> Iterator[str]:
    """Yield what can be configured; what must be comes first."""
    settable = [a for a in block.attributes.values() if a.is_required or a.is_optional]
    yield from (each.name for each in settable if each.is_required)
    yield from (f"[{each.name}]" for each in settable if not each.is_required)
    yield from (f"{name} {{}}" for name in block.blocks)


_Row = tuple[str, str, str, str, str, str]


def _parts(schema: ProviderSchema) -> Iterator[_Row]:
    for kind, found in _kinds(schema):
        for name, part in found.items():
            rows = _signature(part) if isinstance(part, Function) else _rows(part.block)
            yield from ((kind, name, *row) for row in rows)


def _signature(function: Function) -> Iterator[tuple[str, str, str, str]]:
    for each in function.parameters:
        yield _argument(each, each.name)
    if function.variadic is not None:
        yield _argument(function.variadic, f"{function.variadic.name}...")
    yield "", str(function.result), "result", _short(function.summary)


def _argument(parameter: Parameter, name: str) -> tuple[str, str, str, str]:
    use = "argument or null" if parameter.allows_null else "argument"
    return name, str(parameter.type), use, _short(parameter.description)


def _rows(block: Block, above: str = "") -> Iterator[tuple[str, str, str, str]]:
    for name, each in block.attributes.items():
        yield from _attribute(each, f"{above}{name}")
    for name, nested in block.blocks.items():
        yield f"{above}{name}", *_block(nested)
        yield from _rows(nested.block, f"{above}{name}.")


def _attribute(each: Attribute, name: str) -> Iterator[tuple[str, str, str, str]]:
    nested = each.nested_type
    kind = _many("object", nested.nesting) if nested else str(each.type)
    yield name, kind, _use(each), _short(each.description)
    for inner, part in (nested.attributes if nested else {}).items():
        yield from _attribute(part, f"{name}.{inner}")


def _block(nested: NestedBlock) -> tuple[str, str, str]:
    least, most = nested.min_items, nested.max_items
    count = f"{least} to {most or 'any number'}" if least or most else ""
    kind = _many("block", nested.nesting)
    return kind, count, _short(nested.block.description)


def _many(what: str, nesting: Nesting) -> str:
    if nesting in {Nesting.SINGLE, Nesting.GROUP}:
        return what
    return f"{nesting.name.lower()} of {what}s"


def _use(attribute: Attribute) -> str:
    uses = {
        "required": attribute.is_required,
        "optional": attribute.is_optional,
        "computed": attribute.is_computed,
        "sensitive": attribute.is_sensitive,
        "write-only": attribute.is_write_only,
        "deprecated": attribute.is_deprecated,
    }
    return ", ".join(word for word, applies in uses.items() if applies)


def _short(text: str) -> str:
    """Return the first sentence on one line."""
    return re.split(r"(?<=[.!?])\s(?=[A-Z])", " ".join(text.split()), maxsplit=1)[0]
