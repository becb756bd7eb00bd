"""The command line: `goplugin`, or `python -m goplugin_py`."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

from goplugin_py.stdout import guard_stdout


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="goplugin", description="Work with go-plugin plugins."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser(
        "run",
        help="serve a plugin, with its stdout guarded from the first import on",
    )
    run.add_argument(
        "config", metavar="MODULE:NAME", help="where the plugin's ServeConfig is"
    )
    options = parser.parse_args(arguments)
    return _run(options.config)


def _run(target: str) -> int:
    guard_stdout()
    module, colon, name = target.partition(":")
    if not (module and colon and name):
        print(f"{target!r} is not of the form MODULE:NAME", file=sys.stderr)
        return 2
    # `python -m` puts the current directory there; the console script must too.
    sys.path.insert(0, os.getcwd())

    from goplugin_py.config import ServeConfig
    from goplugin_py.serving import serve

    config = getattr(importlib.import_module(module), name)
    if not isinstance(config, ServeConfig):
        print(f"{target} is no ServeConfig but {config!r}", file=sys.stderr)
        return 2
    serve(config)
    return 0
