"""Actions: what a provider can do beside looking after resources."""

from collections.abc import Iterator, Mapping

from goplugin_py.terraform.configuration import configured
from goplugin_py.terraform.connection import Connection, settle
from goplugin_py.terraform.cty import unknown_paths
from goplugin_py.terraform.diagnostics import error
from goplugin_py.terraform.errors import InvalidAnswer, InvalidConfig
from goplugin_py.terraform.resource_calls import refuse_deferral
from goplugin_py.terraform.schema import ProviderSchema, Schema

__all__ = ["ProviderAction"]


class ProviderAction:
    """An action of a provider.

    Attributes:
        type_name: Its name.
        schema: The form of its configuration.
    """

    def __init__(
        self, type_name: str, connection: Connection, provider: ProviderSchema
    ) -> None:
        self.type_name = type_name
        self.schema: Schema = provider.actions[type_name]
        self._connection = connection

    def plan(self, config: Mapping[str, object] | None = None) -> None:
        """Let the provider check whether it could do it.

        Raises:
            InvalidConfig: The configuration does not fit the schema.
            DiagnosticError: The provider refuses it.
        """
        self._planned(config)

    def invoke(self, config: Mapping[str, object] | None = None) -> Iterator[str]:
        """Do it, and yield the provider's messages on the way.

        It begins with the first message that is asked for, and has happened once the
        iterator ends; closing the iterator cancels it.

        Raises:
            InvalidConfig: The configuration does not fit the schema, or is not known.
            DiagnosticError: The provider refuses it, or failed.
            InvalidAnswer: It ended without saying that it was done.
        """
        block = self.schema.block
        value = configured(block, config or {})
        if unknown := list(unknown_paths(value, block.type)):
            detail = "What an action is done with must be known."
            raise InvalidConfig([error("Unknown value", detail, unknown[0])])
        return self._messages(self._planned(config))

    def _planned(self, config: Mapping[str, object] | None) -> object:
        protocol = self._connection.protocol
        value = configured(self.schema.block, config or {})
        packed = protocol.pack_block(value, self.schema.block)
        answer = self._connection.call(
            "ValidateActionConfig", type_name=self.type_name, config=packed
        )
        settle(answer.diagnostics)
        answer = self._connection.call(
            "PlanAction",
            action_type=self.type_name,
            config=packed,
            client_capabilities=protocol.capabilities(),
        )
        settle(answer.diagnostics)
        refuse_deferral(answer)
        return packed

    def _messages(self, config: object) -> Iterator[str]:
        events = self._connection.stream(
            "InvokeAction",
            action_type=self.type_name,
            config=config,
            client_capabilities=self._connection.protocol.capabilities(),
        )
        try:
            for event in events:
                if event.WhichOneof("type") == "completed":
                    settle(event.completed.diagnostics)
                    return
                yield event.progress.message
        finally:
            events.close()
        detail = "The provider's messages ended without the one that it is done."
        raise InvalidAnswer([error("Action did not complete", detail)])
