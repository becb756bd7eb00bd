"""Calls to a provider: their answers, and the errors when there is none."""

import time
import warnings
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any

import grpc

from goplugin_py import Client, ClientClosed, ConnectionLost
from goplugin_py.terraform.diagnostics import (
    Diagnostic,
    Severity,
    error,
    read_diagnostics,
)
from goplugin_py.terraform.errors import (
    DiagnosticError,
    NotSupported,
    ProviderWarning,
)
from goplugin_py.terraform.protocol import Protocol

__all__ = ["CALL_TIMEOUT", "Connection", "Progress", "settle"]

# For calls that only look at things. Some of them ask a service far away; Terraform
# itself waits without a limit.
CALL_TIMEOUT = 600.0
# How long a process that hung up may take until its exit status is known.
STATUS_TIMEOUT = 1.0

# Is told how many seconds a call has taken so far.
Progress = Callable[[float], object]


class Connection:
    """A provider that runs, and its protocol."""

    def __init__(self, client: Client, protocol: Protocol, stub: Any = None) -> None:
        self.client = client
        self.stub = client.dispense("provider") if stub is None else stub
        self.protocol = protocol

    def call(
        self,
        name: str,
        /,
        *,
        timeout: float | None = CALL_TIMEOUT,
        progress: Progress | None = None,
        interval: float = 10.0,
        **fields: Any,
    ) -> Any:
        """Make a call, named as in protocol 6, and return its answer.

        Args:
            name: Of the call.
            timeout: Seconds; None waits for as long as the provider lives.
            progress: Called every `interval` seconds, until there is an answer.
            interval: Seconds.
            fields: Of the request; those that are None stay unset.

        Raises:
            ConnectionLost: The provider went away, or did not answer in time.
            NotSupported: It does not know the call.
            DiagnosticError: It failed to answer.
        """
        request = self.protocol.request(name, **fields)
        with self._errors(name):
            future = self._started(self._method(name).future, request, timeout)
            try:
                return _wait(future, progress, interval)
            finally:
                future.cancel()

    def stream(
        self, name: str, /, *, timeout: float | None = None, **fields: Any
    ) -> Generator[Any]:
        """Make a call with many answers, and yield them; closing it cancels the call.

        Raises:
            ConnectionLost: The provider went away.
            NotSupported: It does not know the call.
            DiagnosticError: It failed to answer.
        """
        request = self.protocol.request(name, **fields)
        with self._errors(name):
            answers = self._started(self._method(name), request, timeout)
            try:
                yield from answers
            finally:
                answers.cancel()

    def _method(self, name: str) -> Any:
        return getattr(self.stub, self.protocol.rpc(name))

    def _started(self, method: Any, request: Any, timeout: float | None) -> Any:
        try:
            return method(request, timeout=timeout)
        except ValueError as exc:  # grpcio's word for a channel that was closed
            raise ClientClosed("the provider was closed: launch it again") from exc

    @contextmanager
    def _errors(self, name: str) -> Iterator[None]:
        try:
            yield
        except grpc.FutureCancelledError as exc:
            raise ConnectionLost(f"{name} was cancelled") from exc
        except grpc.RpcError as exc:
            raise self._error(name, exc) from exc

    def _error(self, name: str, exc: Any) -> Exception:
        code, details = exc.code(), exc.details()
        match code:
            case grpc.StatusCode.UNIMPLEMENTED:
                return NotSupported(f"the provider has no call {name}: {details}")
            case grpc.StatusCode.UNAVAILABLE:
                status = self.client.wait(STATUS_TIMEOUT)
                ended = "" if status is None else f" and ended with status {status}"
                return ConnectionLost(
                    f"the provider hung up during {name}{ended} ({details})", status
                )
            case grpc.StatusCode.CANCELLED if self._is_closed():
                return ConnectionLost(
                    f"the provider was closed during {name}", self.client.exit_status
                )
            case grpc.StatusCode.DEADLINE_EXCEEDED:
                return ConnectionLost(f"the provider did not answer {name} in time")
        summary = f"The provider failed to answer {name}"
        return DiagnosticError([error(summary, f"{code.name}: {details}")])

    def _is_closed(self) -> bool:
        """Tell whether the provider was closed; waits until it is, if it is to be."""
        try:
            self.client.start()  # does nothing when it runs
        except ClientClosed:
            return True
        return False


def _wait(future: Any, progress: Progress | None, interval: float) -> Any:
    if progress is None:
        return future.result()
    started = time.monotonic()
    while True:
        try:
            return future.result(timeout=interval)
        except grpc.FutureTimeoutError:
            progress(time.monotonic() - started)


def settle(
    messages: Any, failure: type[DiagnosticError] = DiagnosticError
) -> list[Diagnostic]:
    """Raise a provider's errors, show its warnings, and return what there was.

    Raises:
        DiagnosticError: There is an error among them; of the kind that was asked for.
    """
    diagnostics = read_diagnostics(messages)
    if any(each.severity is Severity.ERROR for each in diagnostics):
        raise failure(diagnostics)
    for each in diagnostics:
        warnings.warn(ProviderWarning(each), stacklevel=3)
    return diagnostics
