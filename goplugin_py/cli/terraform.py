"""`goplugin terraform`: any provider of Terraform's, without Terraform."""

from __future__ import annotations

import argparse
import importlib
import sys


def run(options: argparse.Namespace) -> int:
    """Run one of its commands; return the exit status."""
    try:
        command = importlib.import_module(f"goplugin_py.cli.terraform_{options.task}")
    except ModuleNotFoundError as exc:
        if exc.name != "msgpack":
            raise
        needed = "pip install 'goplugin_py[terraform]'"
        print(f"goplugin: providers need msgpack: {needed}", file=sys.stderr)
        return 1
    status: int = command.run(options)
    return status
