"""The calls about an ephemeral resource, and what is in their answers."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from goplugin_py.terraform.answers import known_value, refuse
from goplugin_py.terraform.configuration import configured
from goplugin_py.terraform.connection import CALL_TIMEOUT, Connection, settle
from goplugin_py.terraform.cty import Value, to_python, unknown_paths
from goplugin_py.terraform.diagnostics import error
from goplugin_py.terraform.errors import InvalidAnswer, InvalidConfig
from goplugin_py.terraform.plan_check import plan_problems
from goplugin_py.terraform.resource_calls import refuse_deferral
from goplugin_py.terraform.schema import ProviderSchema, Schema

__all__ = ["EphemeralCalls", "OpenValues", "renewal_delay"]

# Before a renewal is due, as no provider promises more than the time that it names.
RENEW_EARLY = 1.0


class EphemeralCalls:
    """Opens, renews and closes resources of one type."""

    def __init__(
        self, type_name: str, connection: Connection, provider: ProviderSchema
    ) -> None:
        self.type_name = type_name
        self.schema: Schema = provider.ephemeral_resources[type_name]
        self._connection = connection

    def configured(self, config: Mapping[str, object] | None) -> Value:
        """Return a configuration in which all is known.

        Raises:
            InvalidConfig: It does not fit the schema, or is not known.
        """
        block = self.schema.block
        value = configured(block, config or {})
        if unknown := list(unknown_paths(value, block.type)):
            detail = "What an ephemeral resource is opened with must be known."
            raise InvalidConfig([error("Unknown value", detail, unknown[0])])
        return value

    def open(self, config: Value) -> Any:
        """Open one, and return the answer, which `result` has yet to look at.

        Raises:
            DiagnosticError: The provider refuses it.
        """
        protocol = self._connection.protocol
        packed = protocol.pack_block(config, self.schema.block)
        answer = self._connection.call(
            "ValidateEphemeralResourceConfig", type_name=self.type_name, config=packed
        )
        settle(answer.diagnostics)
        answer = self._connection.call(
            "OpenEphemeralResource",
            type_name=self.type_name,
            config=packed,
            client_capabilities=protocol.capabilities(),
        )
        settle(answer.diagnostics)
        return answer

    def result(self, config: Value, answer: Any) -> dict[str, Value]:
        """Return the attributes of what was opened.

        Raises:
            InvalidAnswer: They break the rules.
        """
        refuse_deferral(answer)
        block = self.schema.block
        result: dict[str, Value] | None = known_value(
            self._connection.protocol, answer.result, block
        )
        problems = plan_problems(block, None, config, result)
        refuse("Provider produced an invalid ephemeral resource", problems)
        if result is None:
            raise InvalidAnswer([error("Provider produced a null object", "")])
        return result

    def renew(self, private: bytes) -> Any:
        """Renew one, and return the answer.

        Raises:
            DiagnosticError: The provider can't renew it.
        """
        answer = self._connection.call(
            "RenewEphemeralResource", type_name=self.type_name, private=private
        )
        settle(answer.diagnostics)
        return answer

    def close(self, private: bytes, timeout: float = CALL_TIMEOUT) -> Any:
        """Close one, and return the answer, with diagnostics that nobody saw yet."""
        return self._connection.call(
            "CloseEphemeralResource",
            timeout=timeout,
            type_name=self.type_name,
            private=private,
        )


def renewal_delay(answer: Any) -> float | None:
    """Return in how many seconds to renew; None if the provider does not want it."""
    if not answer.HasField("renew_at"):
        return None
    due: datetime = answer.renew_at.ToDatetime(UTC)
    left = due - datetime.now(UTC)
    return max(left.total_seconds() - RENEW_EARLY, 0.0)


class OpenValues(Mapping[str, Any]):
    """An ephemeral resource that is open: a mapping of its attributes.

    Attributes:
        type_name: The type that it is of.
        value: All attributes and blocks.
    """

    type_name: str
    value: dict[str, Value]

    def __getitem__(self, name: str) -> Any:
        return to_python(self.value[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self.value)

    def __len__(self) -> int:
        return len(self.value)
