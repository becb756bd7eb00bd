"""Managed resources: planned, read, imported, and brought up to date."""

import json
from collections.abc import Mapping
from typing import Any

from goplugin_py.terraform.answers import block_value, known_value
from goplugin_py.terraform.applier import PlanApplier
from goplugin_py.terraform.configuration import configured
from goplugin_py.terraform.connection import Connection, settle
from goplugin_py.terraform.cty import (
    CtyError,
    List,
    Map,
    Object,
    Set,
    Type,
    Value,
    from_python,
    is_wholly_known,
)
from goplugin_py.terraform.diagnostics import error, misfit
from goplugin_py.terraform.errors import InvalidAnswer, InvalidConfig
from goplugin_py.terraform.legacy import with_blocks
from goplugin_py.terraform.plan import Plan
from goplugin_py.terraform.resource_calls import ResourceCalls, refuse_deferral
from goplugin_py.terraform.schema import IdentitySchema, ProviderSchema, Schema
from goplugin_py.terraform.state import State

__all__ = ["Resource"]


class Resource:
    """A resource type of a provider, of which there may be any number of resources.

    Attributes:
        type_name: Its name, such as `time_sleep`.
        schema: The form of its configuration and state.
        identity_schema: The form of its identity; None if it has none.
    """

    def __init__(
        self, type_name: str, connection: Connection, provider: ProviderSchema
    ) -> None:
        self.type_name = type_name
        self._calls = ResourceCalls(type_name, connection, provider)
        self.schema: Schema = self._calls.schema
        self.identity_schema: IdentitySchema | None = self._calls.identity_schema
        self._planner = PlanApplier(self._calls).planner

    def validate(self, config: Mapping[str, object]) -> None:
        """Check a configuration, which may have unknown values.

        Raises:
            InvalidConfig: It does not fit the schema; the provider was not asked.
            DiagnosticError: The provider refuses it.
        """
        self._calls.validate(configured(self.schema.block, config))

    def plan(
        self,
        config: Mapping[str, object],
        prior: State | None = None,
        *,
        replace: bool = False,
    ) -> Plan:
        """Plan what to do for a configuration, and check it as Terraform does.

        Args:
            config: What is wanted; what is left out is null, or empty if it is a
                block. Values may be `UNKNOWN`, until the plan is applied.
            prior: What exists; None if nothing does.
            replace: Replace it even where it could be updated.

        Raises:
            InvalidConfig: The configuration does not fit the schema.
            DiagnosticError: The provider refuses it.
            InvalidAnswer: The provider's plan breaks the rules.
        """
        value = configured(self.schema.block, config)
        self._calls.validate(value)
        return self._planner.plan(value, prior, must_replace=replace)

    def plan_destroy(self, state: State) -> Plan:
        """Plan to destroy what exists.

        Raises:
            DiagnosticError: The provider refuses it.
            InvalidAnswer: The provider plans something else.
        """
        return self._planner.plan_destroy(state)

    def destroy(self, state: State) -> None:
        """Destroy what exists.

        Raises:
            ApplyFailed: It was not destroyed; the error has what is left.
            ApplyInterrupted: The provider died meanwhile.
        """
        self.plan_destroy(state).apply()

    def read(self, state: State) -> State | None:
        """Return what exists now; None if it is gone.

        Raises:
            DiagnosticError: The provider can't tell.
            InvalidAnswer: Its answer breaks the rules.
        """
        answer = self._calls.connection.call(
            "ReadResource",
            type_name=self.type_name,
            current_state=self._pack(state.value),
            private=state.private,
            provider_meta=self._calls.meta(),
            client_capabilities=self._calls.protocol.capabilities(),
            current_identity=self._calls.pack_identity(state.identity),
        )
        settle(answer.diagnostics)
        refuse_deferral(answer)
        value = with_blocks(self.schema.block, self._known(answer.new_state))
        identity = self._calls.identity(answer.new_identity)
        return self._state(value, answer.private, identity, is_tainted=state.is_tainted)

    def import_state(
        self,
        id: str | None = None,  # noqa: A002 - as everywhere in Terraform
        *,
        identity: Mapping[str, object] | None = None,
    ) -> State:
        """Find a resource that exists, by its id or its identity.

        Raises:
            DiagnosticError: There is none, or the provider can't import the type.
            InvalidAnswer: The provider's answer breaks the rules.
        """
        if (id is None) == (identity is None):
            raise ValueError("an import is by id or by identity, one of the two")
        answer = self._calls.connection.call(
            "ImportResourceState",
            type_name=self.type_name,
            id=id,
            client_capabilities=self._calls.protocol.capabilities(),
            identity=self._import_identity(identity),
        )
        settle(answer.diagnostics)
        refuse_deferral(answer)
        found = self.read(self._imported(answer.imported_resources))
        if found is None:
            detail = f"There is no {self.type_name} {id or identity!r}."
            raise InvalidConfig([error("Cannot import non-existent object", detail)])
        return found

    def _import_identity(self, identity: Mapping[str, object] | None) -> Any:
        if identity is None:
            return None
        if self.identity_schema is None:
            detail = f"Resources of type {self.type_name} have no identity: use an id."
            raise InvalidConfig([error("No identity", detail)])
        kind = self.identity_schema.type
        assert isinstance(kind, Object)
        names = kind.attributes.keys() - _required(self.identity_schema)
        try:
            value = from_python(identity, Object(kind.attributes, names))
        except CtyError as exc:
            raise InvalidConfig([misfit("Invalid identity", exc)]) from exc
        return self._calls.pack_identity(value)

    def _imported(self, messages: Any) -> State:
        if len(messages) != 1 or messages[0].type_name != self.type_name:
            names = ", ".join(each.type_name for each in messages) or "nothing"
            detail = f"One {self.type_name} was asked for; the provider found: {names}."
            raise InvalidAnswer([error("Unexpected import", detail)])
        [message] = messages
        value = self._known(message.state)
        identity = self._calls.identity(message.identity)
        state = self._state(value, message.private, identity)
        if state is None:
            detail = "The provider imported a resource without a state."
            raise InvalidAnswer([error("Unexpected import", detail)])
        return state

    def upgrade(
        self,
        attributes: bytes | Mapping[str, object],
        version: int,
        *,
        private: bytes = b"",
        identity: Value = None,
    ) -> State:
        """Bring a state that was stored up to the provider's present schema.

        Args:
            attributes: As in a state file: JSON, or what JSON holds.
            version: The schema's version that they were stored with.
            private: What was stored with them.
            identity: What was stored with them, up to date.

        Raises:
            InvalidConfig: The state is of a newer provider.
            DiagnosticError: The provider can't upgrade it.
            InvalidAnswer: Its answer breaks the rules.
        """
        if version > self.schema.version:
            detail = (
                f"It has version {version}, and this provider knows {self.type_name} "
                f"up to version {self.schema.version}: use a newer provider."
            )
            raise InvalidConfig([error("State of a newer provider", detail)])
        data = _json(attributes)
        if version == self.schema.version:
            data = _without_removed(data, self.schema.block.type)
        answer = self._calls.connection.call(
            "UpgradeResourceState",
            type_name=self.type_name,
            version=version,
            raw_state=self._calls.protocol.raw_state(data),
        )
        settle(answer.diagnostics)
        return self._transformed(answer.upgraded_state, private, identity)

    def move(
        self,
        attributes: bytes | Mapping[str, object],
        *,
        provider: str,
        type_name: str,
        version: int = 0,
        private: bytes = b"",
    ) -> State:
        """Turn a state of another resource type into one of this type.

        Args:
            attributes: As in a state file: JSON, or what JSON holds.
            provider: The address of the provider that they are from.
            type_name: The resource type that they are of.
            version: The version of the schema that they were stored with.
            private: What was stored with them.

        Raises:
            DiagnosticError: The provider can't move it.
            InvalidAnswer: Its answer breaks the rules.
        """
        if not self._calls.provider.capabilities.move_resource_state:
            detail = "This provider can't move states from one type to another."
            raise InvalidConfig([error("Move not supported", detail)])
        answer = self._calls.connection.call(
            "MoveResourceState",
            source_provider_address=provider,
            source_type_name=type_name,
            source_schema_version=version,
            source_state=self._calls.protocol.raw_state(_json(attributes)),
            source_private=private,
            target_type_name=self.type_name,
        )
        settle(answer.diagnostics)
        identity = self._calls.identity(answer.target_identity)
        return self._transformed(answer.target_state, answer.target_private, identity)

    def _transformed(self, message: Any, private: bytes, identity: Value) -> State:
        state = self._state(self._known(message), private, identity)
        if state is None:
            detail = f"The provider made nothing of a state of {self.type_name}."
            raise InvalidAnswer([error("Invalid state transformation", detail)])
        return state

    def generate_config(self, state: State) -> dict[str, Value]:
        """Return a configuration that describes what exists.

        Raises:
            NotSupported: The provider can't; its capabilities tell.
            DiagnosticError: It failed.
        """
        answer = self._calls.connection.call(
            "GenerateResourceConfig",
            type_name=self.type_name,
            state=self._pack(state.value),
        )
        settle(answer.diagnostics)
        value: dict[str, Value] = block_value(
            self._calls.protocol, answer.config, self.schema.block
        )
        return value

    def _known(self, message: Any) -> Value:
        return known_value(self._calls.protocol, message, self.schema.block)

    def _pack(self, value: Value) -> Any:
        assert is_wholly_known(value)
        return self._calls.protocol.pack_block(value, self.schema.block)

    def _state(
        self, value: Value, private: bytes, identity: Value, *, is_tainted: bool = False
    ) -> State | None:
        return self._calls.state(value, private, identity, is_tainted=is_tainted)


def _required(schema: IdentitySchema) -> set[str]:
    return {
        name for name, each in schema.attributes.items() if each.is_required_for_import
    }


def _json(attributes: bytes | Mapping[str, object]) -> bytes:
    if isinstance(attributes, bytes):
        return attributes
    return json.dumps(dict(attributes)).encode()


def _without_removed(data: bytes, kind: Type) -> bytes:
    """Drop attributes that the schema has no more; Terraform does so as well."""
    try:
        stored = json.loads(data)
    except ValueError as exc:
        raise InvalidConfig([error("Invalid state", f"It is no JSON: {exc}.")]) from exc
    kept = _kept(stored, kind)
    # As it was, so that no digit of a number is lost on the way.
    return data if kept == stored else json.dumps(kept).encode()


def _kept(stored: Any, kind: Type) -> Any:
    match kind, stored:
        case (Object(attributes), dict()):
            return {
                name: _kept(each, attributes[name])
                for name, each in stored.items()
                if name in attributes
            }
        case (Map(element), dict()):
            return {key: _kept(each, element) for key, each in stored.items()}
        case (List(element) | Set(element), list()):
            return [_kept(each, element) for each in stored]
    return stored
