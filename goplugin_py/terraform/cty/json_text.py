"""JSON as Go writes it, and read without a loss of digits."""

import json
from typing import Any, NoReturn

from goplugin_py.terraform.cty.errors import CtyError

__all__ = ["Literal", "dump", "parse"]

# encoding/json: HTMLEscape. In JSON these characters stand in strings only.
_ESCAPES = str.maketrans({each: f"\\u{ord(each):04x}" for each in "<>&\u2028\u2029"})


class Literal(str):
    """A number as its JSON text."""

    __slots__ = ()


def dump(value: object) -> str:
    """Return compact JSON. Dictionaries keep their order; there are no floats."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.translate(_ESCAPES)


def parse(data: bytes | str) -> Any:
    """Read JSON; numbers become `Literal`.

    Raises:
        CtyError: It is no JSON, or too deep for Python.
    """
    try:
        return json.loads(
            data, parse_int=Literal, parse_float=Literal, parse_constant=_refuse
        )
    except RecursionError:
        raise CtyError("the JSON is nested too deep") from None
    except ValueError as exc:  # of JSON or of UTF-8
        raise CtyError(f"not JSON: {exc}") from exc


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number in JSON")
