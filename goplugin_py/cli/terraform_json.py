"""Values as plain JSON, with all digits of their numbers."""

from __future__ import annotations

import json
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from goplugin_py.terraform.cty.number import format_number

__all__ = ["json_text"]


def json_text(value: Any, *, indent: int | None = None) -> str:
    """Return a value of plain Python as JSON; `json` knows no `Decimal`.

    Args:
        value: With no unknown values in it.
        indent: By how much to indent what is inside; None puts all on one line.
    """
    return _text(value, indent, 0)


def _text(value: Any, indent: int | None, depth: int) -> str:
    match value:
        case dict():
            pairs = (
                f"{_quoted(key)}: {_text(each, indent, depth + 1)}"
                for key, each in value.items()
            )
            return "{" + _inside(pairs, indent, depth) + "}"
        case list() | tuple():
            texts = (_text(each, indent, depth + 1) for each in value)
            return "[" + _inside(texts, indent, depth) + "]"
        case bool() | None | str():
            return _quoted(value)
        case int() | float() | Decimal():
            return format_number(value)
    raise TypeError(f"a {type(value).__name__} can't be told in JSON")


def _quoted(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _inside(texts: Iterable[str], indent: int | None, depth: int) -> str:
    lines = list(texts)
    if indent is None or not lines:
        return ", ".join(lines)
    margin = "\n" + " " * indent * (depth + 1)
    return margin + f",{margin}".join(lines) + "\n" + " " * indent * depth
