"""`goplugin terraform`: any provider of Terraform's, without Terraform."""

from __future__ import annotations

import argparse
import importlib


def run(options: argparse.Namespace) -> int:
    """Run one of its commands; return the exit status."""
    command = importlib.import_module(f"goplugin_py.cli.terraform_{options.task}")
    status: int = command.run(options)
    return status
