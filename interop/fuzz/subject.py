"""What is compared: subjects, and where they differ on purpose."""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any, TypeAlias

# Of plain values and bytes, as the judge takes it.
Case: TypeAlias = dict[str, Any]
# Compared by ==, and shown by repr.
Verdict: TypeAlias = Any


@dataclass(frozen=True, slots=True)
class Divergence:
    """A way in which both decide differently, on purpose."""

    name: str
    reason: str
    example: Case
    applies: Callable[[Case, Verdict, Verdict], bool]
    """Whether it explains the verdicts on a case: Go's, then ours."""


@dataclass(frozen=True, slots=True)
class Subject:
    """Something that both decide."""

    name: str
    make: Callable[[Random], Case]
    """Returns a random case."""
    ours: Callable[[Case], Verdict]
    """Decides as this library does, and must not raise."""
    go: Callable[[Case, Any], Verdict]
    """Turns what the judge says, or a `Death`, into a verdict such as ours."""
    mutable: str
    """The member of a case that holds bytes to shrink."""
    divergences: tuple[Divergence, ...] = field(default=())
    request: Callable[[Case], Case] = lambda case: case
    """Returns what the judge is asked."""
    cost: int = 1
    """How much longer a case takes than where nothing has to be started."""
