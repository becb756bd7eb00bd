"""Many starts, faults and log lines; `make stress` does the same for minutes."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from interop.fixtures import ROOT
from tests.peers import SCRIPT_WAIT


def printed(module: str, *arguments: str, directory: Path) -> str:
    """Run a program, in a process in which nothing else is open."""
    ended = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(directory)},
        capture_output=True,
        text=True,
        timeout=SCRIPT_WAIT,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("descriptors", {"auto_mtls": False}),
        ("memory", {}),
        ("interrupt", {"broker_multiplex": True}),
    ],
    ids=["descriptors-plain", "memory-mtls", "interrupt-multiplex"],
)
@pytest.mark.parametrize("first", ["0", "1"], ids=["even", "odd"])
def test_fault_at_each_step_of_a_start_leaves_nothing(
    kind: str, options: dict[str, bool], first: str, short_tmp: Path
) -> None:
    """Requirement: no process, descriptor, thread, socket or file, whatever fails."""
    arguments = (kind, repr(options), "--first", first, "--stride", "2")
    steps = printed("interop.faults", *arguments, directory=short_tmp)
    assert ast.literal_eval(steps) > 50
    # A plugin that ends before its line has told nobody where its socket is.
    assert all(path.name.startswith("plugin") for path in short_tmp.iterdir())


@pytest.mark.parametrize("kind", ["descriptors", "interrupt"])
def test_fault_at_each_step_of_a_start_by_a_runner_leaves_nothing(
    kind: str, short_tmp: Path
) -> None:
    """Requirement: the socket directory and the runner's plugin among it."""
    arguments = (kind, "{'broker_multiplex': True}", "--runner", "CommandRunner")
    steps = printed("interop.faults", *arguments, directory=short_tmp)
    assert ast.literal_eval(steps) > 50
    assert not list(short_tmp.iterdir())


def test_hundred_starts_leave_nothing(short_tmp: Path) -> None:
    """Requirement: 100 in each run of the tests, 1,000 under stress."""
    out = printed("interop.stress", "cycles", "100", directory=short_tmp)
    assert "after 100 starts: 0 processes" in out
    assert "0 sockets, 0 threads, 0 files" in out


def test_log_lines_all_arrive_in_bounded_memory(short_tmp: Path) -> None:
    """Requirement: a million in a run; so many under stress."""
    out = printed("interop.stress", "lines", "50000", directory=short_tmp)
    assert "50000 of 50000 lines" in out
