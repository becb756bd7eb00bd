"""`goplugin run`: be a plugin."""

from __future__ import annotations

import argparse
import importlib
import os
import sys

from goplugin_py.stdout import guard_stdout


def run(options: argparse.Namespace) -> int:
    """Serve a configuration that a module of the user's holds."""
    guard_stdout()
    target: str = options.config
    module, colon, name = target.partition(":")
    if not (module and colon and name):
        print(f"{target!r} is not of the form MODULE:NAME", file=sys.stderr)
        return 2
    # `python -m` puts the current directory there; the console script must too.
    sys.path.insert(0, os.getcwd())

    from goplugin_py.config.serve import ServeConfig
    from goplugin_py.serving import serve

    config = getattr(importlib.import_module(module), name)
    if not isinstance(config, ServeConfig):
        print(f"{target} is no ServeConfig but {config!r}", file=sys.stderr)
        return 2
    serve(config)
    return 0
