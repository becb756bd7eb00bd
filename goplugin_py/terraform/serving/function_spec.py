"""Functions: those of Python, called by Terraform."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

__all__ = ["FunctionSpec", "function", "spec_of"]

_Function = TypeVar("_Function", bound=Callable[..., Any])


@dataclass(frozen=True)
class FunctionSpec:
    """What `function` was called with."""

    name: str = ""
    allows_unknown: bool = False
    deprecated: str = ""


def function(
    *, name: str = "", allows_unknown: bool = False, deprecated: str = ""
) -> Callable[[_Function], _Function]:
    """Say more about a function than its signature and docstring do.

    Args:
        name: Terraform's name, if it is not the function's.
        allows_unknown: Call it with `UNKNOWN` arguments as well.
        deprecated: Why it should not be used any more, and what instead.
    """

    def mark(function: _Function) -> _Function:
        spec = FunctionSpec(name, allows_unknown, deprecated)
        function.__dict__["_terraform"] = spec
        return function

    return mark


def spec_of(function: Callable[..., Any]) -> FunctionSpec:
    """Return what an author said about a function."""
    spec: FunctionSpec = vars(function).get("_terraform", FunctionSpec())
    return spec
