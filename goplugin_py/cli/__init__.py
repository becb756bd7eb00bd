"""The command line: `goplugin`, or `python -m goplugin_py`."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence

from goplugin_py.cli.parser import make_parser, split

OK, FAILURE, USAGE, INTERRUPTED = 0, 1, 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return the exit status.

    That is 0 for success, 1 when the plugin or the call failed, 2 when the arguments
    make no sense, 130 after Ctrl-C.
    """
    own, plugins = split(sys.argv[1:] if arguments is None else arguments)
    options = make_parser().parse_args(own)
    options.arguments = plugins
    # A plugin is run by one of the commands: what the others need is not imported.
    command = importlib.import_module(f"goplugin_py.cli.{options.command}")
    try:
        status: int = command.run(options)
    except BrokenPipeError:  # of `head`, say, which has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except KeyboardInterrupt:
        return INTERRUPTED
    return status
