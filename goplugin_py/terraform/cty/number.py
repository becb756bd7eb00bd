"""Numbers of any size, exactly; in Python an int, a float or a Decimal.

Python compares and hashes the three by value, so which one it is makes no difference
to equality: `0.5 == Decimal("0.5")`, and `0.1 != Decimal("0.1")`, as in go-cty.

go-cty keeps 512 bits of a number, which every decimal of up to 154 digits survives.
Longer ones become the shortest decimal with the same 512 bits, as Go prints them.
"""

import math
import re
from decimal import Context, Decimal
from fractions import Fraction
from types import NoneType
from typing import Any, TypeAlias

from goplugin_py.terraform.cty.errors import CtyError

__all__ = [
    "MAX_DIGITS",
    "Number",
    "are_normal_numbers",
    "format_number",
    "is_fraction",
    "is_short_fraction",
    "normal",
    "parse_number",
]

Number: TypeAlias = int | float | Decimal

# Of a number in plain notation, before or behind the point. Python refuses to convert
# integers of more than 4300 to text, and an exponent must not fill the memory.
MAX_DIGITS = 4000

_BITS = 512  # go-cty: ParseNumberVal
_SAFE_DIGITS = 154
_INT64 = range(-(2**63), 2**63)

_FRACTION = re.compile(r"-?[0-9]{1,20}\.[0-9]{0,30}[1-9]")
_DECIMAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,6})?")
_INFINITY = re.compile(r"([+-]?)[iI]nf")


def is_fraction(number: float) -> bool:
    """Tell whether a float is finite and not whole, and so normal already."""
    return number % 1 > 0


def are_normal_numbers(column: list[Any]) -> bool:
    """Tell whether all values are in the form that `normal` gives, or null.

    Not of numbers that are no int or float: those are for the caller to look at.
    """
    kinds = set(map(type, column))
    if not kinds <= {int, float, NoneType}:
        return False
    if len(kinds) < 2:
        return _are_normal(kinds, column)
    return all(_are_normal({k}, [x for x in column if type(x) is k]) for k in kinds)


def _are_normal(kinds: set[type], numbers: list[Any]) -> bool:
    """Tell so of numbers that are all of one kind."""
    if kinds == {int}:
        return bool(min(numbers) >= -(2**63) and max(numbers) < 2**63)
    if kinds == {float}:
        # The sum is finite only if all are.
        is_finite = math.isfinite(sum(numbers))
        return is_finite and not any(map(float.is_integer, numbers))
    return True


def is_short_fraction(text: str) -> bool:
    """Tell whether a text is a number that is normal already; most with a point are."""
    return _FRACTION.fullmatch(text) is not None


def parse_number(text: str) -> Number:
    """Read a decimal number, with or without an exponent, or `Inf`.

    Raises:
        CtyError: It is none, or has too many digits.
    """
    if is_short_fraction(text):
        return Decimal(text)
    if infinite := _INFINITY.fullmatch(text):
        return -math.inf if infinite[1] == "-" else math.inf
    if not _DECIMAL.fullmatch(text) or len(text) > 2 * MAX_DIGITS:
        raise CtyError("number required, and this is none")
    return normal(Decimal(text))


def normal(number: Number) -> Number:
    """Return the number in the form that decoding gives it: whole ones as int.

    Floats that are whole and beyond 64 bits stay floats: Go prints these differently.

    Raises:
        CtyError: It is no number (`nan`), or has too many digits.
    """
    if isinstance(number, int):
        return number if number in _INT64 else _normal_decimal(_decimal(number))
    if isinstance(number, float):
        _check_float(number)
        is_short = number.is_integer() and int(number) in _INT64
        return int(number) if is_short else number
    if number.is_infinite():
        return math.inf if number > 0 else -math.inf
    return _normal_decimal(number)


def _check_float(number: float) -> None:
    if math.isnan(number):
        raise CtyError("number required, and this is none (nan)")


def _decimal(number: int) -> Decimal:
    if number.bit_length() > 4 * MAX_DIGITS:
        raise CtyError(f"a number may have {MAX_DIGITS} digits, no more")
    return Decimal(number)


def _normal_decimal(number: Decimal) -> Number:
    if number.is_nan():
        raise CtyError("number required, and this is none (nan)")
    _, digits, exponent = number.as_tuple()
    assert isinstance(exponent, int)
    is_zero = not number
    if not is_zero and max(number.adjusted(), -exponent) > MAX_DIGITS:
        raise CtyError(f"a number may have {MAX_DIGITS} digits, no more")
    if is_zero:
        return 0
    if len(digits) > _SAFE_DIGITS:
        number = _shortest(number)
    return int(number) if number == number.to_integral_value() else number


def _shortest(number: Decimal) -> Decimal:
    """Return the shortest decimal with the same 512 bits as the number."""
    wanted = _rounded(Fraction(number))
    for digits in range(1, _SAFE_DIGITS + 4):
        short = Context(prec=digits).create_decimal(number)
        if _rounded(Fraction(short)) == wanted:
            return short
    return number


def _rounded(number: Fraction) -> Fraction:
    """Round to 512 significant bits, halves to even."""
    size = abs(number.numerator).bit_length() - number.denominator.bit_length()
    unit = Fraction(2) ** (size - _BITS)
    if abs(number) / unit >= 2**_BITS:
        unit *= 2
    return round(number / unit) * unit


def format_number(number: Number) -> str:
    """Return a finite number in plain decimal notation (Go: `Text('f', -1)`).

    Raises:
        CtyError: It is no number, infinite, or has too many digits.
    """
    if not number and math.copysign(1, number) < 0:
        return "-0"
    number = normal(number)
    if isinstance(number, float):
        if math.isinf(number):
            raise CtyError("infinity can't be written as a decimal")
        number = Decimal(repr(number))
    return str(number) if isinstance(number, int) else _plain(number)


def _plain(number: Decimal) -> str:
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
