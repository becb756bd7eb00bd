"""Data sources: what a provider can look up."""

from collections.abc import Mapping

from goplugin_py.terraform.answers import known_value
from goplugin_py.terraform.configuration import configured
from goplugin_py.terraform.connection import Connection, settle
from goplugin_py.terraform.cty import Value, unknown_paths
from goplugin_py.terraform.diagnostics import error
from goplugin_py.terraform.errors import InvalidAnswer, InvalidConfig
from goplugin_py.terraform.proposed import unknown_where_computed
from goplugin_py.terraform.resource_calls import refuse_deferral
from goplugin_py.terraform.schema import ProviderSchema, Schema
from goplugin_py.terraform.state import State

__all__ = ["DataSource"]


class DataSource:
    """A data source of a provider.

    Attributes:
        type_name: Its name.
        schema: The form of its configuration and result.
    """

    def __init__(
        self, type_name: str, connection: Connection, provider: ProviderSchema
    ) -> None:
        self.type_name = type_name
        self.schema: Schema = provider.data_sources[type_name]
        self._connection = connection
        self._meta = provider.provider_meta

    def plan(self, config: Mapping[str, object] | None = None) -> dict[str, Value]:
        """Return what is known of the result before it is read.

        What the provider will tell is `UNKNOWN`; the configuration may have such
        values as well. The provider is not asked.

        Raises:
            InvalidConfig: The configuration does not fit the schema.
        """
        block = self.schema.block
        known: dict[str, Value] = unknown_where_computed(
            block, configured(block, config or {})
        )
        return known

    def read(self, config: Mapping[str, object] | None = None) -> State:
        """Look it up.

        Raises:
            InvalidConfig: The configuration does not fit the schema, or is not known.
            DiagnosticError: The provider refuses it, or finds nothing.
            InvalidAnswer: The answer breaks the rules.
        """
        block, protocol = self.schema.block, self._connection.protocol
        value = configured(block, config or {})
        if unknown := list(unknown_paths(value, block.type)):
            detail = "What a data source is looked up by must be known."
            raise InvalidConfig([error("Unknown value", detail, unknown[0])])
        packed = protocol.pack_block(value, block)
        answer = self._connection.call(
            "ValidateDataResourceConfig", type_name=self.type_name, config=packed
        )
        settle(answer.diagnostics)
        meta = self._meta
        answer = self._connection.call(
            "ReadDataSource",
            type_name=self.type_name,
            config=packed,
            provider_meta=protocol.pack_block(None, meta.block) if meta else None,
            client_capabilities=protocol.capabilities(),
        )
        settle(answer.diagnostics)
        refuse_deferral(answer)
        result = known_value(protocol, answer.state, block)
        if result is None:
            detail = "A data source that finds nothing must say so, not be null."
            raise InvalidAnswer([error("Provider produced a null object", detail)])
        return State(self.type_name, result, block.type)
