"""Starts a Go plugin again and again, and lets each step of it fail once.

A step is a call of a function of the package on the starting thread: at its first line
it raises what a lack of descriptors, of memory, or Ctrl-C would. Prints the number of
steps, or what the first one that leaves something behind has left.

    python -m interop.faults descriptors "{'auto_mtls': False}"

A third argument names a runner of the package, for the plugin to be run by.
"""

import argparse
import ast
import errno
import itertools
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import goplugin_py
from goplugin_py import Client
from interop.left import settled
from interop.python_host import echo_config

FAULTS: dict[str, Callable[[], BaseException]] = {
    "descriptors": lambda: OSError(errno.EMFILE, os.strerror(errno.EMFILE)),
    "memory": MemoryError,
    "interrupt": KeyboardInterrupt,
}

# Another temporary directory is taken then.
_TRIED_TWICE = {"_new_directory"}

_PACKAGE = Path(goplugin_py.__file__).parent
# Pure code and generated code take nothing that could be left.
_OTHERS = (str(_PACKAGE / "wire"), str(_PACKAGE / "_pb"))


class Fault:
    """A profile function that raises at the start of the nth step."""

    def __init__(self, number: int, make: Callable[[], BaseException]) -> None:
        self._to_go = number
        self._make = make
        self.step = ""
        """Where it was raised; empty if there were fewer steps."""

    def __call__(self, frame: FrameType, event: str, argument: object) -> None:
        if event != "call" or self.step or not _is_step(frame):
            return
        if self._to_go:
            self._to_go -= 1
            return
        self.step = frame.f_code.co_qualname
        raise self._make()


def _is_step(frame: FrameType) -> bool:
    code = frame.f_code
    return (
        code.co_filename.startswith(str(_PACKAGE))
        and not code.co_filename.startswith(_OTHERS)
        and not code.co_name.startswith("<")
        # Or a generator goes on, in a step that began before.
        and frame.f_lineno == code.co_firstlineno
    )


def attempt(fault: Fault, options: dict[str, object]) -> str:
    """Start a plugin with a fault; return what the start raised."""
    client = Client(echo_config(**options))
    sys.setprofile(fault)
    try:
        client.start()
    except BaseException as exc:
        sys.setprofile(None)
        return type(exc).__name__
    finally:
        sys.setprofile(None)
    client.kill()
    return ""


def main(kind: str, options: dict[str, object], first: int, stride: int) -> None:
    """Let each step fail, or each so-manieth, until there are no more.

    What is left must be nothing, and the start must fail, or have another way.
    """
    for _ in range(2):  # what the first start opens for good
        attempt(Fault(sys.maxsize, MemoryError), options)
    before = settled()
    for number in itertools.count(first, stride):
        fault = Fault(number, FAULTS[kind])
        raised = attempt(fault, options)
        if not fault.step:
            break
        after = settled(before)
        assert not after - before, f"{fault.step}: {raised}, {after - before}"
        has_another_way = kind == "descriptors" and fault.step in _TRIED_TWICE
        assert raised or has_another_way, f"{fault.step}: {kind} went unnoticed"
    print(number)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=FAULTS)
    parser.add_argument("options", type=ast.literal_eval)
    parser.add_argument("--runner", help="a class of goplugin_py")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--stride", type=int, default=1)
    given = parser.parse_args()
    if given.runner:
        given.options["runner"] = getattr(goplugin_py, given.runner)
    main(given.kind, given.options, given.first, given.stride)
