"""Makes a stream that blocks one that can be waited for."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections.abc import Callable
from typing import Any

from goplugin_py.process.runner import ByteStream

_READ_SIZE = 64 * 1024

_log = logging.getLogger("goplugin.process")


class Pump:
    """A thread that copies a stream into a pipe, and closes both at the end."""

    def __init__(self, stream: ByteStream, name: str) -> None:
        """Start the thread, called `name`."""
        # A buffered reader's read() would wait for all that it was asked for.
        self._read: Callable[[int], Any] = getattr(stream, "read1", stream.read)
        self._stream = stream
        self.failure: Exception | None = None
        """Why the stream could not be read to its end."""
        self._closing = threading.Lock()  # held once the reading end is closed
        self.outlet, self._inlet = os.pipe()
        thread = threading.Thread(target=self._copy, name=name, daemon=True)
        try:
            thread.start()
        except BaseException:
            self.close()
            os.close(self._inlet)
            raise

    def _copy(self) -> None:
        try:
            with contextlib.suppress(BrokenPipeError):  # nobody wants the rest
                while data := memoryview(self._read(_READ_SIZE)):
                    while data:
                        data = data[os.write(self._inlet, data) :]
            self._stream.close()
        except Exception as exc:
            self.failure = exc
            _log.warning("a runner's stream can't be read: %r", exc)
        finally:
            os.close(self._inlet)

    def close(self) -> None:
        """Close the reading end; the thread ends with its next read. Idempotent."""
        if self._closing.acquire(blocking=False):
            os.close(self.outlet)
