"""The core behaviours with each peer of matrix.yaml, in each possible combination."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from interop.fixtures import FixtureMissing, binary
from interop.matrix.drivers import driver_of
from interop.matrix.loading import load
from interop.matrix.model import Combination, Peer
from interop.matrix.runtime import runtime

MATRIX = load()


def combinations() -> Iterator[Any]:
    """Give the combinations of this runtime; but for `make interop`, few of them."""
    for peer in MATRIX.peers:
        ours = [c for c in MATRIX.combinations(peer) if c.runtime == runtime()]
        few = MATRIX.covering(ours) if peer.tier == "quick" else []
        for combination in ours:
            marks = () if combination in few else pytest.mark.full
            yield pytest.param(combination, id=str(combination), marks=marks)


def require(peer: Peer) -> None:
    """Skip the test if the peer is missing and may be; otherwise its name is said."""
    for fixture in peer.fixtures:
        try:
            binary(fixture)
        except FixtureMissing:
            if peer.optional:
                pytest.skip(peer.optional)
            raise


@pytest.mark.parametrize("combination", list(combinations()))
def test_core_behaviours(
    combination: Combination,
    nothing_left: object,
    record_property: Callable[[str, object], None],
) -> None:
    """The sentence of each behaviour stands in matrix.yaml."""
    record_property("peer", combination.peer.name)
    require(combination.peer)
    driver = driver_of(combination)
    errors: list[BaseException] = []
    for behaviour in MATRIX.possible(combination):
        try:
            getattr(driver, behaviour)()
            record_property("shown", behaviour)
        except (Exception, pytest.fail.Exception) as exc:
            exc.add_note(f"behaviour: {behaviour}")
            record_property("failed", behaviour)
            errors.append(exc)
    if errors:
        raise BaseExceptionGroup("not all behaviours are as they should be", errors)
