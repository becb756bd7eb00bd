"""What others need of a plugin's process, started by us or not."""

import signal
from collections.abc import Callable, Sequence
from typing import Protocol

from goplugin_py.process.runner import AddressTranslator


class SpawnedProcess(Protocol):
    """A process that is started here and watched through descriptors."""

    @property
    def name(self) -> str:
        """A short name for logs and threads."""

    @property
    def id(self) -> str:
        """What it goes by; empty before `start`."""

    @property
    def pid(self) -> int | None:
        """The process id, where there is one; None before `start`."""

    @property
    def status(self) -> int | None:
        """The exit status; None before the end, and where nobody knows."""

    def start(self, proceed: Callable[[], None]) -> None:
        """Start it; `proceed` is called now and then, and may raise to end that."""

    @property
    def stdout(self) -> int:
        """The reading end of its stdout; valid from `start` to `close`."""

    @property
    def stderr(self) -> int:
        """The reading end of its stderr; valid from `start` to `close`."""

    @property
    def lag(self) -> float:
        """Seconds by which output may arrive later than the end of the process."""

    def exit_notice(self) -> int:
        """Return a new descriptor that becomes readable when the process ends.

        Called once; the caller closes it.
        """

    def reap(self) -> int | None:
        """Return the exit status of a process that has ended, or is about to."""

    def close(self) -> None:
        """Close the streams; the process has ended."""

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, or do what comes next to it."""

    def kill(self) -> None:
        """End it by force; do not wait."""

    def discard(self) -> None:
        """End it when nobody reads its output, and close everything."""

    def diagnose(self, failure: OSError | None = None) -> Sequence[str]:
        """Return what may explain a failed start."""


class RunningProcess(Protocol):
    """A plugin's process, from the first answer to the end."""

    @property
    def name(self) -> str:
        """A short name for logs and threads."""

    @property
    def id(self) -> str:
        """What it goes by: a process id, unless a runner has other ones."""

    @property
    def pid(self) -> int | None:
        """The process id; None where a runner has other ones."""

    @property
    def translator(self) -> AddressTranslator | None:
        """Translates addresses, where the process has others; raises ValueError."""

    @property
    def status(self) -> int | None:
        """The exit status; None before the end, and where only a parent learns it."""

    @property
    def has_exited(self) -> bool:
        """Whether it has ended."""

    @property
    def is_spared(self) -> bool:
        """Whether a client that is killed must let it live, and send it nothing."""

    def wait(self, timeout: float | None) -> bool:
        """Wait for the end; return whether it has come."""

    def end(self) -> None:
        """End a process that did not end when it was asked to."""

    def release(self) -> None:
        """Stop watching it. Called last, with the link closed; idempotent."""
