"""The benchmark: that all answer in a quick run, and what it makes of its figures.

No time is judged here.
"""

import os
import subprocess
import sys
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from interop.bench import (
    calls,
    complete,
    document,
    fleets,
    plot,
    starts,
    terraform,
)
from interop.bench.contenders import HOSTS, PLUGINS
from interop.bench.idle_streams import bytes_of_idle_streams
from interop.bench.results import Results
from interop.bench.samples import Samples, Spread
from interop.bench.sizes import QUICK
from interop.bench.table import NOTHING, report
from interop.bench.targets import Target, targets
from interop.bench.turns import turns
from interop.bench.wide_schema import wide_schema
from interop.fixtures import ROOT

# About a hundred processes start, some of them twice as slowly as anybody would.
RUN_TIMEOUT = 400.0


def rows(text: str, title: str) -> dict[str, list[str]]:
    """Return the rows of the table below a title, by their first cell."""
    lines = text.partition(title)[2].strip().splitlines()
    found = {}
    for line in lines:
        if not line.startswith("|"):
            break
        name, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        found[name] = cells
    return found


@pytest.mark.timeout(RUN_TIMEOUT + 20)
def test_everybody_answers_everything_in_a_quick_run() -> None:
    """It is also the proof that each peer is used as it wants to be."""
    done = subprocess.run(
        [sys.executable, "-m", "interop.bench", "--quick"],
        cwd=ROOT,
        env=os.environ,
        check=False,
        capture_output=True,
        text=True,
        timeout=RUN_TIMEOUT,
    )
    assert done.returncode == 0, done.stderr
    for title, contenders in (
        ("### Hosts that call a Go plugin", HOSTS),
        ("### Plugins that a Go host calls", PLUGINS),
    ):
        table = rows(done.stdout, title)
        assert {each.name for each in contenders} <= table.keys()
        times = {name: cells[0] for name, cells in table.items() if name}
        assert NOTHING not in times.values()
    assert rows(done.stdout, "### Many plugins under one host")
    measured = rows(done.stdout, "### Terraform")
    assert {terraform.SCHEMA, terraform.ENCODE, terraform.PLAN} <= measured.keys()
    assert NOTHING not in {time for _, time, _ in measured.values()}
    assert "this run is a smoke test" in done.stdout


def made_up(sizes: float = 1.0) -> Results:
    """Return results in which all take the same time, in three rounds."""
    hosts, plugins, begun, many = Samples(), Samples(), Samples(), Samples()
    for samples, contenders in ((hosts, HOSTS), (plugins, PLUGINS)):
        for contender in contenders:
            for figure in (*calls.CALLS, calls.HOST_MEMORY, calls.PLUGIN_MEMORY):
                _thrice(samples, figure, contender.name, sizes)
    for figure, floor, contenders in (
        (starts.LAUNCH, starts.LAUNCH_FLOOR, HOSTS),
        (starts.HELLO, starts.HELLO_FLOOR, PLUGINS),
    ):
        for name in (floor, *(each.name for each in contenders)):
            _thrice(begun, figure, name, sizes)
    for contender in fleets.FLEETS:
        for figure in fleets.figures(QUICK):
            _thrice(many, figure, contender.name, sizes)
    cloud = Samples()
    for figure, names in terraform.FIGURES.items():
        for name in filter(None, names):
            _thrice(cloud, figure, name, sizes)
    return Results(QUICK, hosts, plugins, begun, many, cloud, stream_bytes=400)


def _thrice(samples: Samples, figure: str, name: str, value: float) -> None:
    for turn in range(3):
        samples.add(figure, name, turn, value)


def test_ratios_are_taken_round_by_round() -> None:
    """The machine's speed doubles here, and the ratio is the same."""
    samples = Samples()
    for turn, speed in enumerate((1.0, 2.0, 4.0)):
        samples.add("call", "ours", turn, 3 * speed)
        samples.add("call", "floor", turn, 2 * speed)
    ratio = samples.ratio("call", "ours", "floor")
    assert ratio == Spread(1.5, 1.5, 1.5)
    assert not ratio.is_noisy


def test_a_round_without_its_counterpart_is_left_out() -> None:
    samples = Samples()
    samples.add("call", "ours", 0, 1)
    samples.add("call", "ours", 1, 6)
    samples.add("call", "floor", 1, 3)
    assert samples.ratio("call", "ours", "floor") == Spread(2, 2, 2)
    assert samples.ratio("call", "ours", "nobody") is None


def test_a_missed_target_names_its_cost() -> None:
    target = Target("a call", Spread(2, 2, 2), 1.6, cost="a hop")
    assert target.verdict == "missed by 25%: a hop"


@pytest.mark.parametrize(
    ("spread", "verdict"),
    [
        (Spread(0.9, 1.0, 1.1), "met"),
        (Spread(1.4, 1.5, 1.6), "missed by 25%"),
        (Spread(1.1, 1.22, 1.3), "missed by 2%"),
        (Spread(1.1, 1.201, 1.3), "missed by a hair"),
        (Spread(0.5, 1.0, 2.0), "too noisy to say"),
        (Spread(0.5, 0.8, 1.1), "met"),
    ],
    ids=[
        "below",
        "above",
        "near",
        "nearer",
        "noisy-and-on-both-sides",
        "noisy-but-below",
    ],
)
def test_a_target_is_met_or_missed_or_open(spread: Spread, verdict: str) -> None:
    assert Target("a call", spread, 1.2).verdict == verdict


def test_a_target_may_be_a_floor() -> None:
    assert Target("speed", Spread(3, 3, 3), 2, is_floor=True).verdict == "met"
    assert Target("speed", Spread(1, 1, 1), 2, is_floor=True).verdict.startswith("miss")


def test_a_target_is_not_judged_on_a_machine_that_cannot_reach_it() -> None:
    target = Target(
        "speed", Spread(1, 2, 5), 4, is_floor=True, lacking="it takes wings"
    )
    assert target.verdict == "not judged: it takes wings"
    assert not target.is_open


def test_all_tables_and_targets_come_from_complete_results() -> None:
    results = made_up()
    assert not complete.missing(results)
    text = report(results, targets(results))
    assert rows(text, "### Targets")
    assert {each.name for each in HOSTS} <= rows(text, "### Starts").keys()


def test_a_missing_answer_is_named_with_its_reason() -> None:
    results = made_up()
    name = HOSTS[0].name
    del results.hosts.values[calls.UNARY, name]
    assert complete.missing(results) == [f"{name}, {calls.UNARY}: not asked"]
    results.hosts.refuse(calls.UNARY, name, "it has ended")
    assert complete.missing(results) == [f"{name}, {calls.UNARY}: it has ended"]


def test_what_a_peer_cannot_do_is_not_missing() -> None:
    results = made_up()
    figure, name = calls.ECHO, "pyvider-rpcplugin, plain"
    del results.hosts.values[figure, name]
    results.hosts.refuse(figure, name, "message larger than max")
    assert not complete.missing(results)


def test_a_terraform_host_that_refuses_is_named_with_its_reason() -> None:
    results = made_up()
    results.terraform.refuse(terraform.PLAN, terraform.SECURE, "it has ended")
    assert complete.missing(results) == [
        f"{terraform.SECURE}, {terraform.PLAN}: it has ended"
    ]


def test_the_wide_schema_has_five_megabytes() -> None:
    assert 4_900_000 < len(wide_schema()) < 5_100_000


def test_the_plot_is_a_picture_with_a_bar_for_each() -> None:
    picture = ElementTree.fromstring(plot.drawing(made_up()))
    svg = "{http://www.w3.org/2000/svg}"
    assert picture.tag == f"{svg}svg"
    labels = [text.text for text in picture.iter(f"{svg}text")]
    assert "goplugin_py, AutoMTLS" in labels
    assert len(list(picture.iter(f"{svg}rect"))) == len(
        list(picture.iter(f"{svg}path"))
    )


def test_longer_bars_than_the_picture_are_cut() -> None:
    results = made_up()
    _thrice(results.hosts, calls.UNARY, "python-plugin, plain", 1000)
    picture = ElementTree.fromstring(plot.drawing(results))
    widths = [float(bar.get("width", "")) for bar in picture.iter() if bar.get("width")]
    assert max(widths) <= plot.WIDTH


def test_tables_replace_only_what_is_between_the_marks() -> None:
    page = f"before\n{document.BEGIN}\nold\n{document.END}\nafter\n"
    once = document.replaced(page, "new")
    assert once.startswith("before\n")
    assert once.endswith("after\n")
    assert "old" not in once
    assert document.replaced(once, "new") == once


def test_the_page_has_the_marks_and_the_plot() -> None:
    page = document.PAGE.read_text(encoding="utf-8")
    assert document.replaced(page, "new") != page
    assert f"({document.PLOT.name})" in page
    assert document.PLOT.exists()


def test_everybody_has_a_turn_in_every_round_and_is_first_once() -> None:
    found = list(turns(3, "abc"))
    assert [one for _, one in found] == list("abcbcacab")
    assert [turn for turn, _ in found] == [0, 0, 0, 1, 1, 1, 2, 2, 2]


def test_idle_streams_have_a_size() -> None:
    assert 100 < bytes_of_idle_streams(10) < 100_000


def test_results_know_how_much_was_measured() -> None:
    results = replace(made_up(), sizes=replace(QUICK, fleet=(1, 2, 4)))
    with pytest.raises(AssertionError, match="not measured"):
        [target.verdict for target in targets(results)]
