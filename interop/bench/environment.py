"""The virtual environment that all Python programs of the benchmark run in."""

import fcntl
import os
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from interop.fixtures import ROOT

PEERS = Path(__file__).parent / "peers.txt"
PLACE = ROOT / ".venv-bench"
STAMP = PLACE / PEERS.name
PYTHON = PLACE / "bin" / "python"
# Twenty wheels, some of several megabytes.
PIP_TIMEOUT = 300.0


def install() -> None:
    """Make the environment hold what `peers.txt` pins."""
    with _locked():
        wanted = f"{sys.version}\n{PEERS.read_text()}"
        if STAMP.exists() and STAMP.read_text() == wanted:
            return
        print(f"installing {PEERS.name} into {PLACE.name}", flush=True)
        # Without pip and its setuptools, whose .pth file every start would read.
        venv.create(PLACE, clear=True, with_pip=False, symlinks=True)
        pip = [sys.executable, "-m", "pip", f"--python={PYTHON}", "install"]
        options = ["--quiet", "--disable-pip-version-check", "--no-deps"]
        subprocess.run(
            [*pip, *options, "-r", str(PEERS)], check=True, timeout=PIP_TIMEOUT
        )
        STAMP.write_text(wanted)


@contextmanager
def _locked() -> Iterator[None]:
    """Keep two runs from making it at the same time."""
    with PEERS.open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def temporary_files() -> Iterator[None]:
    """Give all that is timed a directory for temporary files, and remove it.

    Some leave their private keys there, and what is killed leaves its socket.
    """
    # Below /tmp, because the paths of sockets have to be short.
    with tempfile.TemporaryDirectory(
        prefix="bench-", dir="/tmp", ignore_cleanup_errors=True
    ) as directory:
        os.environ["TMPDIR"] = directory
        yield


def variables() -> dict[str, str]:
    """Return the environment of all that is timed.

    Safe paths keep a program's own directory out of its imports: some are named after
    what they import. Variables that change how Python compiles or prints stay out.
    """
    kept = {
        name: os.environ[name]
        for name in ("HOME", "PATH", "TMPDIR", "LANG")
        if name in os.environ
    }
    return {**kept, "PYTHONPATH": str(ROOT), "PYTHONSAFEPATH": "1"}


def versions() -> dict[str, str]:
    """Return the pinned version of each package."""
    lines = PEERS.read_text().splitlines()
    return dict(line.split("==") for line in lines if "==" in line)
