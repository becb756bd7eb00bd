"""The calls about a provider as a whole."""

from collections.abc import Mapping

from goplugin_py.terraform.configuration import configured
from goplugin_py.terraform.connection import Connection, settle
from goplugin_py.terraform.cty import Value
from goplugin_py.terraform.diagnostics import error
from goplugin_py.terraform.errors import DiagnosticError, NotSupported
from goplugin_py.terraform.schema import Block, IdentitySchema, ProviderSchema
from goplugin_py.terraform.schema_messages import read_identities, read_schema

__all__ = ["TERRAFORM_VERSION", "ProviderCalls"]

# What providers are told about their host; some ask for a minimum.
TERRAFORM_VERSION = "1.14.0"
STOP_TIMEOUT = 10.0


class ProviderCalls:
    """Reads a provider's schema, configures it and stops it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def schema(self) -> ProviderSchema:
        """Return everything that is in it; see `Provider.schema`."""
        answer = self._connection.call("GetProviderSchema")
        settle(answer.diagnostics)
        return read_schema(answer, self._identities())

    def _identities(self) -> Mapping[str, IdentitySchema]:
        try:
            answer = self._connection.call("GetResourceIdentitySchemas")
        except NotSupported:
            return {}  # it came with later versions of both protocols
        settle(answer.diagnostics)
        return read_identities(answer.identity_schemas)

    def validate(self, block: Block, config: Mapping[str, object]) -> Value:
        """Let the provider check a configuration of a form, and return its value."""
        value = configured(block, config)
        packed = self._connection.protocol.pack_block(value, block)
        answer = self._connection.call("ValidateProviderConfig", config=packed)
        settle(answer.diagnostics)
        return value

    def configure(
        self, block: Block, config: Mapping[str, object], terraform_version: str
    ) -> None:
        """Configure the provider; see `Provider.configure`."""
        protocol = self._connection.protocol
        answer = self._connection.call(
            "ConfigureProvider",
            config=protocol.pack_block(self.validate(block, config), block),
            terraform_version=terraform_version,
            client_capabilities=protocol.capabilities(),
        )
        settle(answer.diagnostics)

    def stop(self, timeout: float = STOP_TIMEOUT) -> None:
        """Ask the provider to cancel what it is doing; see `Provider.stop`."""
        answer = self._connection.call("StopProvider", timeout=timeout)
        if answer.Error:
            raise DiagnosticError([error("The provider could not stop", answer.Error)])
