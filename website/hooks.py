"""Let links out of docs/ work on the site as they do in the repository.

What they lead to becomes a page of its own, below `source`: a file with its text, a
folder with a list. The README is the landing page. So no page knows where the
repository is, and none is written twice.
"""

from __future__ import annotations

import functools
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
DOCS = "docs/"
START = "README.md"
LANGUAGES = {".py": "python", ".go": "go", ".yaml": "yaml", ".proto": "protobuf"}
# What a list of a folder has links to.
SHOWN = {".md", *LANGUAGES}
# Whoever searches looks for the guides.
UNSEARCHED = "---\nsearch: { exclude: true }\n---\n\n"

# A block of code is taken whole, so that nothing in it counts as a link.
_CODE_OR_LINK = re.compile(
    r"^ *```.*?^ *```$|\]\((?P<link>[^)\s:]+)\)", re.MULTILINE | re.DOTALL
)


def on_files(files: Any, config: Any) -> Any:
    """Add a page for all that is linked and not in docs/ (called by mkdocs)."""
    from mkdocs.structure.files import File

    for source in sorted(reachable() - _in_docs()):
        files.append(File.generated(config, place(source), content=text(source)))
    return files


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Turn links of the repository into links of the site (called by mkdocs)."""
    source = {place(source): source for source in reachable()}[page.file.src_uri]
    return relinked(markdown, source)


@functools.cache
def reachable() -> set[str]:
    """Return all of the repository that is in docs/, or that links lead to."""
    found: set[str] = set()
    new = {START} | _in_docs()
    while new:
        found |= new
        new = {target for page in new for target in targets(page)} - found
    return found


def targets(source: str) -> Iterator[str]:
    """Yield what a page of the repository links to, but for docs/ itself."""
    if source.endswith(".md") or (ROOT / source).is_dir():
        for found in _CODE_OR_LINK.finditer(text(source)):
            target = resolved(source, found["link"] or "")
            if target not in ("", "docs") and (ROOT / target).exists():
                yield target


def resolved(page: str, link: str) -> str:
    """Return what a link of the page leads to, below the root; "" for the page."""
    path = link.partition("#")[0]
    return posixpath.normpath(f"{posixpath.dirname(page)}/{path}").strip("/") * bool(
        path
    )


def place(source: str) -> str:
    """Return where the site has what the repository has at `source`."""
    if source in (START, "docs"):
        return "index.md"
    if source.startswith(DOCS):
        return source.removeprefix(DOCS)
    as_it_is = source.endswith((".md", ".html"))
    return f"source/{source}" if as_it_is else f"source/{source}.md"


def text(source: str) -> str:
    """Return the page about a file or a folder of the repository."""
    path = ROOT / source
    if path.is_dir():
        return f"{UNSEARCHED}# {source}\n\n" + "".join(_entries(path))
    if path.suffix in (".md", ".html"):
        return path.read_text()
    language = LANGUAGES.get(path.suffix, "")
    return f"{UNSEARCHED}# {source}\n\n~~~~{language}\n{path.read_text()}\n~~~~\n"


def relinked(markdown: str, source: str) -> str:
    """Return the page with links that fit its place on the site."""
    start = posixpath.dirname(place(source)) or "."

    def relink(found: re.Match[str]) -> str:
        link = found["link"] or ""
        target = resolved(source, link)
        if not target:
            return found[0]
        _, mark, heading = link.partition("#")
        return f"]({posixpath.relpath(place(target), start)}{mark}{heading})"

    return _CODE_OR_LINK.sub(relink, markdown)


def _entries(folder: Path) -> Iterator[str]:
    for path in sorted(folder.iterdir()):
        if path.suffix in SHOWN:
            yield f"- [{path.name}]({folder.name}/{path.name})\n"
        elif path.name[0] not in "._":
            yield f"- {path.name}\n"


def _in_docs() -> set[str]:
    return {f"{DOCS}{path.name}" for path in (ROOT / DOCS).iterdir()}
