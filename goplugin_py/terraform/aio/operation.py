"""An operation on a thread, whose calls another thread may end."""

from __future__ import annotations

import logging
import threading
from typing import Any

from goplugin_py import ConnectionLost, PluginError
from goplugin_py.terraform.connection import Connection
from goplugin_py.terraform.provider_calls import ProviderCalls

__all__ = ["ApplyOperation", "Operation"]

# For a provider to say that it stops, and then for its apply to tell how far it came.
STOP_GRACE = 5.0

_log = logging.getLogger("goplugin.terraform")


class Operation(Connection):
    """A connection for the calls of one operation, one after the other."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection.client, connection.protocol, connection.stub)
        self._lock = threading.Lock()  # guards the two below
        self._running: Any = None
        self._is_cancelled = False

    def _started(self, method: Any, request: Any, timeout: float | None) -> Any:
        with self._lock:
            if self._is_cancelled:
                raise ConnectionLost("the operation was cancelled")
            self._running = super()._started(method, request, timeout)
            return self._running

    def cancel(self) -> None:
        """Cancel the call that is under way, and refuse all that would follow."""
        if (running := self._refuse_more()) is not None:
            running.cancel()

    def _refuse_more(self) -> Any:
        """Return the last call that there is, if any."""
        with self._lock:
            self._is_cancelled = True
            return self._running


class ApplyOperation(Operation):
    """The calls of an apply, which should not be cut off while it changes something."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._provider = ProviderCalls(connection)
        self._is_changing = False

    def call(self, name: str, /, **options: Any) -> Any:
        """See `Connection.call`."""
        self._is_changing = name == "ApplyResourceChange"
        return super().call(name, **options)

    def cancel(self) -> None:
        """Cancel the call that is under way, and refuse all that would follow.

        If it changes something, the provider is asked to stop first, and gets a while
        to tell what exists by then.
        """
        running = self._refuse_more()
        if running is None:
            return
        try:
            if self._is_changing and not running.done():
                self._stop(running)
        finally:
            running.cancel()

    def _stop(self, running: Any) -> None:
        try:
            self._provider.stop(STOP_GRACE)
        except PluginError as exc:
            _log.warning("the provider does not stop: %s", exc)
            return
        ended = threading.Event()
        running.add_done_callback(lambda _: ended.set())
        ended.wait(STOP_GRACE)
