"""Schemas, from the messages of either protocol."""

from collections.abc import Iterable, Mapping
from typing import Any

from goplugin_py.terraform.cty import CtyError, Type, type_from_json
from goplugin_py.terraform.diagnostics import misfit
from goplugin_py.terraform.errors import InvalidAnswer
from goplugin_py.terraform.on_demand import OnDemand
from goplugin_py.terraform.schema import (
    Attribute,
    Block,
    Function,
    IdentityAttribute,
    IdentitySchema,
    NestedBlock,
    NestedType,
    Nesting,
    Parameter,
    ProviderSchema,
    Schema,
    ServerCapabilities,
)
from goplugin_py.terraform.schema_rules import schema_problems

__all__ = ["read_identities", "read_schema"]

_MARKDOWN = 1  # tfplugin5 and 6: StringKind


def read_schema(
    message: Any, identities: Mapping[str, IdentitySchema]
) -> ProviderSchema:
    """Return what a provider's answer to GetProviderSchema says.

    The schemas of resource types, functions and so on are read when they are looked
    at, which raises `InvalidAnswer` as well.

    Raises:
        InvalidAnswer: It breaks the rules of schemas.
    """
    has_meta = message.HasField("provider_meta")
    return ProviderSchema(
        provider=_schema("the provider", message.provider),
        provider_meta=_schema("the metadata", message.provider_meta)
        if has_meta
        else None,
        resources=OnDemand(_schema, message.resource_schemas),
        data_sources=OnDemand(_schema, message.data_source_schemas),
        functions=OnDemand(_function, message.functions),
        ephemeral_resources=OnDemand(_schema, message.ephemeral_resource_schemas),
        list_resources=OnDemand(_schema, message.list_resource_schemas),
        actions=OnDemand(
            lambda name, one: _schema(name, one.schema), message.action_schemas
        ),
        identities=identities,
        capabilities=_capabilities(message.server_capabilities),
    )


def _capabilities(message: Any) -> ServerCapabilities:
    return ServerCapabilities(
        plan_destroy=message.plan_destroy,
        get_provider_schema_optional=message.get_provider_schema_optional,
        move_resource_state=message.move_resource_state,
        generate_resource_config=message.generate_resource_config,
    )


def _schema(name: str, message: Any) -> Schema:
    summary = f"Invalid schema of {name}"
    try:
        schema = Schema(message.version, _block(message.block))
    except CtyError as exc:
        raise InvalidAnswer([misfit(summary, exc)]) from exc
    if problems := list(schema_problems(schema.block)):
        raise InvalidAnswer(misfit(summary, each) for each in problems)
    return schema


def _block(message: Any) -> Block:
    attributes = _attributes(message.attributes)
    blocks = {each.type_name: _nested_block(each) for each in message.block_types}
    return Block(
        attributes,
        dict(sorted(blocks.items())),
        message.description,
        message.deprecated,
        message.deprecation_message,
        message.description_kind == _MARKDOWN,
    )


def _nested_block(message: Any) -> NestedBlock:
    return NestedBlock(
        message.type_name,
        _block(message.block),
        _nesting(message.type_name, message.nesting),
        message.min_items,
        message.max_items,
    )


def _nesting(name: str, number: int) -> Nesting:
    try:
        return Nesting(number)
    except ValueError:
        raise CtyError(f"{name!r} has no valid nesting mode") from None


def _attributes(messages: Iterable[Any]) -> dict[str, Attribute]:
    attributes = {each.name: _attribute(each) for each in messages}
    return dict(sorted(attributes.items()))


def _attribute(message: Any) -> Attribute:
    nested = _nested_type(message)
    # Protocol 5 has no nested types.
    return Attribute(
        message.name,
        nested.type if nested else _type(message.name, message.type),
        nested,
        message.description,
        message.required,
        message.optional,
        message.computed,
        message.sensitive,
        message.deprecated,
        message.write_only,
        message.deprecation_message,
        message.description_kind == _MARKDOWN,
    )


def _nested_type(message: Any) -> NestedType | None:
    if "nested_type" not in message.DESCRIPTOR.fields_by_name:
        return None
    if not message.HasField("nested_type"):
        return None
    nesting = _nesting(message.name, message.nested_type.nesting)
    return NestedType(_attributes(message.nested_type.attributes), nesting)


def _type(name: str, description: bytes) -> Type:
    try:
        return type_from_json(description).without_optional()
    except CtyError as exc:
        raise CtyError(f"{name!r} has no valid type: {exc}") from exc


def _function(name: str, message: Any) -> Function:
    try:
        has_variadic = message.HasField("variadic_parameter")
        return Function(
            name,
            tuple(map(_parameter, message.parameters)),
            _parameter(message.variadic_parameter) if has_variadic else None,
            # `return` is a word of Python's.
            _type("the result", getattr(message, "return").type),
            message.summary,
            message.description,
            message.deprecation_message,
        )
    except CtyError as exc:
        raise InvalidAnswer([misfit(f"Invalid schema of {name}", exc)]) from exc


def _parameter(message: Any) -> Parameter:
    return Parameter(
        message.name,
        _type(message.name, message.type),
        message.allow_null_value,
        message.allow_unknown_values,
        message.description,
    )


def read_identities(messages: Mapping[str, Any]) -> Mapping[str, IdentitySchema]:
    """Return what a provider's answer to GetResourceIdentitySchemas says.

    As in `read_schema`, each is read when it is looked at.
    """
    return OnDemand(_identity, messages)


def _identity(name: str, message: Any) -> IdentitySchema:
    try:
        attributes = {
            each.name: IdentityAttribute(
                each.name,
                _type(each.name, each.type),
                each.required_for_import,
                each.optional_for_import,
                each.description,
            )
            for each in message.identity_attributes
        }
    except CtyError as exc:
        raise InvalidAnswer([misfit(f"Invalid identity of {name}", exc)]) from exc
    return IdentitySchema(message.version, dict(sorted(attributes.items())))
