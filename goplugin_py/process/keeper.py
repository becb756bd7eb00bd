"""Keeps a plugin's stderr readable when its host is gone.

A Go program that writes to a broken stderr dies of SIGPIPE, and so a plugin that is to
outlive its host would die of its next log line. A small process stands between: it
hands on what the plugin writes, to nobody in the end.
"""

import contextlib
import os
import subprocess

# The first cat ends with the host, which it learns by EPIPE; the second one drains.
_SCRIPT = "trap '' PIPE; cat; exec cat >/dev/null"

# It ends with the plugin, in milliseconds, unless a grandchild may still write.
END_TIMEOUT = 0.5


class StderrKeeper:
    """A process between a plugin's stderr and its host."""

    def __init__(self) -> None:
        """Start it.

        Raises:
            OSError: There is no shell, or no process to be had.
        """
        reading, self._inlet = os.pipe()
        try:
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", _SCRIPT],
                stdin=reading,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                bufsize=0,
                env={"PATH": os.environ.get("PATH", os.defpath)},
                cwd="/",
                start_new_session=True,
            )
        except BaseException:
            os.close(self._inlet)
            raise
        finally:
            os.close(reading)

    @property
    def inlet(self) -> int:
        """What becomes the plugin's stderr; valid until `seal`."""
        return self._inlet

    @property
    def outlet(self) -> int:
        """Where the host reads; valid until `close`."""
        assert self._process.stdout is not None
        return self._process.stdout.fileno()

    def seal(self) -> None:
        """Leave the inlet to the plugin alone, once it has it."""
        os.close(self._inlet)

    def close(self) -> None:
        """End the process, whose plugin has ended; its output was read."""
        assert self._process.stdout is not None
        self._process.stdout.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(END_TIMEOUT)
            return
        self._process.kill()
        self._process.wait()
