"""Compares a subject's verdicts with Go's, and makes what differs small."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

from interop.fuzz.judge import ask
from interop.fuzz.subject import Case, Divergence, Subject, Verdict

# What is shown of a batch: the rest is most likely the same again.
SHOWN = 3
# How many smaller cases are tried at once while one is made smaller.
TRIED = 64


@dataclass(frozen=True, slots=True)
class Outcome:
    """A case and both verdicts on it."""

    case: Case
    go: Verdict
    ours: Verdict

    @property
    def agrees(self) -> bool:
        """Whether the verdicts are the same."""
        return bool(self.go == self.ours)

    def explanation(self, subject: Subject) -> Divergence | None:
        """Return the divergence that the verdicts show, if it is a known one."""
        known = subject.divergences
        return next(
            (d for d in known if d.applies(self.case, self.go, self.ours)), None
        )

    def is_unexplained(self, subject: Subject) -> bool:
        """Whether the verdicts differ for no known reason."""
        return not self.agrees and self.explanation(subject) is None


def judged(subject: Subject, cases: Sequence[Case]) -> list[Outcome]:
    """Let both decide."""
    answers = ask(subject.name, [subject.request(case) for case in cases])
    return [
        Outcome(case, subject.go(case, answer), subject.ours(case))
        for case, answer in zip(cases, answers, strict=True)
    ]


def case_of(subject: Subject, seed: int, number: int) -> Case:
    """Return one of the cases of a seed."""
    return subject.make(Random(f"{subject.name} {seed} {number}"))


def compare(subject: Subject, seed: int, count: int) -> Counter[str]:
    """Compare so many cases; return how often each known divergence was seen.

    Raises:
        AssertionError: There is another one; its text has the smallest case.
    """
    cases = [case_of(subject, seed, number) for number in range(count)]
    outcomes = judged(subject, cases)
    failures = [n for n, each in enumerate(outcomes) if each.is_unexplained(subject)]
    failures = _confirmed(subject, seed, failures)
    assert not failures, _report(subject, seed, count, failures)
    known = (each.explanation(subject) for each in outcomes if not each.agrees)
    return Counter(divergence.name for divergence in known if divergence)


def _confirmed(subject: Subject, seed: int, numbers: Sequence[int]) -> list[int]:
    """Return which cases differ once more.

    On a machine that is busy enough, Go runs into time limits of its own, of five
    seconds, where all it waits for is itself.
    """
    outcomes = judged(subject, [case_of(subject, seed, number) for number in numbers])
    pairs = zip(numbers, outcomes, strict=True)
    return [number for number, outcome in pairs if outcome.is_unexplained(subject)]


def _report(subject: Subject, seed: int, count: int, failures: Sequence[int]) -> str:
    shown = [
        f"case {number}: {smallest(subject, case_of(subject, seed, number))}"
        for number in failures[:SHOWN]
    ]
    told = f"{subject.name}, seed {seed}: {len(failures)} of {count} cases differ"
    return "\n".join([told, *shown])


def smallest(subject: Subject, case: Case) -> Outcome:
    """Return a smaller case that still differs, if there is one, judged."""
    best = judged(subject, [case])[0]
    while True:
        for tried in _batches(list(_smaller(subject, best.case))):
            outcomes = judged(subject, tried)
            better = [each for each in outcomes if each.is_unexplained(subject)]
            if better:
                best = better[0]
                break
        else:
            return best


def _smaller(subject: Subject, case: Case) -> Iterator[Case]:
    """Yield the case without some of its bytes; large parts first."""
    data = case[subject.mutable]
    size = len(data)
    while size:
        for start in range(0, len(data), size):
            yield {**case, subject.mutable: data[:start] + data[start + size :]}
        size = size // 2 if len(data) // size < TRIED else 0


def _batches(cases: list[Case]) -> Iterator[list[Case]]:
    for start in range(0, len(cases), TRIED):
        yield cases[start : start + TRIED]
