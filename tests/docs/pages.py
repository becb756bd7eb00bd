"""The pages that users read, and what stands in them."""

import re
from collections.abc import Iterator
from pathlib import Path

from tests.peers import ROOT

PAGES = [*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md"]

_FENCE = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def prose(page: Path) -> str:
    """Return the page without its blocks of code."""
    return _FENCE.sub("", page.read_text())


def headings(page: Path) -> list[str]:
    return _HEADING.findall(prose(page))


def anchor(heading: str) -> str:
    """Return what a link to the heading ends with, as GitHub and mkdocs make it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def relative_links(page: Path) -> Iterator[str]:
    return (link for link in _LINK.findall(prose(page)) if "://" not in link)


def leads_nowhere(page: Path, link: str) -> bool:
    """Tell whether the file is missing that the link names, or the heading in it."""
    name, _, heading = link.partition("#")
    target = page.parent / name if name else page
    if not heading:
        return not target.exists()
    return heading not in map(anchor, headings(target))
