"""The site has all pages, and its links lead where those of the repository lead."""

import posixpath
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.docs.pages import PAGES, relative_links
from tests.peers import ROOT
from website.hooks import place, reachable, relinked, resolved, text


def named(entry: Any) -> list[str]:
    """Return the pages below an entry of the navigation."""
    if isinstance(entry, str):
        return [entry]
    below = entry.values() if isinstance(entry, dict) else entry
    return [page for each in below for page in named(each)]


def test_the_navigation_has_each_page_once() -> None:
    config = yaml.safe_load((ROOT / "website" / "mkdocs.yml").read_text())
    pages = {path.name for path in (ROOT / "docs").glob("*.md")}
    assert sorted(named(config["nav"])) == sorted({"index.md", *pages})


def test_no_page_takes_the_place_of_another() -> None:
    places = [place(source) for source in reachable()]
    assert sorted(places) == sorted(set(places))


@pytest.mark.parametrize("page", PAGES, ids=[page.stem for page in PAGES])
def test_a_link_leads_to_the_page_of_what_it_leads_to_in_the_repository(
    page: Path,
) -> None:
    source = str(page.relative_to(ROOT))
    there = {place(each) for each in reachable()}
    before = list(relative_links(page))
    after = [relinked(f"]({link})", source)[2:-1] for link in before]
    for old, new in zip(before, after, strict=True):
        here = posixpath.dirname(place(source))
        found = posixpath.normpath(posixpath.join(here, new.partition("#")[0]))
        assert found in {*there, here or "."}, old
        assert old.partition("#")[2] == new.partition("#")[2]


@pytest.mark.parametrize(
    ("link", "became"),
    [
        ("hosts.md#versions", "hosts.md#versions"),
        ("../README.md", "index.md"),
        ("../examples/kv/host.py", "source/examples/kv/host.py.md"),
        ("../examples/tflint", "source/examples/tflint.md"),
        ("#logs", "#logs"),
        ("https://example.org/x", "https://example.org/x"),
    ],
)
def test_a_link_of_a_page(link: str, became: str) -> None:
    assert relinked(f"[x]({link})", "docs/plugins.md") == f"[x]({became})"


def test_code_is_left_as_it_is() -> None:
    block = "```python\nx = [a](../README.md)\n```"
    assert relinked(block, "docs/plugins.md") == block


def test_a_folder_is_a_list_of_its_files() -> None:
    assert "- [host.py](kv/host.py)\n" in text("examples/kv")
    assert resolved("examples/kv", "kv/host.py") == "examples/kv/host.py"
