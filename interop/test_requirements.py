"""The list of what the protocol demands, checked against the tests that it names."""

import pytest

from interop.fixtures import ROOT
from interop.matrix.names import REQUIREMENTS, exists, split

LIMIT = 120
ALLOWED = {"go", "says", "tests", "differs"}
REQUIRED = ALLOWED - {"differs"}

# Files in this folder that are about something else than the protocol.
ABOUT_OTHER_THINGS = {
    "bench",
    "dask",
    "docs",
    "examples",
    "iglu",
    "matrix",
    "matrix_page",
    "matrix_recorder",
    "matrix_yaml",
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
    "terraform_installed",
    "terraform_packages",
    "terraform_products",
    "workflows",
}


@pytest.mark.parametrize("name", REQUIREMENTS)
def test_each_requirement_names_its_source_and_tests_that_exist(name: str) -> None:
    requirement = REQUIREMENTS[name]
    assert REQUIRED <= requirement.keys() <= ALLOWED
    assert requirement["says"].endswith(".")
    assert requirement["tests"]
    for test in requirement["tests"]:
        assert exists(test), test


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
