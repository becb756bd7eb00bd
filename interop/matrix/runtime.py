"""Which grpcio and protobuf this is, and how to get the oldest ones."""

import functools
import importlib.metadata
import re
import subprocess
import sys
import tomllib
from pathlib import Path

from interop.fixtures import ROOT

# Five wheels of a few megabytes, over a slow line.
PIP_TIMEOUT = 300.0
FLOOR = ROOT / ".venv-floor"
PACKAGES = ("grpcio", "grpcio-health-checking", "grpcio-reflection", "protobuf")


@functools.cache
def floors() -> dict[str, str]:
    """Return the lowest version that pyproject.toml allows, by package."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pattern = re.compile(r"([\w-]+)>=([\d.]+)")
    found = [pattern.match(each) for each in project["dependencies"]]
    return {each[1]: each[2] for each in found if each and each[1] in PACKAGES}


def runtime() -> str:
    """Return `floor` if these are the oldest grpcio and protobuf, else `latest`."""
    is_floor = all(
        # "1.76" as a floor means 1.76.0.
        importlib.metadata.version(name).removesuffix(".0") == floor.removesuffix(".0")
        for name, floor in floors().items()
    )
    return "floor" if is_floor else "latest"


def install_floor(directory: Path = FLOOR) -> None:
    """Put the oldest versions into a directory, for PYTHONPATH; once.

    Raises:
        subprocess.SubprocessError: pip can not.
    """
    wanted = [f"{name}=={floor}" for name, floor in sorted(floors().items())]
    stamp = directory / ".installed"
    if stamp.exists() and stamp.read_text().split() == wanted:
        return
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--upgrade"]
    subprocess.run(
        [*pip, "--target", str(directory), *wanted], check=True, timeout=PIP_TIMEOUT
    )
    stamp.write_text("\n".join(wanted))
