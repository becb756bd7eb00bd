"""How a process has ended."""

import contextlib
import signal
from typing import Self


class ExitStatus(int):
    """An exit status as `subprocess` counts it: a negative number is a signal."""

    @classmethod
    def of(cls, status: int | None) -> Self | None:
        """Return None for None."""
        return None if status is None else cls(status)

    @property
    def signal(self) -> signal.Signals | None:
        """The signal that ended the process, if one did and the system has a name."""
        with contextlib.suppress(ValueError):
            return signal.Signals(-self) if self < 0 else None
        return None

    @property
    def text(self) -> str:
        """The status in words: `exit status 3`, `killed by SIGKILL`."""
        if self >= 0:
            return f"exit status {self:d}"
        return f"killed by {self.signal.name if self.signal else f'signal {-self:d}'}"
