"""Peers, and the combinations of axes in which a peer is tested."""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

Direction: TypeAlias = Literal["python-host", "python-plugin"]

# The axes of a combination, in the order of its name; a peer has one direction.
AXES = ("transport", "security", "connection", "colour", "runtime")


@dataclass(frozen=True, slots=True)
class Impossible:
    """Combinations that a peer can not be in, and why."""

    where: tuple[tuple[str, str], ...]
    """Values of axes; all others are covered."""
    reason: str
    behaviour: str | None = None
    """The only one that is impossible there; None for all."""

    def covers(self, values: Mapping[str, str], behaviour: str | None = None) -> bool:
        """Tell whether this is about a combination; by default as a whole."""
        if self.behaviour not in (None, behaviour):
            return False
        return all(values[axis] == value for axis, value in self.where)


@dataclass(frozen=True, slots=True)
class Peer:
    """A Go program, or several of one kind, on the other side of the link."""

    name: str
    title: str
    direction: Direction
    module: str
    """The Go module whose version counts."""
    version: str
    go_plugin: str
    """The version of go-plugin that it is built with; empty if it has none."""
    fixtures: tuple[str, ...]
    tier: str
    cookie: tuple[str, str] | None = None
    versions: tuple[int, ...] = ()
    """Of the application's protocol."""
    driver: str | None = None
    """What runs the core behaviours, see `interop.matrix.drivers`."""
    behaviours: tuple[str, ...] = ()
    """Those that the driver runs."""
    shows: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Core behaviours with the tests of its own that show them."""
    tests: tuple[str, ...] = ()
    """Patterns of tests that are about it, if its fixtures do not tell."""
    impossible: tuple[Impossible, ...] = ()
    optional: str = ""
    """Why it may be missing."""

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Combination:
    """One way to be linked with a peer: a value for each axis."""

    peer: Peer
    transport: str
    security: str
    connection: str
    colour: str
    runtime: str

    @property
    def values(self) -> dict[str, str]:
        """The value of each axis."""
        return {axis: getattr(self, axis) for axis in AXES}

    def __str__(self) -> str:
        # The runtime is the same for a whole run.
        return "-".join([self.peer.name, *list(self.values.values())[:-1]])


@dataclass(frozen=True, slots=True)
class Matrix:
    """All that `matrix.yaml` says."""

    axes: Mapping[str, Mapping[str, str]]
    """What each value means, by axis; the direction included."""
    behaviours: Mapping[str, str]
    """What each core behaviour means."""
    peers: tuple[Peer, ...]
    not_peers: Mapping[str, str]
    """Fixtures that are no peers, and what they are."""

    def combinations(self, peer: Peer) -> Iterator[Combination]:
        """Give those in which the driver runs the peer."""
        if peer.driver is None:
            return
        for values in itertools.product(*(self.axes[axis] for axis in AXES)):
            named = dict(zip(AXES, values, strict=True))
            if not any(each.covers(named) for each in peer.impossible):
                yield Combination(peer, *values)

    def possible(self, combination: Combination) -> list[str]:
        """Return the behaviours of a combination."""
        peer, values = combination.peer, combination.values
        return [
            behaviour
            for behaviour in peer.behaviours
            if not any(each.covers(values, behaviour) for each in peer.impossible)
        ]

    def cases(self, peer: Peer) -> set[tuple[Combination, str]]:
        """Return each combination with each behaviour that is possible there."""
        return {
            (combination, behaviour)
            for combination in self.combinations(peer)
            for behaviour in self.possible(combination)
        }

    def covering(self, combinations: Iterable[Combination]) -> list[Combination]:
        """Choose few combinations in which each value of each axis is at least once."""
        left = list(combinations)
        missing = {item for each in left for item in each.values.items()}
        chosen = []
        while missing:
            best = max(left, key=lambda each: len(missing & each.values.items()))
            missing -= best.values.items()
            chosen.append(best)
        return chosen
