"""List resources: what exists of a type, found by a provider."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping

from goplugin_py.terraform import listing
from goplugin_py.terraform.aio.operations import Operations
from goplugin_py.terraform.listing import Found
from goplugin_py.terraform.schema import Schema

__all__ = ["ListResource"]


class ListResource:
    """A list resource; see `goplugin_py.terraform.listing.ListResource`.

    Attributes:
        type_name: Its name, and the one of the resource type that it lists.
        schema: The form of its configuration.
    """

    def __init__(self, type_name: str, operations: Operations) -> None:
        self.type_name = type_name
        self.schema: Schema = operations.schema.list_resources[type_name]
        self._operations = operations

    def list(
        self,
        config: Mapping[str, object] | None = None,
        *,
        limit: int = 100,
        with_states: bool = False,
    ) -> AsyncGenerator[Found]:
        """Yield what exists, as the provider finds it; closing the iterator stops it.

        It begins with the first one that is asked for, errors too.

        Args:
            config: What to look for.
            limit: Stop after so many.
            with_states: Ask for the state of each.

        Raises:
            InvalidConfig: The configuration does not fit the schema.
            DiagnosticError: The provider refuses it, or fails.
            InvalidAnswer: An answer breaks the rules.
        """
        schema = self._operations.schema
        return self._operations.stream(
            f"list-{self.type_name}",
            lambda connection: listing.ListResource(
                self.type_name, connection, schema
            ).list(config, limit=limit, with_states=with_states),
        )
