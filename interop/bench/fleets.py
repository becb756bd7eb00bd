"""One host with many plugins."""

import statistics

from interop.bench.contenders import HOSTS, JUDGED, Contender
from interop.bench.driver import Driver
from interop.bench.processes import memory
from interop.bench.samples import Samples
from interop.bench.sizes import Sizes
from interop.bench.turns import turns

ONE_BY_ONE = "each start, one by one"
TOGETHER = "each start, all together"
LATENCY = "unary call, {} running"
MEMORY = "memory of the host, {} running"
PER_PLUGIN = "memory per further plugin, KiB"
LOOPS = "relay threads"

LIBRARIES = ("goplugin_blocking", "goplugin_aio", "python_plugin")
FLEETS = tuple(
    each for each in HOSTS if each.host in LIBRARIES and each.link in ("plain", "mtls")
)
CALLS_EACH = 20


def figures(sizes: Sizes) -> list[str]:
    """Return all figures of a fleet, in the order of the table."""
    counts = sizes.fleet
    return [
        *(LATENCY.format(count) for count in counts),
        *(MEMORY.format(count) for count in counts),
        PER_PLUGIN,
        LOOPS,
        ONE_BY_ONE,
        TOGETHER,
    ]


def measure(sizes: Sizes) -> Samples:
    """Start and end fleets of plugins in turn, each in a fresh host."""
    samples = Samples()
    some = [each for each in FLEETS if sizes.every_start or each.name in JUDGED]
    for turn, contender in turns(sizes.fleets, some):
        with Driver(contender.command) as driver:
            driver.wait()
            _fleet(driver, contender, turn, sizes, samples)
    return samples


def _fleet(
    driver: Driver, contender: Contender, turn: int, sizes: Sizes, samples: Samples
) -> None:
    name = contender.name
    memories: dict[int, int] = {}
    running, took = 1, 0.0
    for count in sizes.fleet:
        (took,) = driver.ask(f"more {count - running}")
        running = count
        times = driver.ask(f"each {CALLS_EACH}")
        samples.add(LATENCY.format(count), name, turn, statistics.median(times))
        memories[count] = memory(driver.pid)
        samples.add(MEMORY.format(count), name, turn, memories[count])
    _, middle, last = sizes.fleet
    samples.add(ONE_BY_ONE, name, turn, took / (last - middle))
    growth = (memories[last] - memories[middle]) / 1024 / (last - middle)
    samples.add(PER_PLUGIN, name, turn, growth)
    samples.add(LOOPS, name, turn, driver.ask("loops")[0])
    driver.ask("fewer")
    (took,) = driver.ask(f"together {last - middle}")
    samples.add(TOGETHER, name, turn, took / (last - middle))
