"""The workflows for GitHub, which can't run here: linted, pinned, and up to date."""

import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from interop.fixtures import ROOT, binary

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
# Those would need programs that not every machine has.
NO_OTHERS = ("-shellcheck=", "-pyflakes=")
# A commit, and the tag that it was taken from.
PINNED = re.compile(r"[\w-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")

each_workflow = pytest.mark.parametrize(
    "workflow", WORKFLOWS, ids=[path.stem for path in WORKFLOWS]
)


def lint(workflow: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [binary("actionlint"), "-no-color", *NO_OTHERS, workflow],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def read(workflow: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(workflow.read_text())
    return found


def used(workflow: Path) -> list[str]:
    """Return what stands behind each `uses:`, with its remark."""
    return re.findall(r"^[ -]*uses: *(.+)$", workflow.read_text(), re.MULTILINE)


def make_targets() -> set[str]:
    lines = (ROOT / "Makefile").read_text()
    return set(re.findall(r"^([a-z]+):", lines, re.MULTILINE))


@each_workflow
def test_the_linter_has_nothing_to_say(workflow: Path) -> None:
    """Actionlint, by its own module."""
    done = lint(workflow)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_linter_sees_a_step_that_can_not_work(tmp_path: Path) -> None:
    broken = tmp_path / "ci.yml"
    text = WORKFLOWS[0].read_text()
    broken.write_text(text.replace("${{ matrix.os }}", "${{ matrix.oss }}"))
    assert 'property "oss" is not defined' in lint(broken).stdout


@each_workflow
def test_each_action_is_pinned_by_commit_with_its_tag_beside_it(workflow: Path) -> None:
    """A tag can be moved to other code, a commit can't."""
    assert used(workflow)
    assert [line for line in used(workflow) if not PINNED.fullmatch(line)] == []


def test_an_action_is_the_same_commit_everywhere() -> None:
    lines = {line for workflow in WORKFLOWS for line in used(workflow)}
    assert len(lines) == len({line.partition("@")[0] for line in lines})


@each_workflow
def test_a_workflow_may_only_read_and_ends_in_time(workflow: Path) -> None:
    """The default is a token that may write, and six hours."""
    found = read(workflow)
    assert found["permissions"] == {"contents": "read"}
    assert "concurrency" in found
    for name, job in found["jobs"].items():
        assert "permissions" not in job, name
        assert 0 < job["timeout-minutes"] <= 120, name


@each_workflow
def test_a_step_runs_a_target_that_exists(workflow: Path) -> None:
    for line in re.findall(r"run: make (.+)", workflow.read_text()):
        assert {word for word in line.split() if "=" not in word} <= make_targets()


def test_the_matrix_has_the_versions_that_the_package_says_it_supports() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    prefix = "Programming Language :: Python :: 3."
    said = [
        "3." + line.removeprefix(prefix)
        for line in project["classifiers"]
        if line.startswith(prefix)
    ]
    matrix = read(ROOT / ".github/workflows/ci.yml")["jobs"]["test"]["strategy"]
    assert matrix["matrix"]["python"] == said
    assert project["requires-python"] == f">={said[0]}"
