"""Semantic versions and constraints, against what Go programs make of them."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goplugin_py.errors import ConfigError
from goplugin_py.registry import Constraint, Version

# https://semver.org/#spec-item-11, and what comes around it.
ASCENDING = [
    "0.0.0",
    "0.0.1",
    "0.9.0",
    "1.0.0-0",
    "1.0.0-2",
    "1.0.0-11",
    "1.0.0--",
    "1.0.0-alpha",
    "1.0.0-alpha.1",
    "1.0.0-alpha.beta",
    "1.0.0-beta",
    "1.0.0-beta.2",
    "1.0.0-beta.11",
    "1.0.0-rc.1",
    "1.0.0",
    "1.2.0",
    "1.10.0",
    "2.0.0",
]

words = st.from_regex(r"(0|[1-9][0-9]{0,3}|[a-z-][0-9a-z-]{0,3})", fullmatch=True)
versions = st.builds(
    Version,
    st.tuples(*[st.integers(0, 99)] * 3),
    st.lists(words, max_size=3).map(tuple),
    st.sampled_from(["", "build.7"]),
)


def test_versions_are_ordered_as_the_standard_has_it() -> None:
    parsed = list(map(Version.parse, ASCENDING))
    assert all(low < high for low, high in itertools.pairwise(parsed))


@given(versions)
def test_a_version_is_read_as_it_is_written(version: Version) -> None:
    read = Version.parse(str(version))
    assert (read.numbers, read.prerelease, read.build) == (
        version.numbers,
        version.prerelease,
        version.build,
    )


@given(versions, versions)
def test_versions_are_either_equal_or_ordered(one: Version, other: Version) -> None:
    assert [one < other, one == other, one > other].count(True) == 1
    assert one != other or hash(one) == hash(other)


def test_build_metadata_makes_no_difference() -> None:
    assert Version.parse("1.0.0+linux") == Version.parse("1.0.0+darwin.2")
    assert Version.parse("1.0.0+linux").build == "linux"
    assert Version.parse("1.0.0") != "1.0.0"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "1.2",
        "1.2.3.4",
        "v1.2.3",
        "01.2.3",
        "1.2.3-",
        "1.2.3-01",
        "1.2.3-a..b",
        "1.2.3+",
        "1.2.3 ",
        "1.2.3\n",
        "1.2.-3",
        "\uff11.2.3",
        "9" * 5000 + ".0.0",
        "1.2.3-" + "a" * 300,
    ],
    ids=lambda text: repr(text)[:12],
)
def test_what_is_no_version_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a semantic version"):
        Version.parse(text)


CANDIDATES = [
    *("0.4.9", "0.9.0", "1.3.9"),
    *("1.4.0-beta", "1.4.0-rc.1", "1.4.0-rc.2", "1.4.0-rc.11"),
    *("1.4.0", "1.4.1", "1.4.2", "1.4.3", "1.5.0-rc.1", "1.5.0", "2.0.0"),
]
ALL_1_4 = "1.4.0 1.4.1 1.4.2 1.4.3"


@pytest.mark.parametrize(
    ("constraint", "expected"),
    [
        ("=1.4", "1.4.0"),
        ("1.4.2", "1.4.2"),
        (">1.4", "1.4.1 1.4.2 1.4.3 1.5.0 2.0.0"),
        (">=1.4", "1.4.0 1.4.1 1.4.2 1.4.3 1.5.0 2.0.0"),
        ("<1.4", "0.4.9 0.9.0 1.3.9"),
        ("<=1.4.2", "0.4.9 0.9.0 1.3.9 1.4.0 1.4.1 1.4.2"),
        ("~>1", "1.3.9 1.4.0 1.4.1 1.4.2 1.4.3 1.5.0 2.0.0"),
        ("~>1.4", "1.4.0 1.4.1 1.4.2 1.4.3 1.5.0"),
        ("~> 1.4.2", "1.4.2 1.4.3"),
        ("~>0.4", "0.4.9 0.9.0"),
        (">=1.2, <2", "1.3.9 1.4.0 1.4.1 1.4.2 1.4.3 1.5.0"),
        ("~>1.4.2, !=1.4.3", "1.4.2"),
        (
            ">=1.4.0-rc.1",
            f"1.4.0-rc.1 1.4.0-rc.2 1.4.0-rc.11 {ALL_1_4} 1.5.0 2.0.0",
        ),
        ("<1.4.0-rc.2", "0.4.9 0.9.0 1.3.9 1.4.0-beta 1.4.0-rc.1"),
        ("=1.4.0-rc.1", "1.4.0-rc.1"),
        (
            ">1.4.0-alpha",
            f"1.4.0-beta 1.4.0-rc.1 1.4.0-rc.2 1.4.0-rc.11 {ALL_1_4} 1.5.0 2.0.0",
        ),
    ],
)
def test_constraints_pick_what_terraform_picks(constraint: str, expected: str) -> None:
    """Recorded from hashicorp/go-version 1.9.0, `Constraints.Check`."""
    assert picked(constraint) == expected.split()


@pytest.mark.parametrize(
    ("constraint", "expected"),
    [
        ("^1.4.1", "1.4.1 1.4.2 1.4.3 1.5.0"),
        ("^1", "1.3.9 1.4.0 1.4.1 1.4.2 1.4.3 1.5.0"),
        ("^0.4.1", "0.4.9"),
        ("^0.4", "0.4.9"),
        ("^0", "0.4.9 0.9.0"),
        ("^0.0", ""),
        ("", "0.4.9 0.9.0 1.3.9 1.4.0 1.4.1 1.4.2 1.4.3 1.5.0 2.0.0"),
    ],
)
def test_a_caret_holds_up_to_the_first_number_that_is_not_zero(
    constraint: str, expected: str
) -> None:
    """npm's, which go-version does not have; and no constraint at all."""
    assert picked(constraint) == expected.split()


@pytest.mark.parametrize(
    ("constraint", "expected"),
    [
        # go-version: takes pre-releases of any version
        ("!=1.4.2", "0.4.9 0.9.0 1.3.9 1.4.0 1.4.1 1.4.3 1.5.0 2.0.0"),
        # go-version: takes no release
        ("~>1.4.0-rc.2", "1.4.0-rc.2 1.4.0-rc.11 1.4.0 1.4.1 1.4.2 1.4.3"),
    ],
)
def test_a_prerelease_is_picked_by_those_who_name_it_and_keeps_no_release_out(
    constraint: str, expected: str
) -> None:
    """On purpose unlike go-version, which has an exception for these two."""
    assert picked(constraint) == expected.split()


def picked(constraint: str) -> list[str]:
    allowed = Constraint.parse(constraint)
    assert str(allowed) == constraint
    return [text for text in CANDIDATES if allowed.allows(Version.parse(text))]


@pytest.mark.parametrize(
    "text",
    [
        ",",
        ">=1.2,",
        ">=",
        "1.2.3.4",
        "> = 1",
        "=>1",
        "~1.2",
        "latest",
        "1.x",
        "1" * 300,
    ],
    ids=lambda text: text[:8],
)
def test_what_is_no_constraint_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="constraint"):
        Constraint.parse(text)
