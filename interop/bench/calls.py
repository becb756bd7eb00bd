"""Calls of every kind, over links that stay: both directions."""

import contextlib
import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from interop.bench.contenders import Contender
from interop.bench.driver import Driver, Refused
from interop.bench.processes import cpu_seconds, memory
from interop.bench.samples import Samples
from interop.bench.sizes import Sizes
from interop.bench.turns import turns

UNARY = "unary call"
TAIL = "its 99th percentile"
CPU = "CPU of 10,000 calls"
FLIGHT = "64 in flight"
SMALL = "stream of 100 B"
LARGE = "stream of 1 MiB"
ECHO = "4 MiB echo"
DIAL = "brokered dial"
HOST_MEMORY = "memory of host"
PLUGIN_MEMORY = "memory of plugin"

CALLS = (UNARY, TAIL, CPU, FLIGHT, SMALL, LARGE, ECHO)
"""The figures of both directions: seconds of one call or one message, and the processor
time of both sides."""

_DIALLERS = {"grpcio_blocking", "goplugin_blocking", "goplugin_aio", "python_plugin"}


@dataclass(frozen=True, slots=True)
class Question:
    """A command, and what its answer says of each figure."""

    line: str
    figures: Mapping[str, Callable[[list[float]], float]]
    calls: int = 0
    """How many calls took the processor time; 0: it is not measured."""

    def ask(self, driver: Driver) -> Iterator[tuple[str, float]]:
        """Yield the figures."""
        before = _cpu(driver)
        times = driver.ask(self.line)
        if self.calls:
            yield CPU, (_cpu(driver) - before) / self.calls * 10_000
        for figure, value in self.figures.items():
            yield figure, value(times)


def _cpu(driver: Driver) -> float:
    return cpu_seconds(driver.pid) + cpu_seconds(driver.plugin_pid)


def _percentile(times: list[float]) -> float:
    return statistics.quantiles(times, n=100, method="inclusive")[98]


def _each(count: int) -> Callable[[list[float]], float]:
    return lambda times: times[0] / count


def questions(sizes: Sizes) -> list[Question]:
    """Return what each link is asked in a round."""
    median = statistics.median
    return [
        Question(
            f"unary {sizes.unary} 64", {UNARY: median, TAIL: _percentile}, sizes.unary
        ),
        Question(f"flight {sizes.flight} 64", {FLIGHT: _each(sizes.flight)}),
        Question(f"stream {sizes.small} 100", {SMALL: _each(sizes.small)}),
        Question(f"stream {sizes.large} {1 << 20}", {LARGE: _each(sizes.large)}),
        Question(f"unary {sizes.echoes} {4 << 20}", {ECHO: median}),
    ]


def measure(contenders: Sequence[Contender], sizes: Sizes) -> Samples:
    """Ask all contenders in turn."""
    samples = Samples()
    with contextlib.ExitStack() as stack:
        drivers = {each: stack.enter_context(_started(each)) for each in contenders}
        stack.callback(_hang_up, drivers.values())
        for question in questions(sizes):
            # The first answer is the slowest, and nobody's fault.
            _ask_all(question, drivers, Samples(), rounds=1)
        for question in questions(sizes):
            _ask_all(question, drivers, samples, rounds=sizes.rounds)
        diallers = {c: d for c, d in drivers.items() if c.host in _DIALLERS}
        dial = Question(f"dial {sizes.dials}", {DIAL: statistics.median})
        _ask_all(dial, diallers, Samples(), rounds=1)
        _ask_all(dial, diallers, samples, rounds=sizes.rounds)
        for contender, driver in drivers.items():
            samples.add(HOST_MEMORY, contender.name, 0, memory(driver.pid))
            samples.add(PLUGIN_MEMORY, contender.name, 0, memory(driver.plugin_pid))
    return samples


@contextlib.contextmanager
def _started(contender: Contender) -> Iterator[Driver]:
    """Start one after the other: the machine may have something else to do as well."""
    with Driver(contender.command) as driver:
        driver.wait()
        yield driver


def _hang_up(drivers: Iterable[Driver]) -> None:
    """Let all end at the same time: some take seconds."""
    for driver in drivers:
        driver.hang_up()


def _ask_all(
    question: Question,
    drivers: Mapping[Contender, Driver],
    samples: Samples,
    *,
    rounds: int,
) -> None:
    for turn, (contender, driver) in turns(rounds, list(drivers.items())):
        try:
            for figure, value in question.ask(driver):
                samples.add(figure, contender.name, turn, value)
        except Refused as reason:
            for figure in question.figures:
                samples.refuse(figure, contender.name, str(reason))
