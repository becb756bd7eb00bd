"""Plugins whose imports print to stdout, which belongs to the handshake."""

import subprocess
import sys
from pathlib import Path

import pytest

from interop import by_hand
from interop.fixtures import ROOT
from interop.go_host import Link, run

# What a careless dependency does while it is imported.
NOISE = """
import ctypes, os, subprocess

print("Python at import")
libc = ctypes.CDLL(None)
libc.puts(b"C at import")
libc.fflush(None)
os.write(1, b"a descriptor at import\\n")
subprocess.run(["echo", "a child at import"], check=True)
"""
NOISES = (
    "Python at import",
    "C at import",
    "a descriptor at import",
    "a child at import",
)
GUARDED_PLUGIN = """
from goplugin_py import guard_stdout

guard_stdout()

import noise
from interop.echo_plugin import main

main()
"""
CAREFUL_CONFIG = """
import noise
from interop.echo_plugin import make_config

config = make_config()
"""


@pytest.fixture
def noisy(tmp_path: Path) -> Path:
    """Give a directory of modules that print to stdout when they are imported."""
    (tmp_path / "noise.py").write_text(NOISE)
    (tmp_path / "guarded_plugin.py").write_text(GUARDED_PLUGIN)
    (tmp_path / "careful_config.py").write_text(CAREFUL_CONFIG)
    return tmp_path


@pytest.mark.parametrize("link", [Link(False, "unix"), Link(True, "unix")], ids=str)
@pytest.mark.parametrize(
    "arguments",
    [
        ["-m", "guarded_plugin"],
        ["-m", "goplugin_py", "run", "careful_config:config"],
    ],
    ids=["guard_stdout", "run"],
)
def test_output_at_import_reaches_the_log_and_not_the_line(
    arguments: list[str], link: Link, noisy: Path
) -> None:
    """`print`, C, a bare descriptor and a child, before anything could be served."""
    report = run(
        *("unary", "print", "print-fd"),
        flags=link.flags,
        command=[sys.executable, *arguments],
        env={"PYTHONPATH": f"{noisy}:{ROOT}"},
    )
    assert not report.failures
    for noise in NOISES:
        assert report.find(noise)["@level"] == "debug"
    assert sorted(report.stray_lines) == sorted(NOISES)


def test_unguarded_output_at_import_breaks_the_handshake(noisy: Path) -> None:
    """So that it is known that the guard is what helps (go-plugin: Client.Start)."""
    report = run(
        command=[sys.executable, "-c", "import noise"],
        env={"PYTHONPATH": f"{noisy}:{ROOT}"},
    )
    error = report["start"].error
    assert "Unrecognized remote plugin message: Python at import" in error or (
        "Unrecognized remote plugin message: C at import" in error
    )


@pytest.mark.parametrize(
    ("target", "complaint"),
    [
        ("careful_config", "not of the form MODULE:NAME"),
        ("careful_config:make_config", "is no ServeConfig"),
    ],
)
def test_run_explains_a_wrong_target(target: str, complaint: str, noisy: Path) -> None:
    """`python -m goplugin_py run` wants `module:name` of a ServeConfig."""
    done = subprocess.run(
        [sys.executable, "-m", "goplugin_py", "run", target],
        cwd=noisy,
        env=by_hand.environ({"PYTHONPATH": str(ROOT)}),
        capture_output=True,
        check=False,
        text=True,
        timeout=by_hand.START_TIMEOUT,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert complaint in done.stderr
