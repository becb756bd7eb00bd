"""Data sources: what a provider can look up."""

from __future__ import annotations

from collections.abc import Mapping

from goplugin_py.terraform import data_source
from goplugin_py.terraform.aio.operations import Operations
from goplugin_py.terraform.cty import Value
from goplugin_py.terraform.schema import Schema
from goplugin_py.terraform.state import State

__all__ = ["DataSource"]


class DataSource:
    """A data source; see `goplugin_py.terraform.data_source.DataSource`.

    Attributes:
        type_name: Its name.
        schema: The form of its configuration and result.
    """

    def __init__(self, type_name: str, operations: Operations) -> None:
        self.type_name = type_name
        self.schema: Schema = operations.schema.data_sources[type_name]
        self._operations = operations

    def plan(self, config: Mapping[str, object] | None = None) -> dict[str, Value]:
        """Return what is known of the result before it is read.

        What the provider will tell is `UNKNOWN`; the configuration may have such
        values as well. The provider is not asked.

        Raises:
            InvalidConfig: The configuration does not fit the schema.
        """
        connection, schema = self._operations.connection, self._operations.schema
        return data_source.DataSource(self.type_name, connection, schema).plan(config)

    async def read(self, config: Mapping[str, object] | None = None) -> State:
        """Look it up.

        Raises:
            InvalidConfig: The configuration does not fit the schema, or is not known.
            DiagnosticError: The provider refuses it, or finds nothing.
            InvalidAnswer: The answer breaks the rules.
        """
        schema = self._operations.schema
        return await self._operations.run(
            f"read-{self.type_name}",
            lambda connection: data_source.DataSource(
                self.type_name, connection, schema
            ).read(config),
        )
