"""Text for people, with colours in a terminal, and JSON for machines."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any


def show_json(value: Any) -> None:
    """Print one value on one line."""
    print(json.dumps(value, ensure_ascii=False), flush=True)


def show_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows below a head, or in columns of equal width if it is no terminal."""
    console = _console()
    if console is None:
        _show_plain(rows)
        return
    from rich.table import Table
    from rich.text import Text

    table = Table(*head, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*map(Text, row))  # as it is: a plugin's text is no markup
    console.print(table)


def show_line(text: str, style: str) -> None:
    """Print a line, in a style of rich's if it is a terminal."""
    console = _console()
    if console is None:
        print(text, flush=True)
    else:
        console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)


def _show_plain(rows: Sequence[Sequence[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = zip(row, widths, strict=True)
        print("  ".join(cell.ljust(width) for cell, width in cells).rstrip())


def _console() -> Any:
    """Return rich's console; None without rich, and where nobody looks on."""
    if not sys.stdout.isatty():
        return None
    try:
        from rich.console import Console
    except ImportError:
        return None
    return Console()
