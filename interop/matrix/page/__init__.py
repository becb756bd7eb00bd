"""The page: one HTML file with all it needs, and every test behind its cell."""

import html
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from interop.matrix.grid import CORE, Cell, Group, Row
from interop.matrix.markdown import TITLES, where
from interop.matrix.model import Matrix, Peer
from interop.matrix.results import FAILED, SKIPPED, Outcome, Results

HERE = Path(__file__).parent
SIGNS = {FAILED: "✗", SKIPPED: "○"}
NAMES = {CORE: "core behaviours, in each combination that the peer is able to"}

_text = html.escape


def page(matrix: Matrix, results: Results, grid: list[Group]) -> str:
    """Return the page."""
    parts = {
        "style": (HERE / "page.css").read_text(),
        "script": (HERE / "page.js").read_text(),
        "numbers": _numbers(matrix, results, grid),
        "environments": _environments(results),
        "problems": _problems(results),
        "peer-options": "\n".join(_option(peer) for peer in matrix.peers),
        "directions": _directions(matrix),
        "peers": "\n".join(_peer_head(peer) for peer in matrix.peers),
        "groups": "\n".join(_group(group, matrix) for group in grid),
        "data": _data(matrix, results, grid),
    }
    text = (HERE / "page.html").read_text()
    for name, part in parts.items():
        text = text.replace(f"<!-- {name} -->", part)
    return text


# Above the table


def _numbers(matrix: Matrix, results: Results, grid: list[Group]) -> str:
    failed = len(results.failures)
    skipped = sum(each.outcome == SKIPPED for each in results.outcomes)
    numbers = {
        "peers": len(matrix.peers),
        "behaviours": sum(len(group.rows) for group in grid),
        "tests passed": len(results.outcomes) - failed - skipped,
        "failed": failed,
        "skipped": skipped,
    }
    return "\n".join(
        f'<div class="number{" bad" if name == FAILED and number else ""}">'
        f"<b>{number}</b> {name}</div>"
        for name, number in numbers.items()
    )


def _environments(results: Results) -> str:
    runs = results.environments
    head = "".join(f"<th scope=col>{_text(runtime)} run</th>" for runtime, _ in runs)
    rows = (
        f"<tr><th scope=row>{_text(name)}</th>"
        + "".join(f"<td>{_text(run[name])}</td>" for _, run in runs)
        + "</tr>"
        for name in runs[0][1]
    )
    return f"<tr><td></td>{head}</tr>\n" + "\n".join(rows)


def _problems(results: Results) -> str:
    if not results.failures:
        return ""
    items = "\n".join(
        f"<li><details><summary>{_text(each.key)}</summary>"
        f"<pre>{_text(each.log)}</pre></details></li>"
        for each in results.failures
    )
    return f'<section class="problems"><h2>Failed</h2><ul>\n{items}\n</ul></section>'


def _option(peer: Peer) -> str:
    return f'<option value="{_text(peer.name)}">{_text(peer.title)}</option>'


# The table


def _directions(matrix: Matrix) -> str:
    cells = []
    for direction, title in TITLES.items():
        count = sum(peer.direction == direction for peer in matrix.peers)
        cells.append(
            f'<th scope=colgroup colspan={count} data-direction="{direction}">'
            f"{title}</th>"
        )
    return "".join(cells)


def _peer_head(peer: Peer) -> str:
    return (
        f'<th scope=col data-peer="{_text(peer.name)}" '
        f'data-direction="{peer.direction}">'
        f'<button type=button class="peer"><span>{_text(peer.title)}</span></button>'
        "</th>"
    )


def _group(group: Group, matrix: Matrix) -> str:
    name = NAMES.get(group.name, group.name)
    rows = "\n".join(_row(row, matrix) for row in group.rows)
    return (
        f'<tbody data-group="{_text(group.name)}">\n'
        f'<tr class="group"><th scope=rowgroup>{_text(name)}</th>'
        f"<td colspan={len(matrix.peers)}></td></tr>\n{rows}\n</tbody>"
    )


def _row(row: Row, matrix: Matrix) -> str:
    words = " ".join([row.name, row.says, row.go, row.differs]).lower()
    cells = "".join(_cell(row, peer) for peer in matrix.peers)
    return (
        f'<tr data-row="{_text(row.name)}" data-words="{_text(words)}">'
        f'<th scope=row><button type=button class="row"><code>{_text(row.name)}</code> '
        f"{_text(row.says)}</button></th>{cells}</tr>"
    )


def _cell(row: Row, peer: Peer) -> str:
    cell = row.cells.get(peer.name)
    place = f'data-peer="{_text(peer.name)}" data-direction="{peer.direction}"'
    if cell is None:
        return f"<td {place}></td>"
    count = len(cell.evidence)
    label = f"{row.name}, {peer.title}: {cell.status}, {count} tests"
    sign = SIGNS.get(cell.status, "✓")
    return (
        f'<td {place}><button type=button class="cell" data-status="{cell.status}" '
        f'aria-label="{_text(label)}">{sign} {count}</button></td>'
    )


# What cells open; one line each, so that a change shows as one


def _data(matrix: Matrix, results: Results, grid: list[Group]) -> str:
    peers = {peer.name: _peer(peer, results) for peer in matrix.peers}
    rows = {row.name: _details(row) for group in grid for row in group.rows}
    tests = {each.key: _test(each) for each in results.outcomes}
    sections: dict[str, dict[str, Any]]
    sections = {"peers": peers, "rows": rows, "tests": tests}
    parts = (f'"{name}": {_lines(items)}' for name, items in sections.items())
    # `<` would let a log end the element that all this is in.
    return ("{" + ",\n".join(parts) + "}").replace("<", "\\u003c")


def _lines(items: dict[str, Any]) -> str:
    lines = (
        f"{json.dumps(key, ensure_ascii=False)}: {json.dumps(item, ensure_ascii=False)}"
        for key, item in items.items()
    )
    return "{\n" + ",\n".join(lines) + "\n}"


def _peer(peer: Peer, results: Results) -> dict[str, Any]:
    facts = {
        "module": f"{peer.module} {peer.version}",
        "go-plugin": peer.go_plugin,
        "built with": f"Go {results.environments[0][1]['Go']}",
        "programs": ", ".join(peer.fixtures),
        "cookie": "=".join(peer.cookie or ()),
        "protocol versions": ", ".join(map(str, peer.versions)),
        "tier": peer.tier,
        "may be missing": peer.optional,
    }
    impossible = [
        f"{where(entry.where, entry.behaviour)}: {entry.reason}"
        for entry in peer.impossible
    ]
    return {
        "title": peer.title,
        "facts": {name: fact for name, fact in facts.items() if fact},
        "impossible": impossible,
    }


def _details(row: Row) -> dict[str, Any]:
    return {
        "says": row.says,
        "go": row.go,
        "differs": row.differs,
        "elsewhere": row.elsewhere,
        "cells": {peer: list(_evidence(cell)) for peer, cell in row.cells.items()},
    }


def _evidence(cell: Cell) -> Iterator[list[str]]:
    for outcome, status in cell.evidence:
        yield [outcome.key, status]


def _test(outcome: Outcome) -> list[Any]:
    return [round(outcome.seconds, 1), outcome.log]
