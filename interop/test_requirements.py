"""The list of what the protocol demands, checked against the tests that it names."""

import ast
import functools
from pathlib import Path
from typing import Any

import pytest
import yaml

from interop.fixtures import ROOT

LIMIT = 120
REQUIREMENTS: dict[str, dict[str, Any]] = yaml.safe_load(
    (Path(__file__).parent / "requirements.yaml").read_text()
)
ALLOWED = {"go", "says", "tests", "differs"}
REQUIRED = ALLOWED - {"differs"}

# Files in this folder that are about something else than the protocol.
ABOUT_OTHER_THINGS = {
    "bench",
    "dask",
    "examples",
    "iglu",
    "python_host_endurance",
    "python_host_exit",
    "python_host_forks",
    "python_host_limits",
    "python_host_slow",
    "python_host_steps",
    "requirements",
    "scale",
    "security",
    "streams_example",
    "supervisor",
    "terraform_cty",
    "terraform_packages",
}


@functools.cache
def functions(file: Path) -> frozenset[str]:
    """Return the names of a file's test functions."""
    nodes = ast.walk(ast.parse(file.read_text()))
    return frozenset(
        node.name
        for node in nodes
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    )


def split(test: str) -> tuple[Path, str]:
    """Return the file and the function that a name stands for."""
    place, _, name = test.partition("::")
    folder, _, stem = place.rpartition("/")
    stem = stem.removeprefix("test_")
    return ROOT / folder / f"test_{stem}.py", f"test_{name}"


@pytest.mark.parametrize("name", REQUIREMENTS)
def test_each_requirement_names_its_source_and_tests_that_exist(name: str) -> None:
    requirement = REQUIREMENTS[name]
    assert REQUIRED <= requirement.keys() <= ALLOWED
    assert requirement["says"].endswith(".")
    assert requirement["tests"]
    for test in requirement["tests"]:
        file, function = split(test)
        assert function in functions(file), test


def test_each_test_file_shows_a_requirement_or_is_about_other_things() -> None:
    shown = {
        split(test)[0]
        for requirement in REQUIREMENTS.values()
        for test in requirement["tests"]
    }
    files = set((ROOT / "interop").glob("test_*.py"))
    other = {ROOT / "interop" / f"test_{stem}.py" for stem in ABOUT_OTHER_THINGS}
    assert other <= files
    assert not other & shown
    assert files - shown - other == set()


def test_the_list_can_be_read_at_a_glance() -> None:
    assert len(REQUIREMENTS) <= LIMIT
