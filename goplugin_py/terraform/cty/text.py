"""Strings: Unicode in its NFC form, as go-cty keeps it."""

from collections.abc import Iterable
from types import NoneType
from typing import Any
from unicodedata import is_normalized, normalize

from goplugin_py.terraform.cty.errors import CtyError

__all__ = ["are_normal", "are_texts", "normal_text"]


def normal_text(text: str) -> str:
    """Return the string in NFC.

    Raises:
        CtyError: UTF-8 can't carry it.
    """
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        raise CtyError(
            "string required, and this has surrogates or bytes that are no UTF-8"
        ) from None
    return normalize("NFC", text)


def are_texts(column: list[Any]) -> bool:
    """Tell whether all values are strings in NFC, or null; they mostly are."""
    try:
        return are_normal(column)  # one look at each, where there is no null
    except TypeError:
        kinds = set(map(type, column))
        return kinds <= {str, NoneType} and are_normal(filter(None, column))


def are_normal(texts: Iterable[str]) -> bool:
    """Tell whether strings are certain to be in NFC; they mostly are, and it is fast.

    A part of a text in NFC is in NFC as well.

    Raises:
        TypeError: Not all are strings.
    """
    whole = "".join(texts)
    if whole.isascii():
        return True
    try:
        whole.encode()
    except UnicodeEncodeError:
        return False
    return is_normalized("NFC", whole)
