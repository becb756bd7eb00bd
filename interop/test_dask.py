"""The example of a Dask fleet, as a user would run it, with go-plugin's KV plugin."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from interop.callback_sides import process
from interop.fixtures import ROOT, binary
from interop.python_host import eventually

EXAMPLE = ROOT / "examples" / "dask" / "fleet.py"
DOCUMENT = ROOT / "docs" / "scaling.md"
# A run takes ten seconds, most of them for the starts of Dask, and four times as long
# on a machine with ten busy processes for each core.
TIMEOUT = 90.0


@pytest.fixture
def plugin(short_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give a plugin that goes by a name of its own; none of it may be left."""
    monkeypatch.setenv("PYTHONPATH", f"{ROOT / 'examples' / 'kv'}:{ROOT}")
    monkeypatch.setenv("TMPDIR", str(short_tmp))  # Dask leaves a directory there
    path = short_tmp / "kv-plugin"
    path.symlink_to(binary("kv-plugin"))
    yield path
    assert eventually(lambda: not running(path)), running(path)


def running(program: Path) -> list[str]:
    """Return the command lines that name a program."""
    listed = subprocess.run(
        ["ps", "-A", "-ww", "-o", "args="], capture_output=True, text=True, check=True
    )
    return [line for line in listed.stdout.splitlines() if str(program) in line]


def run_fleet(plugin: Path) -> tuple[int, str, str]:
    """Return the status of the example, what it prints, and its log."""
    command = [sys.executable, str(EXAMPLE), str(plugin)]
    with process(command, str(plugin.parent)) as fleet:
        output, _ = fleet.communicate(timeout=TIMEOUT)
    return fleet.returncode, output, (plugin.parent / "log").read_text()


def workers(report: str) -> dict[str, list[str]]:
    """Return the plugins of each worker that has results."""
    found = re.findall(r"of the worker (\d+) with the plugins \[(.*)\]", report)
    return {worker: plugins.split(", ") for worker, plugins in found}


def test_the_documentation_shows_the_example() -> None:
    """docs/scaling.md: its Python stands in the file that the other tests run."""
    snippets = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    assert len(snippets) == 2
    code = re.sub(r"^ +", "", EXAMPLE.read_text(), flags=re.MULTILINE)
    assert [snippet for snippet in snippets if snippet not in code] == []


def test_a_fleet_that_loses_a_plugin_and_a_worker_loses_no_task(plugin: Path) -> None:
    """Dask runs the tasks of a lost worker again; its plugins end with it."""
    status, output, log = run_fleet(plugin)
    assert status == 0, log
    killed, *reports = output.split("80 results:\n")
    lost = re.fullmatch(r"killed the plugin (\d+) and the worker (\d+)\n", killed)
    assert lost is not None
    lost_plugin, lost_worker = lost.groups()
    first, second = map(workers, reports)
    # The worker that stays has got a plugin in the place of the one it lost.
    [survivor] = [worker for worker in first if lost_plugin in first[worker]]
    assert len(first[survivor]) == 3
    assert set(second[survivor]) == set(first[survivor]) - {lost_plugin}
    # The other one was replaced, with warm plugins; its results were computed again.
    assert lost_worker not in first.keys() | second.keys()
    assert [len(plugins) for plugins in second.values()] == [2, 2]


def test_a_plugin_that_does_not_start_is_an_error_where_it_is_registered(
    plugin: Path,
) -> None:
    """Dask sends the error to its client, notes and all: it can be pickled."""
    plugin.unlink()
    status, output, log = run_fleet(plugin)
    assert (status, output) == (1, "")
    assert f"goplugin_py.errors.LaunchError: can't run {str(plugin)!r}" in log
