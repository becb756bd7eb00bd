"""Ephemeral resources: open for as long as they are used, and in no state."""

import logging
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from goplugin_py import PluginError
from goplugin_py.terraform.connection import Connection, settle
from goplugin_py.terraform.ephemeral_calls import (
    EphemeralCalls,
    OpenValues,
    renewal_delay,
)
from goplugin_py.terraform.schema import ProviderSchema, Schema

__all__ = ["EphemeralResource", "OpenResource"]

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
        self._calls = EphemeralCalls(type_name, connection, provider)
        self.schema: Schema = self._calls.schema

    def open(self, config: Mapping[str, object] | None = None) -> "OpenResource":
        """Open one; it is a context manager, which renews it in time and closes it.

        Raises:
            InvalidConfig: The configuration does not fit the schema, or is not known.
            DiagnosticError: The provider refuses it.
            InvalidAnswer: The answer breaks the rules.
        """
        value = self._calls.configured(config)
        answer = self._calls.open(value)
        opened = OpenResource(self._calls, answer)
        try:
            opened.value = self._calls.result(value, answer)
        except BaseException:
            opened.close()
            raise
        return opened


class OpenResource(OpenValues):
    """An ephemeral resource that is open: a mapping of its attributes.

    Attributes:
        type_name: The type that it is of.
        value: All attributes and blocks.
    """

    def __init__(self, calls: EphemeralCalls, answer: Any) -> None:
        self.type_name = calls.type_name
        self.value = {}
        self._calls = calls
        self._private: bytes = answer.private
        self._renewing = threading.Lock()  # held by who renews or closes
        self._is_closed = False
        self._timer: threading.Timer | None = None
        self._schedule(answer)

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
            answer = self._calls.renew(self._private)
            if answer.HasField("private"):
                self._private = answer.private
            self._schedule(answer)

    def _schedule(self, answer: Any) -> None:
        self._cancel()
        delay = renewal_delay(answer)
        if delay is None:
            return
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
            answer = self._calls.close(self._private)
        if self._timer is not None and self._timer is not threading.current_thread():
            self._timer.join(STOP_TIMEOUT)
        settle(answer.diagnostics)
