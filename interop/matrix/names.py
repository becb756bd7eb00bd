"""How lists name tests: `interop/X::Y` is the function test_Y in interop/test_X.py."""

import ast
import functools
from pathlib import Path
from typing import Any

import yaml

from interop.fixtures import ROOT

REQUIREMENTS: dict[str, dict[str, Any]] = yaml.safe_load(
    (ROOT / "interop" / "requirements.yaml").read_text()
)


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


def exists(test: str) -> bool:
    """Tell whether there is such a test."""
    file, function = split(test)
    return file.is_file() and function in functions(file)


def short(node_id: str) -> str:
    """Return the name of a test that pytest knows by `node_id`, without parameters."""
    path, _, function = node_id.partition("[")[0].rpartition("::")
    folder, _, file = path.rpartition("/")
    stem = file.removeprefix("test_").removesuffix(".py")
    return f"{folder}/{stem}::{function.removeprefix('test_')}"
