"""The real stdout of a plugin process, which only the handshake may use."""

import io
import os
import sys

_guarded: int | None = None


def guard_stdout() -> None:
    """Keep stdout clean until `serve` has printed the handshake line.

    Call it before other imports. Whatever they print, in Python, in C or in a child
    process, goes to stderr from then on, where a host logs it. Idempotent.
    """
    global _guarded  # noqa: PLW0603 - a process has one stdout
    if _guarded is None:
        if sys.stdout is not None:
            sys.stdout.flush()
        _guarded = os.dup(1)
        os.dup2(2, 1)
        if isinstance(sys.stdout, io.TextIOWrapper):
            # In the order of what else is written to stderr.
            sys.stdout.reconfigure(line_buffering=True)


def real_stdout() -> int:
    """Return the descriptor of the stdout that the process was started with."""
    return 1 if _guarded is None else _guarded
