"""What matrix.yaml may say, and the errors of what it may not."""

import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml

from interop.matrix import loading, names
from interop.matrix.drivers import DRIVERS
from interop.matrix.loading import load, unlisted
from interop.matrix.model import Peer
from interop.matrix.names import REQUIREMENTS
from interop.matrix.place import MatrixError

MATRIX = load()
ECHO = "echo-plugin-1.8.0"


def reload(directory: Path, content: object) -> None:
    """Load this instead of the file."""
    path = directory / "matrix.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    load(path)


@pytest.fixture
def content() -> dict[str, Any]:
    """Give what the file holds, to be spoilt."""
    content: dict[str, Any] = yaml.safe_load(loading.FILE.read_text())
    return content


def test_every_go_program_is_a_peer_or_told_apart() -> None:
    """interop/fixtures.py: whoever adds one says here who it is."""
    assert unlisted(MATRIX) == set(), "list them in interop/matrix.yaml"


@pytest.mark.parametrize("peer", MATRIX.peers, ids=str)
def test_every_peer_names_tests_that_exist(peer: Peer) -> None:
    """By name in `shows`, by pattern in `tests`."""
    missing = [
        test for _, tests in peer.shows for test in tests if not names.exists(test)
    ]
    assert missing == [], "name them in interop/matrix.yaml as they are now"
    for pattern in peer.tests:
        file, function = names.split(pattern)
        assert fnmatch.filter(names.functions(file), function), pattern


def test_every_driver_has_the_behaviours_that_are_asked_of_it() -> None:
    for peer in MATRIX.peers:
        for behaviour in peer.behaviours:
            assert callable(getattr(DRIVERS[str(peer.driver)], behaviour))


@pytest.mark.parametrize("peer", MATRIX.peers, ids=str)
def test_few_combinations_have_every_value_that_is_possible(peer: Peer) -> None:
    every = list(MATRIX.combinations(peer))
    few = MATRIX.covering(every)
    assert {item for each in few for item in each.values.items()} == {
        item for each in every for item in each.values.items()
    }
    assert len(few) <= 6


def test_a_combination_is_left_out_for_a_reason_only() -> None:
    """tcp-plugin knows neither multiplexing nor certificates of its own."""
    [peer] = [peer for peer in MATRIX.peers if peer.name == ECHO]
    values = {
        (c.transport, c.security, c.connection) for c in MATRIX.combinations(peer)
    }
    assert ("tcp", "auto-mtls", "separate") in values
    assert ("unix", "manual-tls", "multiplexed") in values
    assert ("tcp", "plain", "multiplexed") not in values
    assert ("tcp", "manual-tls", "separate") not in values


def test_a_behaviour_is_impossible_in_some_combinations_only() -> None:
    """go-plugin before 1.4.4: a plugin's dials under AutoMTLS fail."""
    [peer] = [peer for peer in MATRIX.peers if peer.name == "callback-plugin-1.4.3"]
    possible = {c.security: MATRIX.possible(c) for c in MATRIX.combinations(peer)}
    assert possible == {"plain": ["start", "broker"], "auto-mtls": ["start"]}


def test_no_behaviour_has_the_name_of_a_requirement() -> None:
    """The page has both as rows."""
    assert not MATRIX.behaviours.keys() & REQUIREMENTS.keys()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"direction": "left"},
            r"direction: 'left' is not allowed; one of python-host",
        ),
        ({"fixtures": ["nobody"]}, r"fixtures\[0\]: 'nobody' is not allowed; one of"),
        ({"fixtures": []}, r"fixtures: \[\] is no list with something in it"),
        ({"tier": "full"}, "tier: 'full', but echo-plugin has the tier 'quick'"),
        ({"version": "v1.0.0"}, r"is v1.0.0 here, but .*echo-plugin/go.mod has v1.8.0"),
        ({"module": "example.com/x"}, "echo-plugin/go.mod does not require it"),
        ({"cookie": "half"}, "'half' is no cookie; allowed: KEY=VALUE"),
        ({"versions": [1, "2"]}, r"versions\[1\]: '2' is no version; allowed: 0, 1"),
        ({"behaviours": ["fly"]}, r"behaviours\[0\]: 'fly' is not allowed; one of"),
        ({"colour": "red"}, "colour is unknown; allowed: behaviours, cookie"),
        ({"title": ""}, "title: '' is no text"),
        ({"optional": "no reason"}, "lacks the full stop"),
        (
            {"shows": {"fly": ["interop/a::b"]}},
            "shows: fly is unknown; allowed: broker",
        ),
        (
            {"impossible": [{"transport": "air", "reason": "Why."}]},
            r"impossible\[0\].transport: 'air' is not allowed; one of tcp, unix",
        ),
        ({"impossible": [{"transport": "tcp"}]}, r"impossible\[0\]: reason is missing"),
        ({"impossible": [{"reason": "Why."}]}, "name a value of at least one of"),
        (
            {"impossible": [{"transport": "tcp", "reason": "A."}] * 2},
            r"impossible\[0\] keeps nothing out that the others do not",
        ),
        (
            {
                "impossible": [
                    {"transport": "tcp", "reason": "A."},
                    {"transport": "unix", "reason": "B."},
                ]
            },
            "all combinations are impossible",
        ),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_what_is_wrong_with_a_peer_is_said_with_what_is_allowed(
    content: dict[str, Any], tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    content["peers"][ECHO] |= change
    with pytest.raises(MatrixError, match=message) as caught:
        reload(tmp_path, content)
    assert str(caught.value).startswith(f"matrix.yaml: peers.{ECHO}")


def test_a_driver_needs_behaviours(content: dict[str, Any], tmp_path: Path) -> None:
    del content["peers"][ECHO]["behaviours"]
    with pytest.raises(MatrixError, match="driver and behaviours go together"):
        reload(tmp_path, content)


def test_a_missing_section_is_named(content: dict[str, Any], tmp_path: Path) -> None:
    del content["axes"]
    with pytest.raises(MatrixError, match=r"matrix\.yaml: .*axes is missing"):
        reload(tmp_path, content)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("peers: {a: 1, a: 2}", "line 1: twice there: a"),
        ("peers: [", "no YAML"),
        ("just text", "'just text' is no mapping"),
        ("", "None is no mapping"),
    ],
)
def test_a_file_that_is_none_is_refused(
    tmp_path: Path, text: str, message: str
) -> None:
    """YAML itself would take the last of two peers with the same name."""
    with pytest.raises(MatrixError, match=message):
        reload(tmp_path, text)
