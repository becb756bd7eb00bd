"""Ephemeral resources: open for as long as they are used, and in no state."""

import logging
import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

from goplugin_py import PluginError
from goplugin_py.terraform.answers import known_value, refuse
from goplugin_py.terraform.configuration import configured
from goplugin_py.terraform.connection import Connection, settle
from goplugin_py.terraform.cty import Value, to_python, unknown_paths
from goplugin_py.terraform.diagnostics import error
from goplugin_py.terraform.errors import InvalidAnswer, InvalidConfig
from goplugin_py.terraform.plan_check import plan_problems
from goplugin_py.terraform.resource_calls import refuse_deferral
from goplugin_py.terraform.schema import ProviderSchema, Schema

__all__ = ["EphemeralResource", "OpenResource"]

# Before a renewal is due, as no provider promises more than the time that it names.
RENEW_EARLY = 1.0
STOP_TIMEOUT = 5.0

_log = logging.getLogger("goplugin.terraform")


class EphemeralResource:
    """An ephemeral resource type of a provider.

    Attributes:
        type_name: Its name.
        schema: The form of its configuration and result.
    """

    def __init__(
        self, type_name: str, connection: Connection, provider: ProviderSchema
    ) -> None:
        self.type_name = type_name
        self.schema: Schema = provider.ephemeral_resources[type_name]
        self._connection = connection

    def open(self, config: Mapping[str, object] | None = None) -> "OpenResource":
        """Open one; it is a context manager, which renews it in time and closes it.

        Raises:
            InvalidConfig: The configuration does not fit the schema, or is not known.
            DiagnosticError: The provider refuses it.
            InvalidAnswer: The answer breaks the rules.
        """
        block, protocol = self.schema.block, self._connection.protocol
        value = configured(block, config or {})
        if unknown := list(unknown_paths(value, block.type)):
            detail = "What an ephemeral resource is opened with must be known."
            raise InvalidConfig([error("Unknown value", detail, unknown[0])])
        packed = protocol.pack_block(value, block)
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
        opened = OpenResource(self.type_name, self._connection, answer)
        try:
            opened.value = self._result(value, answer)
        except BaseException:
            opened.close()
            raise
        return opened

    def _result(self, config: Value, answer: Any) -> dict[str, Value]:
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


class OpenResource(Mapping[str, Any]):
    """An ephemeral resource that is open: a mapping of its attributes.

    Attributes:
        type_name: The type that it is of.
        value: All attributes and blocks.
    """

    def __init__(self, type_name: str, connection: Connection, answer: Any) -> None:
        self.type_name = type_name
        self.value: dict[str, Value] = {}
        self._connection = connection
        self._private: bytes = answer.private
        self._renewing = threading.Lock()  # held by who renews or closes
        self._is_closed = False
        self._timer: threading.Timer | None = None
        self._schedule(answer)

    def __getitem__(self, name: str) -> Any:
        return to_python(self.value[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self.value)

    def __len__(self) -> int:
        return len(self.value)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def renew(self) -> None:
        """Renew it now; it happens by itself when the provider wants it.

        Raises:
            DiagnosticError: The provider can't renew it.
        """
        with self._renewing:
            if self._is_closed:
                return
            answer = self._connection.call(
                "RenewEphemeralResource",
                type_name=self.type_name,
                private=self._private,
            )
            settle(answer.diagnostics)
            if answer.HasField("private"):
                self._private = answer.private
            self._schedule(answer)

    def _schedule(self, answer: Any) -> None:
        self._cancel()
        if not answer.HasField("renew_at"):
            return
        due = answer.renew_at.ToDatetime(UTC) - datetime.now(UTC)
        delay = max(due.total_seconds() - RENEW_EARLY, 0.0)
        self._timer = threading.Timer(delay, self._renew_in_time)
        self._timer.name = f"goplugin-renew-{self.type_name}"
        self._timer.daemon = True
        self._timer.start()

    def _renew_in_time(self) -> None:
        try:
            self.renew()
        except PluginError:
            _log.exception("%s could not be renewed", self.type_name)

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def close(self) -> None:
        """Close it; idempotent.

        Raises:
            DiagnosticError: The provider can't close it.
        """
        self._cancel()
        with self._renewing:
            if self._is_closed:
                return
            self._is_closed = True
            self._cancel()
            answer = self._connection.call(
                "CloseEphemeralResource",
                type_name=self.type_name,
                private=self._private,
            )
        if self._timer is not None and self._timer is not threading.current_thread():
            self._timer.join(STOP_TIMEOUT)
        settle(answer.diagnostics)
