"""Behaviours down, peers across: which tests stand in which cell."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from interop.matrix import names
from interop.matrix.model import Matrix, Peer
from interop.matrix.results import FAILED, PASSED, SKIPPED, Outcome, Results

CORE = "core"


@dataclass(frozen=True, slots=True)
class Cell:
    """What one peer shows of one behaviour; not empty."""

    evidence: tuple[tuple[Outcome, str], ...]
    """Tests, each with its outcome for this behaviour."""

    @property
    def status(self) -> str:
        """The worst outcome, but a test that ran counts more than a skipped one."""
        outcomes = {outcome for _, outcome in self.evidence}
        return next(each for each in (FAILED, PASSED, SKIPPED) if each in outcomes)

    @property
    def passed(self) -> int:
        """How many tests passed."""
        return sum(outcome == PASSED for _, outcome in self.evidence)


@dataclass(frozen=True, slots=True)
class Row:
    """One behaviour."""

    name: str
    says: str
    go: str = ""
    """The symbol of go-plugin that demands it."""
    differs: str = ""
    """What this library does otherwise on purpose."""
    cells: dict[str, Cell] = field(default_factory=dict)
    """By peer."""
    elsewhere: tuple[str, ...] = ()
    """Tests without a Go program, which `make test` runs."""


@dataclass(frozen=True, slots=True)
class Group:
    """Rows that belong together."""

    name: str
    rows: tuple[Row, ...]


def groups(matrix: Matrix, results: Results) -> list[Group]:
    """Return all rows: core behaviours, then what requirements.yaml has."""
    of_peers = {peer.name: results.of_peer(peer, matrix) for peer in matrix.peers}
    found = [Group(CORE, tuple(_core(matrix, of_peers)))]
    by_name: dict[str, list[Row]] = {}
    for row in _requirements(of_peers):
        by_name.setdefault(row.name.partition(".")[0], []).append(row)
    return [*found, *(Group(name, tuple(rows)) for name, rows in by_name.items())]


def silent(matrix: Matrix, results: Results) -> list[Peer]:
    """Return the peers of which no test ran, and that may not be missing."""
    return [
        peer
        for peer in matrix.peers
        if not peer.optional
        and all(each.outcome == SKIPPED for each in results.of_peer(peer, matrix))
    ]


def _core(matrix: Matrix, of_peers: dict[str, list[Outcome]]) -> Iterator[Row]:
    for behaviour, says in matrix.behaviours.items():
        cells = {}
        for peer in matrix.peers:
            shows = dict(peer.shows).get(behaviour, ())
            evidence = tuple(_shown(of_peers[peer.name], behaviour, shows))
            if evidence:
                cells[peer.name] = Cell(evidence)
        yield Row(behaviour, says, cells=cells)


def _shown(
    outcomes: list[Outcome], behaviour: str, shows: tuple[str, ...]
) -> Iterator[tuple[Outcome, str]]:
    for each in outcomes:
        outcome = each.outcome if each.name in shows else each.of(behaviour)
        if outcome is not None:
            yield each, outcome


def _requirements(of_peers: dict[str, list[Outcome]]) -> Iterator[Row]:
    for name, requirement in names.REQUIREMENTS.items():
        tests = set(requirement["tests"])
        cells = {}
        for peer, outcomes in of_peers.items():
            found = [(each, each.outcome) for each in outcomes if each.name in tests]
            if found:
                cells[peer] = Cell(tuple(found))
        yield Row(
            name,
            requirement["says"],
            requirement["go"],
            requirement.get("differs", ""),
            cells,
            tuple(test for test in sorted(tests) if not test.startswith("interop/")),
        )
