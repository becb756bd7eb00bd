"""Puts the tables where they are read."""

from pathlib import Path

from interop.fixtures import ROOT

PAGE = ROOT / "docs" / "performance.md"
PLOT = PAGE.with_suffix(".svg")
BEGIN = "<!-- make bench writes from here -->"
END = "<!-- to here -->"


def write(tables: str, drawing: str) -> None:
    """Replace the generated part of the page, and the plot."""
    PAGE.write_text(
        replaced(PAGE.read_text(encoding="utf-8"), tables), encoding="utf-8"
    )
    PLOT.write_text(drawing, encoding="utf-8")
    _say(PAGE, PLOT)


def replaced(page: str, tables: str) -> str:
    """Return the page with these tables between its marks."""
    head, _begin, rest = page.partition(BEGIN)
    _, end, tail = rest.partition(END)
    assert end, f"the marks are missing: {BEGIN} {END}"
    return f"{head}{BEGIN}\n\n{tables}\n\n{END}{tail}"


def _say(*paths: Path) -> None:
    for path in paths:
        print(f"wrote {path.relative_to(ROOT)}")
