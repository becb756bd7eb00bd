"""How codecs go through many values of one type at once.

A column is a list of values of one type. A codec turns a column into another one, and
returns the same list if nothing in it had to change, which Python can find out fast:
the types of a list's elements with `set(map(type, column))`. So most of a big value
costs no Python call per element.

An error tells its position in the column; each codec translates that of the columns
that it made into its own.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from itertools import accumulate, chain, pairwise
from typing import Any, TypeAlias

from goplugin_py.terraform.cty.errors import CtyError
from goplugin_py.terraform.cty.paths import Index, Step

__all__ = ["Codec", "Misfit", "at_step", "each", "flattened", "through", "transposed"]

# Takes a column, and how much deeper dynamic values may still nest.
Codec: TypeAlias = Callable[[list[Any], int], list[Any]]


class Misfit(Exception):
    """A value of a column that the codec refuses."""

    def __init__(self, position: int, error: CtyError) -> None:
        super().__init__(position, error)
        self.position = position
        self.error = error


def each(function: Callable[[Any], Any], column: Sequence[Any]) -> list[Any]:
    """Apply a function that may raise `CtyError` to each value."""
    results: list[Any] = []
    try:
        # extend() keeps what came before an exception, so its length is the position.
        results.extend(map(function, column))
    except CtyError as exc:
        raise Misfit(len(results), exc) from None
    return results


def through(
    column: list[Any],
    kinds: tuple[type, ...],
    special: Callable[[Any], Any],
    codec: Callable[[list[Any]], list[Any]],
) -> list[Any]:
    """Apply a codec to the values of some Python types, and a function to the others.

    The function handles null and unknown, and refuses everything else.
    """
    if set(map(type, column)) <= set(kinds):
        return codec(column)
    where = [index for index, one in enumerate(column) if isinstance(one, kinds)]
    others = set(range(len(column))).difference(where)
    result = list(column)
    for index in others:
        result[index] = _special(special, column[index], index)
    try:
        coded = codec([column[index] for index in where])
    except Misfit as exc:
        raise Misfit(where[exc.position], exc.error) from None
    for index, one in zip(where, coded, strict=True):
        result[index] = one
    return result


def _special(special: Callable[[Any], Any], value: Any, index: int) -> Any:
    try:
        return special(value)
    except CtyError as exc:
        raise Misfit(index, exc) from None


def at_step(codec: Codec, column: list[Any], budget: int, step: Step) -> list[Any]:
    """Apply a codec to what is one step inside of a column's values."""
    try:
        return codec(column, budget)
    except Misfit as exc:
        raise Misfit(exc.position, exc.error.below(step)) from None


def flattened(
    codec: Codec,
    column: Sequence[Any],
    budget: int,
    step: Callable[[int, int], Step] = lambda _, inner: Index(inner),
    parts: Callable[[Any], Iterable[Any]] = iter,
) -> list[list[Any]] | None:
    """Apply a codec to the elements of a column's collections, all at once.

    Args:
        codec: For the elements.
        column: What the elements are in.
        budget: As of codecs.
        step: The step to an element, by position in the column and in the collection.
        parts: Returns the elements of a collection.

    Returns:
        The new elements of each collection; None if they are the same as before.
    """
    [first, *others] = column or [[]]
    # No codec changes a column itself, so a list may be one as it is.
    is_one = not others and type(first) is list
    # Without a list of all views: the garbage collector would look at each.
    flat = first if is_one else list(chain.from_iterable(map(parts, column)))
    try:
        coded = codec(flat, budget)
    except Misfit as exc:
        ends = list(accumulate(map(len, column), initial=0))
        outer = max(i for i, start in enumerate(ends) if start <= exc.position)
        where = step(outer, exc.position - ends[outer])
        raise Misfit(outer, exc.error.below(where)) from None
    if coded is flat:
        return None
    bounds = pairwise(accumulate(map(len, column), initial=0))
    return [coded[start:end] for start, end in bounds]


def transposed(rows: Iterable[Collection[Any]], width: int) -> list[list[Any]]:
    """Return what rows of the same width have in each place."""
    flat = list(chain.from_iterable(rows))
    return [flat[place::width] for place in range(width)]
