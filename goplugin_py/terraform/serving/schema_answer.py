"""Schemas, as messages of either protocol; the way back is `schema_messages`."""

from __future__ import annotations

from typing import Any

from goplugin_py.terraform.cty import type_to_json
from goplugin_py.terraform.protocol import Protocol
from goplugin_py.terraform.schema import (
    Attribute,
    Block,
    Function,
    IdentitySchema,
    NestedBlock,
    NestedType,
    Parameter,
    ProviderSchema,
    Schema,
    ServerCapabilities,
)

__all__ = ["SchemaWriter"]


class SchemaWriter:
    """Writes schemas into the messages of one protocol."""

    def __init__(self, protocol: Protocol) -> None:
        self._messages: Any = protocol.messages

    def fill(self, answer: Any, schema: ProviderSchema) -> None:
        """Write all that a provider offers into the answer to GetProviderSchema."""
        answer.provider.CopyFrom(self._schema(schema.provider))
        for schemas, into in (
            (schema.resources, answer.resource_schemas),
            (schema.data_sources, answer.data_source_schemas),
            (schema.ephemeral_resources, answer.ephemeral_resource_schemas),
        ):
            for name, each in schemas.items():
                into[name].CopyFrom(self._schema(each))
        for name, function in schema.functions.items():
            answer.functions[name].CopyFrom(self.function(function))
        self.fill_capabilities(answer, schema.capabilities)

    def fill_capabilities(self, answer: Any, capabilities: ServerCapabilities) -> None:
        """Write what a provider can do into an answer."""
        answer.server_capabilities.plan_destroy = capabilities.plan_destroy
        answer.server_capabilities.get_provider_schema_optional = (
            capabilities.get_provider_schema_optional
        )
        answer.server_capabilities.move_resource_state = (
            capabilities.move_resource_state
        )

    def _schema(self, schema: Schema) -> Any:
        block = self._block(schema.block)
        return self._messages.Schema(version=schema.version, block=block)

    def _block(self, block: Block) -> Any:
        return self._messages.Schema.Block(
            attributes=map(self._attribute, block.attributes.values()),
            block_types=map(self._nested_block, block.blocks.values()),
            description=block.description,
            deprecated=block.is_deprecated,
            deprecation_message=block.deprecation_message,
        )

    def _nested_block(self, nested: NestedBlock) -> Any:
        return self._messages.Schema.NestedBlock(
            type_name=nested.name,
            block=self._block(nested.block),
            nesting=nested.nesting.value,
            min_items=nested.min_items,
            max_items=nested.max_items,
        )

    def _attribute(self, attribute: Attribute) -> Any:
        message = self._messages.Schema.Attribute(
            name=attribute.name,
            description=attribute.description,
            required=attribute.is_required,
            optional=attribute.is_optional,
            computed=attribute.is_computed,
            sensitive=attribute.is_sensitive,
            deprecated=attribute.is_deprecated,
            write_only=attribute.is_write_only,
            deprecation_message=attribute.deprecation_message,
        )
        if attribute.nested_type is None:
            message.type = type_to_json(attribute.type)
        else:
            message.nested_type.CopyFrom(self._nested_type(attribute.nested_type))
        return message

    def _nested_type(self, nested: NestedType) -> Any:
        return self._messages.Schema.Object(
            attributes=map(self._attribute, nested.attributes.values()),
            nesting=nested.nesting.value,
        )

    def function(self, function: Function) -> Any:
        """Return the message of a function."""
        message = self._messages.Function(
            parameters=map(self._parameter, function.parameters),
            variadic_parameter=function.variadic and self._parameter(function.variadic),
            summary=function.summary,
            description=function.description,
            deprecation_message=function.deprecation_message,
        )
        # `return` is a word of Python's.
        getattr(message, "return").type = type_to_json(function.result)
        return message

    def _parameter(self, parameter: Parameter) -> Any:
        return self._messages.Function.Parameter(
            name=parameter.name,
            type=type_to_json(parameter.type),
            allow_null_value=parameter.allows_null,
            allow_unknown_values=parameter.allows_unknown,
            description=parameter.description,
        )

    def identity(self, schema: IdentitySchema) -> Any:
        """Return the message of an identity."""
        part = self._messages.ResourceIdentitySchema.IdentityAttribute
        return self._messages.ResourceIdentitySchema(
            version=schema.version,
            identity_attributes=[
                part(
                    name=each.name,
                    type=type_to_json(each.type),
                    required_for_import=each.is_required_for_import,
                    optional_for_import=each.is_optional_for_import,
                    description=each.description,
                )
                for each in schema.attributes.values()
            ],
        )
