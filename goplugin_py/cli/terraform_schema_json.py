"""Schemas as `terraform providers schema -json` and `tofu ...` print them.

Terraform: `jsonprovider.Marshal`. Each release knows more of what is in a provider than
the one before; here is all of it. Functions are as in OpenTofu, where a description is
always there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from goplugin_py.terraform.cty import Type, type_to_json
from goplugin_py.terraform.schema import (
    Attribute,
    Block,
    Function,
    IdentityAttribute,
    IdentitySchema,
    NestedBlock,
    NestedType,
    Parameter,
    ProviderSchema,
    Schema,
)

__all__ = ["KINDS", "provider_schemas"]

FORMAT_VERSION = "1.0"

# Where a provider's schema has something, by its name in the JSON.
KINDS = {
    "resource_schemas": "resources",
    "data_source_schemas": "data_sources",
    "ephemeral_resource_schemas": "ephemeral_resources",
    "list_resource_schemas": "list_resources",
    "action_schemas": "actions",
    "functions": "functions",
    "resource_identity_schemas": "identities",
}


def provider_schemas(address: str, schema: ProviderSchema) -> dict[str, Any]:
    """Return what is printed for one provider."""
    kinds = {
        name: {each: _described(found) for each, found in getattr(schema, kind).items()}
        for name, kind in KINDS.items()
    }
    provider = {"provider": _schema(schema.provider), **_present(kinds)}
    return {"format_version": FORMAT_VERSION, "provider_schemas": {address: provider}}


def _present(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what Go leaves out: `omitempty`."""
    return {name: value for name, value in fields.items() if value}


def _described(found: Schema | Function | IdentitySchema) -> dict[str, Any]:
    match found:
        case Function():
            return _function(found)
        case IdentitySchema():
            return _identity(found)
    return _schema(found)


def _schema(schema: Schema) -> dict[str, Any]:
    return {"version": schema.version, "block": _block(schema.block)}


def _block(block: Block) -> dict[str, Any]:
    return _present(
        {
            "attributes": _attributes(block.attributes),
            "block_types": {
                name: _nested_block(each) for name, each in block.blocks.items()
            },
            **_description(block),
        }
    )


def _description(part: Block | Attribute) -> dict[str, Any]:
    return {
        "description": part.description,
        "description_kind": "markdown" if part.is_markdown else "plain",
        "deprecated": part.is_deprecated,
        "deprecation_message": part.deprecation_message,
    }


def _nested_block(nested: NestedBlock) -> dict[str, Any]:
    return _present(
        {
            "nesting_mode": nested.nesting.name.lower(),
            "block": _block(nested.block),
            "min_items": nested.min_items,
            "max_items": nested.max_items,
        }
    )


def _attributes(attributes: Mapping[str, Attribute]) -> dict[str, Any]:
    return {name: _attribute(each) for name, each in attributes.items()}


def _attribute(attribute: Attribute) -> dict[str, Any]:
    nested = attribute.nested_type
    return _present(
        {
            "type": None if nested else _type(attribute.type),
            "nested_type": _nested_type(nested) if nested else None,
            **_description(attribute),
            "required": attribute.is_required,
            "optional": attribute.is_optional,
            "computed": attribute.is_computed,
            "sensitive": attribute.is_sensitive,
            "write_only": attribute.is_write_only,
        }
    )


def _nested_type(nested: NestedType) -> dict[str, Any]:
    return {
        "attributes": _attributes(nested.attributes),
        "nesting_mode": nested.nesting.name.lower(),
    }


def _type(kind: Type) -> Any:
    return json.loads(type_to_json(kind))


def _function(function: Function) -> dict[str, Any]:
    variadic = function.variadic
    return {
        "description": function.description,
        "summary": function.summary,
        "return_type": _type(function.result),
        **_present(
            {
                "deprecation_message": function.deprecation_message,
                "parameters": list(map(_parameter, function.parameters)),
                "variadic_parameter": _parameter(variadic) if variadic else None,
            }
        ),
    }


def _parameter(parameter: Parameter) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "description": parameter.description,
        "type": _type(parameter.type),
        **_present({"is_nullable": parameter.allows_null}),
    }


def _identity(identity: IdentitySchema) -> dict[str, Any]:
    attributes = {n: _identity_attribute(a) for n, a in identity.attributes.items()}
    return {"version": identity.version, **_present({"attributes": attributes})}


def _identity_attribute(attribute: IdentityAttribute) -> dict[str, Any]:
    return _present(
        {
            "type": _type(attribute.type),
            "description": attribute.description,
            "required_for_import": attribute.is_required_for_import,
            "optional_for_import": attribute.is_optional_for_import,
        }
    )
