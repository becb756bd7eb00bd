"""A server under an id, from its offer to its end."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from goplugin_py.services.connection import Place, Served

# How often to look whether the last one has gone, where no more can come.
IDLE_CHECK = 1.0

_log = logging.getLogger("goplugin.broker")


class Service:
    """What one side of a link serves under an id.

    The other side need not say that it will not dial, or not dial again. So a reaper
    makes the checks.
    """

    def __init__(
        self,
        service_id: int,
        server: Served,
        place: Place,
        on_stop: Callable[[Service], None],
    ) -> None:
        self._service_id = service_id
        self._server = server
        self._place = place
        self._on_stop = on_stop
        self._once = threading.Lock()

    def __repr__(self) -> str:
        return f"service id {self._service_id}"

    def stop(self, grace: float = 0.0) -> None:
        """Stop, and let nobody in any more; calls get `grace` seconds. Idempotent."""
        if self._once.acquire(blocking=False):
            self._on_stop(self)
            try:
                self._server.close(grace)
            finally:
                self._place.close()

    def stop_unless_used(self, timeout: float) -> None:
        """Stop if nobody has connected in `timeout` seconds; a check of a reaper."""
        if not self._place.was_used():
            _log.warning(
                "nobody connected to %s within %g s of its accept: "
                "its server is stopped",
                self,
                timeout,
            )
            self.stop()

    def stop_when_idle(self) -> float | None:
        """Stop once nobody is connected any more; a check of a reaper."""
        if self._place.is_in_use():
            return IDLE_CHECK
        self.stop()
        return None
