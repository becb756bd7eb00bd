"""Draws the main figures as SVG: for each a bar per contender, with its quartiles."""

from collections.abc import Iterable, Iterator
from html import escape

from interop.bench import calls, starts
from interop.bench.contenders import RAW
from interop.bench.results import Results
from interop.bench.samples import Samples, Spread

SHOWN = (
    "grpcio, plain",
    "goplugin_py, plain",
    "goplugin_py, AutoMTLS",
    "goplugin_py, AutoMTLS, multiplexed",
    "goplugin_py.aio, AutoMTLS",
    "python-plugin, plain",
    "python-plugin, AutoMTLS",
    "pyvider-rpcplugin, plain",
    "go-plugin, AutoMTLS",
)
FIGURES = (calls.UNARY, calls.FLIGHT, calls.SMALL, calls.LARGE, calls.ECHO)
COLOURS = {"goplugin_py": "#2563eb", "grpcio": "#6b7280", "go-plugin": "#0d9488"}
OTHERS = "#d97706"

TITLE = "Hosts that call a Go plugin"
ROW = 16
LABELS = 250
WIDTH = 820
GAP = 44
# Bars end here; a longer one is cut, and its number tells.
LONGEST = 4.0
STYLE = (
    "text{font:12px sans-serif;fill:#374151}"
    ".title{font-weight:bold}.number{fill:#6b7280;font-size:11px}"
    "@media(prefers-color-scheme:dark){text{fill:#d1d5db}.number{fill:#9ca3af}}"
)


def drawing(results: Results) -> str:
    """Return the whole picture."""
    panels = [(figure, results.hosts, RAW) for figure in FIGURES]
    panels.append((starts.LAUNCH, results.starts, starts.LAUNCH_FLOOR))
    lines = [f'<text x="8" y="20">{TITLE}; with quartiles; less is better</text>']
    top = 52
    for figure, samples, floor in panels:
        bars = list(_bars(figure, samples, floor))
        what = f"{figure}: time, as a multiple of {floor}"
        lines.append(f'<text class="title" x="8" y="{top}">{escape(what)}</text>')
        for name, spread in bars:
            top += ROW
            lines += _bar(name, spread, top)
        top += GAP - ROW
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{top}" '
        f'viewBox="0 0 {WIDTH} {top}" role="img"><title>{TITLE}</title>'
        f"<style>{STYLE}</style>"
    )
    return "\n".join([head, *lines, "</svg>", ""])


def _bars(figure: str, samples: Samples, floor: str) -> Iterable[tuple[str, Spread]]:
    for name in SHOWN:
        if spread := samples.ratio(figure, name, floor):
            yield name, spread


def _bar(name: str, spread: Spread, top: int) -> Iterator[str]:
    middle = top + 1
    colour = COLOURS.get(name.partition(",")[0].partition(".")[0], OTHERS)
    end = _x(spread.middle)
    yield (
        f'<text x="{LABELS - 8}" y="{top + 5}" text-anchor="end">{escape(name)}</text>'
    )
    yield (
        f'<rect x="{LABELS}" y="{middle - 5}" width="{end - LABELS:.1f}" height="10" '
        f'fill="{colour}"/>'
    )
    yield (
        f'<path d="M{_x(spread.low):.1f} {middle}H{_x(spread.high):.1f}" '
        f'stroke="#111827" stroke-width="2" opacity=".6"/>'
    )
    yield (
        f'<text class="number" x="{_x(spread.high) + 6:.1f}" y="{top + 5}">'
        f"{spread.middle:.2f}</text>"
    )


def _x(ratio: float) -> float:
    return LABELS + min(ratio, LONGEST) / LONGEST * (WIDTH - LABELS - 60)
