"""The summary, for readers on the repository's page."""

from collections.abc import Iterable

from interop.matrix.grid import CORE, Cell, Group
from interop.matrix.model import Matrix, Peer
from interop.matrix.results import FAILED, SKIPPED, Results

HEAD = """\
# The interop matrix

Written by `make interop`, which runs every test against real Go programs.
[matrix.html](matrix.html) has each cell with its tests; open it in a browser.
"""
TITLES = {
    "python-host": "Go plugins under a Python host",
    "python-plugin": "Go hosts over a Python plugin",
}
SIGNS = {FAILED: "**✗**", SKIPPED: "skipped"}


def summary(matrix: Matrix, results: Results, grid: list[Group]) -> str:
    """Return the text of MATRIX.md."""
    parts = [HEAD, _environments(results), _counts(results)]
    for direction, title in TITLES.items():
        peers = [peer for peer in matrix.peers if peer.direction == direction]
        parts += [f"## {title}", _peers(peers), _core(matrix, peers, grid)]
        parts.append(_impossible(peers))
    parts.append(_problems(matrix, results))
    return "\n\n".join(part.strip() for part in parts if part) + "\n"


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Write a table."""
    head = list(head)
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _environments(results: Results) -> str:
    names = list(results.environments[0][1])
    runs = results.environments
    rows = ([name, *(run[name] for _, run in runs)] for name in names)
    return table(["", *(f"{runtime} run" for runtime, _ in runs)], rows)


def _counts(results: Results) -> str:
    total, bad = len(results.outcomes), len(results.failures)
    skipped = sum(each.outcome == SKIPPED for each in results.outcomes)
    passed = total - bad - skipped
    return f"{total} tests: {passed} passed, {bad} failed, {skipped} skipped."


def _peers(peers: list[Peer]) -> str:
    rows = (
        [
            peer.title,
            f"`{peer.module}` {peer.version}",
            peer.go_plugin or "none",
            ", ".join(map(str, peer.versions)),
            peer.tier,
        ]
        for peer in peers
    )
    return table(["peer", "module", "go-plugin", "protocol versions", "tier"], rows)


def _core(matrix: Matrix, peers: list[Peer], grid: list[Group]) -> str:
    rows = {row.name: row for row in next(g for g in grid if g.name == CORE).rows}
    demands = [row for group in grid if group.name != CORE for row in group.rows]
    body = (
        [
            peer.title,
            *(_sign(row.cells.get(peer.name)) for row in rows.values()),
            str(sum(peer.name in row.cells for row in demands) or ""),
        ]
        for peer in peers
    )
    head = (
        "The core behaviours, each with how many combinations or tests show it, and "
        f"how many of the {len(demands)} demands in "
        "[requirements.yaml](requirements.yaml) are shown with the peer:"
    )
    return f"{head}\n\n{table(['', *matrix.behaviours, 'demands'], body)}"


def _sign(cell: Cell | None) -> str:
    if cell is None:
        return ""
    return SIGNS.get(cell.status, f"✓ {cell.passed}")


def _impossible(peers: list[Peer]) -> str:
    titles: dict[str, list[str]] = {}
    for peer in peers:
        for entry in peer.impossible:
            text = f"{where(entry.where, entry.behaviour)}: {entry.reason}"
            titles.setdefault(text, []).append(peer.title)
    lines = [f"- {text} ({'; '.join(found)})" for text, found in titles.items()]
    return "Not possible:\n\n" + "\n".join(lines) if lines else ""


def where(values: Iterable[tuple[str, str]], behaviour: str | None) -> str:
    """Say which combinations an entry is about."""
    names = [value for _, value in values]
    return " with ".join([*names, *([behaviour] if behaviour else [])])


def _problems(matrix: Matrix, results: Results) -> str:
    lines = [
        *(f"- failed: `{each.key}`" for each in results.failures),
        *(
            f"- {peer.title} may be missing: {peer.optional}"
            for peer in matrix.peers
            if peer.optional
        ),
    ]
    return "## Problems\n\n" + "\n".join(lines) if lines else ""
