"""What a Python host has open at a moment: to be compared with another moment."""

import os
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Self

from goplugin_py.net.directories import temporary_directory
from interop.python_host import children, our_threads

# The thread of the loop ends a moment after the last link.
SETTLE_TIMEOUT = 5.0

# grpcio keeps some for a while; those of our own loop go with its thread.
_GRPCS_OWN = ("anon_inode:[eventpoll]", "anon_inode:[eventfd]")


@dataclass(frozen=True, slots=True)
class Left:
    """Processes, descriptors, threads and files."""

    processes: frozenset[int] = frozenset()
    descriptors: Counter[str] = field(default_factory=Counter)
    """How many of each kind."""
    threads: frozenset[str] = frozenset()
    files: frozenset[str] = frozenset()
    """Names in the temporary directory."""

    @classmethod
    def now(cls) -> Self:
        """Look."""
        return cls(
            frozenset(children()),
            _descriptors(),
            frozenset(thread.name for thread in our_threads()),
            # A Go plugin that ends before its line has told nobody of its socket.
            frozenset(
                name
                for name in os.listdir(temporary_directory())
                if not name.startswith("plugin")
            ),
        )

    def __sub__(self, other: Self) -> str:
        """Say what is here and not in the other one."""
        parts = {
            "processes": set(self.processes - other.processes),
            "descriptors": dict(self.descriptors - other.descriptors),
            "threads": set(self.threads - other.threads),
            "files": set(self.files - other.files),
        }
        return ", ".join(f"{name}: {part}" for name, part in parts.items() if part)

    @property
    def counts(self) -> dict[str, int]:
        """How many of each."""
        return {
            "processes": len(self.processes),
            "descriptors": self.descriptors.total(),
            "sockets": self.descriptors["socket"],
            "threads": len(self.threads),
            "files": len(self.files),
        }


def _descriptors() -> Counter[str]:
    found: Counter[str] = Counter()
    for fd in os.listdir("/proc/self/fd"):
        try:
            kind = os.readlink(f"/proc/self/fd/{fd}")
        except FileNotFoundError:  # the one of this listing
            continue
        if kind not in _GRPCS_OWN:
            found[kind if kind.startswith("anon") else kind.split(":")[0]] += 1
    return found


def settled(expected: Left | None = None) -> Left:
    """Wait until no more is left than is expected; return what is.

    Without an expectation that is: no process, no thread and no file.
    """
    end = time.monotonic() + SETTLE_TIMEOUT
    pause = threading.Event()
    while True:
        left = Left.now()
        allowed = expected or Left(descriptors=left.descriptors)
        if not left - allowed or time.monotonic() > end:
            return left
        pause.wait(0.005)
