"""The page on security names a test for each of its promises, and these exist."""

import ast
import re

import pytest

from tests.peers import ROOT

PAGE = (ROOT / "docs" / "security.md").read_text()
NAMED = re.findall(r"`([a-z_/]+\.py)::(test_\w+)` \|$", PAGE, re.MULTILINE)


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_a_test_that_the_page_names_exists(file: str, name: str) -> None:
    nodes = ast.walk(ast.parse((ROOT / file).read_text()))
    assert name in {node.name for node in nodes if isinstance(node, ast.FunctionDef)}


def test_each_row_of_the_last_table_names_a_test() -> None:
    rows = PAGE.partition("## Tests")[2].strip().splitlines()
    assert len(rows) == len(NAMED) + 2  # the table's head
