"""What the calls about one resource type have in common."""

from typing import Any

from goplugin_py.terraform.answers import identity_value
from goplugin_py.terraform.connection import Connection, settle
from goplugin_py.terraform.cty import Value
from goplugin_py.terraform.diagnostics import error
from goplugin_py.terraform.errors import InvalidAnswer
from goplugin_py.terraform.schema import IdentitySchema, ProviderSchema, Schema
from goplugin_py.terraform.state import State

__all__ = ["ResourceCalls", "refuse_deferral"]


def refuse_deferral(answer: Any) -> None:
    """Refuse an answer that puts things off, which this host never allows.

    Raises:
        InvalidAnswer: It does.
    """
    if answer.HasField("deferred"):
        detail = "The provider put the request off, which it was not allowed to do."
        raise InvalidAnswer([error("Provider deferred", detail)])


class ResourceCalls:
    """The type's schemas, and the parts of messages that depend on them."""

    def __init__(
        self, type_name: str, connection: Connection, provider: ProviderSchema
    ) -> None:
        self.type_name = type_name
        self.schema: Schema = provider.resources[type_name]
        self.block = self.schema.block
        self.identity_schema: IdentitySchema | None = provider.identities.get(type_name)
        self.connection = connection
        self.protocol = connection.protocol
        self.provider = provider

    def pack(self, value: Value) -> Any:
        """Return a message with a state or configuration."""
        return self.protocol.pack_block(value, self.block)

    def meta(self) -> Any:
        """Return the metadata to send: null, to providers that have some."""
        schema = self.provider.provider_meta
        return self.protocol.pack_block(None, schema.block) if schema else None

    def pack_identity(self, identity: Value) -> Any:
        """Return a message with an identity; None if there is none."""
        if self.identity_schema is None:
            return None
        return self.protocol.pack_identity(identity, self.identity_schema.type)

    def identity(self, message: Any) -> Value:
        """Return the identity in an answer; None if there is none."""
        return identity_value(self.protocol, message, self.identity_schema)

    def state(
        self, value: Value, private: bytes, identity: Value, *, is_tainted: bool = False
    ) -> State | None:
        """Return the state of a value; None if it is null."""
        if value is None:
            return None
        schema = self.identity_schema
        return State(
            self.type_name,
            value,
            self.block.type,
            private,
            identity,
            self.schema.version,
            schema.version if schema else 0,
            is_tainted,
        )

    def validate(self, config: Value) -> None:
        """Let the provider check a configuration.

        Raises:
            DiagnosticError: It refuses it.
        """
        answer = self.connection.call(
            "ValidateResourceConfig",
            type_name=self.type_name,
            config=self.pack(config),
            client_capabilities=self.protocol.capabilities(),
        )
        settle(answer.diagnostics)
