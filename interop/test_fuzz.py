"""Random cases, decided by Go's implementation and by ours.

`make stress` does the same with other seeds, and for longer.
"""

import pytest

from interop.fuzz import SUBJECTS
from interop.fuzz.comparison import compare, judged
from interop.fuzz.stderr import DIES
from interop.fuzz.subject import Case, Divergence, Subject, Verdict

SEED = 1
# What takes a second or so.
COUNT = 400


@pytest.mark.parametrize("name", SUBJECTS)
def test_both_decide_alike_or_differ_on_purpose(name: str) -> None:
    subject = SUBJECTS[name]
    compare(subject, SEED, COUNT // subject.cost)


@pytest.mark.parametrize(
    ("name", "divergence"),
    [
        pytest.param(name, divergence, id=f"{name}-{divergence.name}".replace(" ", "_"))
        for name, subject in SUBJECTS.items()
        for divergence in subject.divergences
    ],
)
def test_what_differs_on_purpose_still_differs(
    name: str, divergence: Divergence
) -> None:
    """One that does not any more is to be taken off the list."""
    subject = SUBJECTS[name]
    [outcome] = judged(subject, [divergence.example])
    assert not outcome.agrees
    assert outcome.explanation(subject) is divergence


def _refuses_colons(case: Case) -> Verdict:
    return "refused" if b":" in case["stderr"] else "accepted"


def _accepts_all(case: Case, answer: object) -> Verdict:
    return "accepted"


def test_a_difference_is_told_with_its_seed_and_the_smallest_case() -> None:
    """Both verdicts are made up here, so that they differ."""
    make = SUBJECTS["stderr"].make
    subject = Subject("stderr", make, _refuses_colons, _accepts_all, mutable="stderr")
    with pytest.raises(
        AssertionError, match=r"stderr, seed 7: \d+ of 30 cases"
    ) as told:
        compare(subject, 7, 30)
    assert "case={'stderr': b':'}" in str(told.value)


def test_what_ends_a_go_host_ends_no_comparison() -> None:
    """go-plugin: parseJSON panics, and the judge with it."""
    texts = [b"one", b'{"@level":1}', b'{"@message":1}', b"two"]
    outcomes = judged(SUBJECTS["stderr"], [{"stderr": text} for text in texts])
    assert [each.go == DIES for each in outcomes] == [False, True, True, False]
    assert [each.agrees for each in outcomes] == [True, False, False, True]
