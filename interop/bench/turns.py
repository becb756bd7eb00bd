"""Who is measured when."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")


def turns(rounds: int, everyone: Sequence[T]) -> Iterator[tuple[int, T]]:
    """Yield everybody once a round, each round from another one on.

    So a change in the machine's speed hits all alike, and nobody is always the one who
    comes after the heaviest.
    """
    for turn in range(rounds):
        first = turn % len(everyone) if everyone else 0
        for one in [*everyone[first:], *everyone[:first]]:
            yield turn, one
