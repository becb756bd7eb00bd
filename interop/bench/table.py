"""Writes what was measured as Markdown."""

from collections.abc import Callable, Iterable, Sequence

from interop.bench import calls, fleets, starts, terraform
from interop.bench.contenders import HOSTS, PLUGINS, RAW
from interop.bench.results import Results
from interop.bench.samples import Samples, Spread
from interop.bench.targets import Target

NOTHING = "–"
MIB = 1 << 20

Cell = Callable[[str], str]


def report(results: Results, targets: Sequence[Target]) -> str:
    """Return all tables."""
    hosts = [each.name for each in HOSTS]
    plugins = [each.name for each in PLUGINS]
    return "\n\n".join(
        (
            "### Targets",
            _targets(targets),
            "### Hosts that call a Go plugin",
            _calls(results.hosts, hosts, dial=True),
            "### Plugins that a Go host calls",
            _calls(results.plugins, plugins, dial=False),
            "### Starts",
            _starts(results.starts, starts.LAUNCH, starts.LAUNCH_FLOOR, hosts),
            _starts(results.starts, starts.HELLO, starts.HELLO_FLOOR, plugins),
            "### Many plugins under one host",
            _fleets(results),
            "### Terraform",
            _terraform(results.terraform),
            f"An idle multiplexed stream takes {results.stream_bytes:,.0f} bytes.",
        )
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    rule = ["---", *["--:"] * (len(head) - 1)]
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, rule, *rows])


def _targets(targets: Sequence[Target]) -> str:
    head = ("what", "target", "measured", "")
    rows = [(each.what, each.bound, str(each.found), each.verdict) for each in targets]
    return _table(head, rows)


def _calls(samples: Samples, names: Sequence[str], *, dial: bool) -> str:
    """Return times as ratios to grpcio in plain text, whose own are absolute."""
    figures = [*calls.CALLS, *([calls.DIAL] if dial else [])]
    memories = [calls.HOST_MEMORY, calls.PLUGIN_MEMORY]
    rows = []
    for name in names:
        times = [_relative(samples, figure, name, RAW) for figure in figures]
        sizes = [_size(samples.spread(figure, name)) for figure in memories]
        rows.append((name, *times, *sizes))
    return _table(("", *figures, *memories), rows)


def _relative(samples: Samples, figure: str, name: str, floor: str) -> str:
    if name == floor:
        return _time(samples.spread(figure, name))
    return str(samples.ratio(figure, name, floor) or NOTHING)


def _time(spread: Spread | None) -> str:
    if spread is None:
        return NOTHING
    if spread.middle >= 1:
        return f"{spread.middle:.1f} s"
    millis = spread.middle * 1000
    return f"{millis:.1f} ms" if millis >= 1 else f"{millis * 1000:.0f} µs"


def _size(spread: Spread | None) -> str:
    return f"{spread.middle / MIB:.0f} MiB" if spread else NOTHING


def _starts(samples: Samples, figure: str, floor: str, names: Sequence[str]) -> str:
    known = [name for name in [floor, *names] if samples.spread(figure, name)]
    rows = [
        (
            name,
            _time(samples.spread(figure, name)),
            str(samples.ratio(figure, name, floor)),
        )
        for name in known
    ]
    return _table((figure, "time", "ratio"), rows)


def _fleets(results: Results) -> str:
    samples = results.fleets
    names = [each.name for each in fleets.FLEETS]
    rows = []
    for figure in fleets.figures(results.sizes):
        show = _quantity(figure)
        rows.append((figure, *(show(samples.spread(figure, name)) for name in names)))
    return _table(("", *names), rows)


def _terraform(samples: Samples) -> str:
    rows = [
        (
            figure,
            name,
            _time(samples.spread(figure, name)),
            str(samples.ratio(figure, name, floor) or NOTHING) if floor else NOTHING,
        )
        for figure, (floor, *others) in terraform.FIGURES.items()
        for name in filter(None, (floor, *others))
    ]
    return _table(("", "of", "time", "ratio"), rows)


def _quantity(figure: str) -> Callable[[Spread | None], str]:
    if figure in (fleets.LOOPS, fleets.PER_PLUGIN):
        return lambda spread: f"{spread.middle:.0f}" if spread else NOTHING
    return _size if figure.startswith("memory") else _time
