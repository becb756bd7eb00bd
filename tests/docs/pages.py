"""The pages that users read, and what stands in them."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.peers import ROOT

PAGES = [*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md"]

_FENCE = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)
_PYTHON = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
_CONSOLE = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
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


@dataclass(frozen=True)
class Snippet:
    """A block of Python on a page."""

    page: str
    code: str

    def __str__(self) -> str:
        return f"{self.page}: {self.code.strip().splitlines()[0]}"

    def stands_in(self, text: str) -> bool:
        """Tell whether a file has these lines; depth and blank lines do not count."""
        return _stripped(self.code) in _stripped(text)


def snippets() -> dict[str, Snippet]:
    """Return all, by page and first line."""
    found = [
        Snippet(page.stem, code)
        for page in PAGES
        for code in _PYTHON.findall(page.read_text())
    ]
    named = {str(each): each for each in found}
    assert len(named) == len(found), "two snippets of a page begin alike"
    return named


def _stripped(text: str) -> str:
    lines = (line.strip() for line in text.splitlines())
    return "\n" + "\n".join(line for line in lines if line) + "\n"


def commands() -> list[list[str]]:
    """Return the words of each command behind a `$` on the pages."""
    blocks = (block for page in PAGES for block in _CONSOLE.findall(page.read_text()))
    lines = (
        line
        for block in blocks
        for line in re.findall(r"^\$ (.+)$", block.replace("\\\n", ""), re.MULTILINE)
    )
    return [shlex.split(line, comments=True) for line in lines]
