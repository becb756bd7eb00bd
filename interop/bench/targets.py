"""What the project wants to reach, and whether it did."""

import os
from collections.abc import Iterator
from dataclasses import dataclass

from interop.bench import calls, fleets, starts, terraform
from interop.bench.contenders import AIO, MULTIPLEXED, PEER, PLAIN, RAW, SECURE
from interop.bench.results import Results
from interop.bench.samples import Samples, Spread
from interop.bench.sizes import Sizes

# Starts are work: more of them at once than there are cores gain nothing.
CORES_FOR_FOURFOLD = 8
_HOP = "the hop through the relay"
_COPY = "encryption, and the relay's copy"


@dataclass(frozen=True, slots=True)
class Target:
    """A limit for what was measured."""

    what: str
    found: Spread | None
    limit: float
    is_floor: bool = False
    """Whether the figure has to reach the limit, instead of staying below it."""
    unit: str = "×"
    cost: str = ""
    """What it takes to stay within the limit, or keeps from it."""
    lacking: str = ""
    """What this machine would need before the target means anything."""

    @property
    def is_met(self) -> bool:
        """Whether the median is on the right side."""
        return self._is_good(self._found.middle)

    @property
    def is_open(self) -> bool:
        """Whether noise keeps the run from telling."""
        ends = {self._is_good(self._found.low), self._is_good(self._found.high)}
        return not self.lacking and self._found.is_noisy and len(ends) == 2

    @property
    def verdict(self) -> str:
        """The answer in words."""
        if self.lacking:
            return f"not judged: {self.lacking}"
        if self.is_open:
            return "too noisy to say"
        if self.is_met:
            return "met"
        distance = abs(self._found.middle / self.limit - 1)
        missed = f"missed by {distance:.0%}" if distance >= 0.01 else "missed by a hair"
        return f"{missed}: {self.cost}" if self.cost else missed

    @property
    def bound(self) -> str:
        """The limit in words."""
        return f"{'≥' if self.is_floor else '≤'} {self.limit:g} {self.unit}"

    @property
    def _found(self) -> Spread:
        assert self.found is not None, f"not measured: {self.what}"
        return self.found

    def _is_good(self, value: float) -> bool:
        return value >= self.limit if self.is_floor else value <= self.limit


def targets(results: Results) -> list[Target]:
    """Return all targets."""
    return [
        *_host_calls(results.hosts),
        *_plugin_calls(results.plugins),
        *_starts(results.starts),
        *_fleets(results.fleets, results.sizes),
        *_terraform(results.terraform),
    ]


def _at_least(what: str, found: Spread | None, limit: float, cost: str = "") -> Target:
    return Target(what, found, limit, is_floor=True, cost=cost)


def _host_calls(hosts: Samples) -> Iterator[Target]:
    secure, plain, peer = "host, AutoMTLS", "grpcio in plain text", "python-plugin"
    slower = hosts.ratio(calls.UNARY, SECURE, RAW)
    yield Target(f"{secure}: {calls.UNARY}, to {plain}", slower, 1.3, cost=_HOP)
    slower = hosts.ratio(calls.UNARY, SECURE, PEER)
    yield Target(f"{secure}: {calls.UNARY}, to {peer}", slower, 0.75)
    slower = hosts.ratio(calls.UNARY, MULTIPLEXED, SECURE)
    yield Target(f"{secure}: {calls.UNARY}, multiplexed to not", slower, 1.15)
    faster = hosts.ratio(calls.FLIGHT, PEER, AIO)
    yield _at_least(f"{secure}, aio: speed of {calls.FLIGHT}, to {peer}", faster, 3)
    faster = hosts.ratio(calls.SMALL, PEER, SECURE)
    yield _at_least(f"{secure}: speed of {calls.SMALL}, to {peer}", faster, 2)
    for figure in (calls.ECHO, calls.LARGE):
        title = f"{secure}: speed of {figure}"
        faster = hosts.ratio(figure, PEER, SECURE)
        yield _at_least(f"{title}, to {peer}", faster, 1.3)
        faster = hosts.ratio(figure, RAW, SECURE)
        yield _at_least(f"{title}, to {plain}", faster, 0.7, _COPY)


def _plugin_calls(plugins: Samples) -> Iterator[Target]:
    slower = plugins.ratio(calls.UNARY, SECURE, RAW)
    what = f"plugin, AutoMTLS: {calls.UNARY}, to a grpcio server in plain text"
    yield Target(what, slower, 1.2, cost=_HOP)


def _starts(samples: Samples) -> Iterator[Target]:
    launch, hello = starts.LAUNCH, starts.HELLO
    slower = samples.ratio(launch, SECURE, starts.LAUNCH_FLOOR)
    what = f"{launch}, AutoMTLS, to {starts.LAUNCH_FLOOR}"
    yield Target(what, slower, 1.1, cost="the key, TLS and the first call")
    slower = samples.ratio(launch, SECURE, PEER)
    what = f"{launch}, AutoMTLS, to python-plugin"
    yield Target(what, slower, 0.9, cost="the import of grpcio")
    costs = {PLAIN: "our modules, and the server", SECURE: "as above, and the key"}
    for name, link in ((PLAIN, "plain"), (SECURE, "AutoMTLS")):
        slower = samples.ratio(hello, name, starts.HELLO_FLOOR)
        what = f"{hello}, {link}, to {starts.HELLO_FLOOR}"
        yield Target(what, slower, 1.25, cost=costs[name])


def _fleets(samples: Samples, sizes: Sizes) -> Iterator[Target]:
    first, middle, last = sizes.fleet
    growth = samples.spread(fleets.PER_PLUGIN, SECURE)
    yield Target(f"{fleets.PER_PLUGIN}, AutoMTLS", growth, 300, unit="KiB")
    loops = samples.spread(fleets.LOOPS, SECURE)
    yield Target(f"{fleets.LOOPS}, {last} running", loops, 1, unit="")
    title = fleets.LATENCY.format(last)
    slower = samples.ratio(title, SECURE, SECURE, of=fleets.LATENCY.format(first))
    yield Target(f"{title}, AutoMTLS, to {first} running", slower, 1.2)
    faster = samples.ratio(fleets.ONE_BY_ONE, SECURE, SECURE, of=fleets.TOGETHER)
    what = f"speed of {last - middle} starts all together, to one by one"
    has_cores = (os.cpu_count() or 1) >= CORES_FOR_FOURFOLD
    lacking = "" if has_cores else f"it takes {CORES_FOR_FOURFOLD} cores"
    yield Target(what, faster, 4, is_floor=True, lacking=lacking)


def _terraform(samples: Samples) -> Iterator[Target]:
    for name, link in ((terraform.PLAIN, "plain"), (terraform.SECURE, "AutoMTLS")):
        slower = samples.ratio(terraform.SCHEMA, name, terraform.RAW)
        what = f"Terraform: {terraform.SCHEMA}, {link}, to grpcio in plain text"
        yield Target(what, slower, 1.2, cost=_COPY)
    for figure in (terraform.ENCODE, terraform.DECODE):
        slower = samples.ratio(figure, terraform.CTY, terraform.MSGPACK)
        yield Target(f"Terraform: {figure}, CPU, to msgpack", slower, 3)
    seconds = samples.spread(terraform.PLAN, terraform.SECURE)
    what = f"Terraform: {terraform.PLAN}, AutoMTLS"
    yield Target(what, seconds and seconds.scaled(1000), 10, unit="ms")
