"""What a link needs of the process behind it, started by us or not."""

from typing import Protocol


class RunningProcess(Protocol):
    """A plugin's process, from the first answer to the end."""

    @property
    def name(self) -> str:
        """A short name for logs and threads."""

    @property
    def pid(self) -> int | None:
        """The process id."""

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
