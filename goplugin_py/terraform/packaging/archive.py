"""A provider and all that it imports in one file, by `shiv`.

Such a file runs wherever the same Python is: it unpacks itself when it is first run,
into `~/.shiv` or `SHIV_ROOT`, so nothing changes in its own folder.
"""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from goplugin_py.terraform.packaging.address import ProviderAddress
from goplugin_py.terraform.packaging.entry import Entry
from goplugin_py.terraform.packaging.errors import PackagingError, filing

__all__ = ["archive"]

# pip downloads what the provider needs, and builds some of it perhaps.
SHIV_TIMEOUT = 900.0

_MAIN = "_terraform_provider"
_SCRIPT = "_terraform_provider_script"
# Binary wheels are of one minor version.
_INTERPRETER = "/usr/bin/env python{}.{}".format(*sys.version_info)


def archive(
    entry: Entry, address: ProviderAddress, requirements: Sequence[str] = ()
) -> bytes:
    """Return the file; the same for the same sources and requirements.

    Args:
        entry: The provider. Its module is put into the file, unless it is installed:
            then the requirements must name what it is in.
        address: What it is called.
        requirements: What pip must put into the file, as it takes them. What is
            missing must be installed where the file is run.

    Raises:
        PackagingError: shiv is not installed, or failed.
    """
    if importlib.util.find_spec("shiv") is None:
        raise PackagingError(
            "shiv is not installed; get it with: pip install 'goplugin_py[shiv]'"
        )
    with tempfile.TemporaryDirectory(prefix="goplugin-") as name:
        sources, target = Path(name, "sources"), Path(name, "archive")
        sources.mkdir()
        _collect(entry, address, sources)
        _run_shiv(sources, target, requirements)
        return target.read_bytes()


def _collect(entry: Entry, address: ProviderAddress, sources: Path) -> None:
    start = entry.statements(address)
    if entry.is_script:
        start = f'import runpy\nrunpy.run_module("{_SCRIPT}", run_name="__main__")\n'
    body = "".join(f"    {line}\n" for line in start.splitlines() if line)
    (sources / f"{_MAIN}.py").write_text(f"def main():\n{body}", encoding="utf-8")
    if (source := entry.module_file()) is not None:
        with filing(source):
            _copy(
                source, sources / (f"{_SCRIPT}.py" if entry.is_script else source.name)
            )


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copyfile(source, target)


def _run_shiv(sources: Path, target: Path, requirements: Sequence[str]) -> None:
    command = [sys.executable, "-m", "shiv", "--reproducible"]
    command += ["--site-packages", str(sources), "--entry-point", f"{_MAIN}:main"]
    command += ["--python", _INTERPRETER, "--output-file", str(target)]
    try:
        subprocess.run(
            [*command, *requirements],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,  # shiv says that pip failed, and pip says why
            text=True,
            timeout=SHIV_TIMEOUT,
            check=True,
        )
    except subprocess.TimeoutExpired as exc:
        raise PackagingError(f"shiv took more than {SHIV_TIMEOUT:g} seconds") from exc
    except subprocess.CalledProcessError as exc:
        raise PackagingError(f"shiv failed: {exc.stdout.strip()}") from exc
