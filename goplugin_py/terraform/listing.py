"""List resources: what exists of a type, found by a provider."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from goplugin_py.terraform.answers import known_value
from goplugin_py.terraform.configuration import configured
from goplugin_py.terraform.connection import Connection, settle
from goplugin_py.terraform.cty import BOOL, NUMBER, Value
from goplugin_py.terraform.diagnostics import error
from goplugin_py.terraform.errors import InvalidAnswer
from goplugin_py.terraform.resource_calls import ResourceCalls
from goplugin_py.terraform.schema import ProviderSchema, Schema
from goplugin_py.terraform.state import State

__all__ = ["Found", "ListResource"]


@dataclass(frozen=True, slots=True)
class Found:
    """A resource that exists.

    Attributes:
        display_name: What to call it.
        identity: What identifies it; import it with that.
        state: Its state, if that was asked for.
    """

    display_name: str
    identity: Value
    state: State | None


class ListResource:
    """A list resource of a provider.

    Attributes:
        type_name: Its name, and the one of the resource type that it lists.
        schema: The form of its configuration.
    """

    def __init__(
        self, type_name: str, connection: Connection, provider: ProviderSchema
    ) -> None:
        self.type_name = type_name
        self.schema: Schema = provider.list_resources[type_name]
        self._calls = ResourceCalls(type_name, connection, provider)

    def list(
        self,
        config: Mapping[str, object] | None = None,
        *,
        limit: int = 100,
        with_states: bool = False,
    ) -> Iterator[Found]:
        """Yield what exists, as the provider finds it; closing the iterator stops it.

        Args:
            config: What to look for.
            limit: Stop after so many.
            with_states: Ask for the state of each.

        Raises:
            InvalidConfig: The configuration does not fit the schema.
            DiagnosticError: The provider refuses it, or fails.
            InvalidAnswer: An answer breaks the rules.
        """
        protocol = self._calls.protocol
        value = configured(self.schema.block, config or {})
        packed = protocol.pack_block(value, self.schema.block)
        answer = self._calls.connection.call(
            "ValidateListResourceConfig",
            type_name=self.type_name,
            config=packed,
            include_resource_object=protocol.pack(with_states, BOOL),
            limit=protocol.pack(limit, NUMBER),
        )
        settle(answer.diagnostics)
        return self._found(packed, limit, with_states=with_states)

    def _found(self, config: Any, limit: int, *, with_states: bool) -> Iterator[Found]:
        events = self._calls.connection.stream(
            "ListResource",
            type_name=self.type_name,
            config=config,
            include_resource_object=with_states,
            limit=limit,
        )
        count = 0
        try:
            for event in events:
                if count >= limit:
                    return
                settle(event.diagnostic)
                if event.HasField("identity") or event.display_name:
                    count += 1
                    yield self._one(event)
        finally:
            events.close()

    def _one(self, event: Any) -> Found:
        identity = self._calls.identity(event.identity)
        if identity is None:
            detail = "Each resource that a provider lists must have an identity."
            raise InvalidAnswer([error("No identity", detail)])
        state = None
        if event.HasField("resource_object"):
            value = known_value(
                self._calls.protocol, event.resource_object, self._calls.block
            )
            state = self._calls.state(value, b"", identity)
        return Found(event.display_name, identity, state)
