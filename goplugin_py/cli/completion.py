"""`goplugin completion`: a script for the shell."""

from __future__ import annotations

import argparse
import sys

from goplugin_py.cli.parser import make_parser


def run(options: argparse.Namespace) -> int:
    """Print it."""
    try:
        import shtab
    except ImportError:
        print("completions need shtab: pip install 'goplugin_py[cli]'", file=sys.stderr)
        return 1
    print(shtab.complete(make_parser(), options.shell))
    return 0
