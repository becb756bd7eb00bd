"""What the recorder keeps of tests, and what the pages make of it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from interop.fixtures import ROOT
from interop.matrix.__main__ import write
from interop.matrix.grid import Cell, groups, silent
from interop.matrix.loading import load
from interop.matrix.markdown import summary
from interop.matrix.results import Outcome, Results, read

# A pytest with two more processes.
TIMEOUT = 100.0
TESTS = """
import pytest
from interop.fixtures import binary

@pytest.fixture(scope="module")
def shared():
    return binary("echo-plugin")

@pytest.fixture
def untidy():
    yield
    assert not "something left"

def test_first(shared): pass
def test_second(shared): pass
def test_own(): binary("kv-host")
def test_bare(): pass
def test_fails():
    print("said before")
    binary("kv-plugin")
    assert 1 == 2
def test_leaves_something(untidy): pass
def test_skipped(): pytest.skip("for a reason")
@pytest.mark.parametrize("way", ["there"])
def test_tells(way, record_property):
    record_property("peer", "echo-host-1.8.0")
    record_property("shown", "start")
    record_property("shown", "unary")
    record_property("failed", "log")
    assert way == "back"
"""
MATRIX = load()


def record(directory: Path, processes: int) -> Path:
    """Run the tests with the recorder; return what it wrote."""
    (directory / "interop").mkdir()
    (directory / "interop" / "test_some.py").write_text(TESTS)
    results = directory / "deep" / "results.json"
    plugins = ["-pinterop.matrix.recorder", "-pno:cacheprovider"]
    arguments = [
        "interop",
        "--rootdir=.",
        f"--matrix-results={results}",
        f"-n{processes}",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *plugins, "-c/dev/null", *arguments],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    return results


@pytest.fixture(scope="module", params=[0, 2], ids=["alone", "xdist"])
def recorded(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    return record(tmp_path_factory.mktemp("recorded"), request.param)


@pytest.fixture
def results(recorded: Path) -> Results:
    return read([recorded])


def named(results: Results, name: str) -> Outcome:
    [found] = [
        each for each in results.outcomes if each.name == f"interop/some::{name}"
    ]
    return found


def test_each_test_has_its_outcome_and_its_go_programs(results: Results) -> None:
    """A fixture that tests share is set up in one of them, and counts for all."""
    seen = {each.name.partition("::")[2]: each for each in results.outcomes}
    assert {name: (o.outcome, set(o.programs)) for name, o in seen.items()} == {
        "first": ("passed", {"echo-plugin"}),
        "second": ("passed", {"echo-plugin"}),
        "own": ("passed", {"kv-host"}),
        "bare": ("passed", set()),
        "fails": ("failed", {"kv-plugin"}),
        "leaves_something": ("failed", set()),
        "skipped": ("skipped", set()),
        "tells": ("failed", set()),
    }


def test_a_failure_has_its_log(results: Results) -> None:
    assert "assert 1 == 2" in named(results, "fails").log
    assert "said before" in named(results, "fails").log
    assert "something left" in named(results, "leaves_something").log
    assert "for a reason" in named(results, "skipped").log
    assert named(results, "own").log == ""


def test_a_test_tells_its_peer_and_behaviours(results: Results) -> None:
    told = named(results, "tells")
    assert told.node_id.endswith("[there]")
    assert told.peer == "echo-host-1.8.0"
    assert (told.of("unary"), told.of("log"), told.of("kill")) == (
        "passed",
        "failed",
        None,
    )


def test_versions_stand_beside_them(results: Results) -> None:
    [(runtime, versions)] = results.environments
    assert runtime in ("latest", "floor")
    assert versions["Python"] == ".".join(map(str, sys.version_info[:3]))
    assert versions.keys() >= {"Go", "grpcio", "protobuf", "OS", "goplugin_py"}


def test_cells_are_where_their_peers_and_behaviours_meet(results: Results) -> None:
    core = groups(MATRIX, results)[0]
    cells = {
        (row.name, peer): cell.status
        for row in core.rows
        for peer, cell in row.cells.items()
    }
    assert cells == {
        ("start", "echo-host-1.8.0"): "passed",
        ("unary", "echo-host-1.8.0"): "passed",
        ("log", "echo-host-1.8.0"): "failed",
    }


def test_what_fails_without_a_behaviour_fails_all_that_it_shows() -> None:
    """Such as a process that is left behind, whoever did it."""
    outcome = Outcome(
        "interop/test_matrix.py::test_x",
        *("latest", "failed", 1.0, "log"),
        programs=frozenset(),
        peer="echo-host-1.8.0",
        shown=frozenset({"start"}),
        failed=frozenset(),
    )
    assert outcome.of("start") == "failed"
    assert Cell(((outcome, "failed"), (outcome, "passed"))).status == "failed"


def test_the_summary_has_failures_by_name(results: Results) -> None:
    text = summary(MATRIX, results, groups(MATRIX, results))
    assert "8 tests: 4 passed, 3 failed, 1 skipped." in text
    assert "- failed: `interop/test_some.py::test_fails (" in text


def test_of_a_test_that_ran_again_the_later_outcome_counts(
    recorded: Path, tmp_path: Path
) -> None:
    again = json.loads(recorded.read_text())
    [name] = [name for name in again["tests"] if name.endswith("test_fails")]
    again["tests"] = {name: again["tests"][name] | {"outcome": "passed"}}
    later = tmp_path / "later.json"
    later.write_text(json.dumps(again))
    both = read([recorded, later])
    assert named(both, "fails").outcome == "passed"
    assert len(both.outcomes) == 8
    assert len(both.environments) == 1


def test_a_peer_without_a_test_is_an_error_and_no_page(
    recorded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Unless matrix.yaml says why it may be missing."""
    assert write([recorded], tmp_path) == 1
    assert not (tmp_path / "MATRIX.md").exists()
    message = capsys.readouterr().err
    assert "no test of the peer yamux ran" in message
    assert "(yamux-peer) with python -m interop.fixtures --full" in message
    assert "echo-host-1.8.0" not in message
    assert "yamux" in {peer.name for peer in silent(MATRIX, read([recorded]))}
