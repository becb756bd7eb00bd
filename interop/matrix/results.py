"""Reads what the recorder wrote, and finds out what each test says about whom."""

import fnmatch
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from interop.matrix import names
from interop.matrix.model import Matrix, Peer

PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one test in one runtime."""

    node_id: str
    runtime: str
    outcome: str
    seconds: float
    log: str
    programs: frozenset[str]
    """The fixtures that it asked for."""
    peer: str | None
    """The peer that it named itself."""
    shown: frozenset[str]
    failed: frozenset[str]
    """Core behaviours, in the words of the test."""

    @property
    def name(self) -> str:
        """The name that lists of tests use."""
        return names.short(self.node_id)

    @property
    def key(self) -> str:
        """What tells it from all others."""
        return f"{self.node_id} ({self.runtime})"

    def of(self, behaviour: str) -> str | None:
        """Return the outcome for a core behaviour; None if this is not about it."""
        if behaviour in self.failed:
            return FAILED
        if behaviour in self.shown:
            # What it left behind may be anyone's fault.
            return self.outcome if not self.failed else PASSED
        return None


@dataclass(frozen=True, slots=True)
class Results:
    """One or more runs."""

    environments: tuple[tuple[str, dict[str, str]], ...]
    """Versions, by runtime."""
    outcomes: tuple[Outcome, ...]

    @property
    def failures(self) -> list[Outcome]:
        """The tests that failed, also those that are about no peer."""
        return [each for each in self.outcomes if each.outcome == FAILED]

    def of_peer(self, peer: Peer, matrix: Matrix) -> list[Outcome]:
        """Return what is about a peer."""
        own = _own_fixtures(peer, matrix)
        return [each for each in self.outcomes if _is_about(each, peer, own)]


def read(paths: Iterable[Path]) -> Results:
    """Read files of the recorder; of a test that ran twice, the later file counts.

    The order of the tests is always the same.
    """
    runs = [json.loads(path.read_text()) for path in paths]
    outcomes = {each.key: each for run in runs for each in _outcomes(run)}
    environments = {run["runtime"]: run["environment"] for run in runs}
    return Results(
        tuple(environments.items()),
        tuple(outcomes[key] for key in sorted(outcomes)),
    )


def _outcomes(run: dict[str, Any]) -> Iterator[Outcome]:
    for node_id, test in run["tests"].items():
        properties = test["properties"]
        yield Outcome(
            node_id=node_id,
            runtime=run["runtime"],
            outcome=test["outcome"],
            seconds=test["seconds"],
            log=test["log"],
            programs=frozenset(properties.get("programs", ())),
            peer=next(iter(properties.get("peer", ())), None),
            shown=frozenset(properties.get("shown", ())),
            failed=frozenset(properties.get("failed", ())),
        )


def _own_fixtures(peer: Peer, matrix: Matrix) -> set[str]:
    """Return the fixtures that no other peer has."""
    others = {
        name for other in matrix.peers if other != peer for name in other.fixtures
    }
    return set(peer.fixtures) - others


def _is_about(outcome: Outcome, peer: Peer, own_fixtures: set[str]) -> bool:
    if outcome.peer is not None:
        return outcome.peer == peer.name
    if own_fixtures and outcome.programs:
        return not own_fixtures.isdisjoint(outcome.programs)
    named = [test for _, tests in peer.shows for test in tests]
    patterns = [*peer.tests, *named]
    return any(fnmatch.fnmatchcase(outcome.name, pattern) for pattern in patterns)
