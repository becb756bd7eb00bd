"""Actions: what a provider can do beside looking after resources."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping

from goplugin_py.terraform import action
from goplugin_py.terraform.aio.operations import Operations
from goplugin_py.terraform.connection import Connection
from goplugin_py.terraform.schema import Schema

__all__ = ["ProviderAction"]


class ProviderAction:
    """An action; see `goplugin_py.terraform.action.ProviderAction`.

    Attributes:
        type_name: Its name.
        schema: The form of its configuration.
    """

    def __init__(self, type_name: str, operations: Operations) -> None:
        self.type_name = type_name
        self.schema: Schema = operations.schema.actions[type_name]
        self._operations = operations

    def _blocking(self, connection: Connection) -> action.ProviderAction:
        schema = self._operations.schema
        return action.ProviderAction(self.type_name, connection, schema)

    async def plan(self, config: Mapping[str, object] | None = None) -> None:
        """Let the provider check whether it could do it.

        Raises:
            InvalidConfig: The configuration does not fit the schema.
            DiagnosticError: The provider refuses it.
        """
        await self._operations.run(
            f"plan-{self.type_name}", lambda each: self._blocking(each).plan(config)
        )

    def invoke(self, config: Mapping[str, object] | None = None) -> AsyncGenerator[str]:
        """Do it, and yield the provider's messages on the way.

        It begins with the first message that is asked for, errors too, and has
        happened once the iterator ends; closing the iterator cancels it.

        Raises:
            InvalidConfig: The configuration does not fit the schema, or is not known.
            DiagnosticError: The provider refuses it, or failed.
            InvalidAnswer: It ended without saying that it was done.
        """
        return self._operations.stream(
            f"invoke-{self.type_name}", lambda each: self._blocking(each).invoke(config)
        )
