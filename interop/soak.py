"""See whether a host that runs for long grows: `make soak`, on Linux.

A fleet of plugins stays. Meanwhile others come and go, one after the other: all kinds
of links and calls, crashes, starts that fail. Every half minute, when only the fleet
runs, a line says what the host holds. What has grown since the warm-up is a failure.
"""

import argparse
import contextlib
import ctypes
import gc
import itertools
import logging
import os
import platform
import signal
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, astuple, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Self

import grpc

from goplugin_py import Client, ExitedEarly
from interop.callback_sides import GO, PYTHON, Link, linked
from interop.echo_pb2 import CrashRequest, Payload, SleepRequest, StreamRequest
from interop.echo_pb2_grpc import EchoStub
from interop.python_host import (
    WAIT,
    children,
    descriptors,
    echo,
    echo_config,
    eventually,
)

FIRST = 2  # started before memory is measured: they pay for imports and pools
PERIOD = 30.0  # seconds between two lines
# Periods in which caches fill: of allocators, gRPC and the interpreter.
WARM_UP = 2
# Of a call or an end; a busy machine takes its time.
TIMEOUT = 4 * WAIT
# Plugins that start at once: more would only queue for the cores.
STARTERS = 8
IS_GLIBC = platform.libc_ver()[0] == "glibc"
M_ARENA_MAX = -8  # glibc: malloc.h

# A soak is watched, maybe through a pipe.
say = partial(print, flush=True)

SMALL = Payload(data=b"x" * 64)
LARGE = Payload(data=bytes(1 << 20))


# What a host does


def everyday(**changes: Any) -> None:
    """Make calls of each kind and cancel one; the plugin ends in order."""
    with echo(echo_config(**changes)) as (_, stub):
        assert stub.Unary(LARGE, timeout=TIMEOUT) == LARGE
        request = StreamRequest(count=100, size=1000)
        assert len(list(stub.ServerStream(request, timeout=TIMEOUT))) == request.count
        assert list(stub.Bidi(iter([SMALL, LARGE]), timeout=TIMEOUT)) == [SMALL, LARGE]
        assert stub.Sleep.future(SleepRequest(seconds=60)).cancel()


def brokered(*, mux: bool) -> None:
    """Dial what the other side serves, both ways."""
    with linked(Link(PYTHON, GO, mtls=True, mux=mux)) as pair:
        for dialler, acceptor in pair.both_ways:
            ids = acceptor.accept(count=5)
            assert dialler.dial(*ids).good == len(ids)
            acceptor.stop(*ids)


def crash() -> None:
    """Lose the plugin in a call."""
    with echo(echo_config()) as (client, stub):
        with contextlib.suppress(grpc.RpcError):
            stub.Crash(CrashRequest(kind=CrashRequest.SIGKILL), timeout=TIMEOUT)
        assert client.wait(TIMEOUT) == -signal.SIGKILL


def failed_start() -> None:
    """Start what is no plugin."""
    with contextlib.suppress(ExitedEarly):
        Client(echo_config("/bin/false")).start()


Visit = Callable[[], None]
VISITS: tuple[Visit, ...] = (
    everyday,
    partial(everyday, auto_mtls=False),
    partial(everyday, broker_multiplex=True),
    partial(brokered, mux=False),
    partial(brokered, mux=True),
    crash,
    failed_start,
)


@contextlib.contextmanager
def fleet(size: int) -> Iterator[list[Client]]:
    """Run plugins that stay."""
    clients = [Client(echo_config()) for _ in range(size)]
    with ThreadPoolExecutor(STARTERS) as pool:
        try:
            list(pool.map(Client.start, clients))
            yield clients
        finally:
            list(pool.map(Client.kill, clients))


# What it holds


@dataclass(frozen=True, slots=True)
class Footprint:
    """What this process holds."""

    memory: int
    """Resident, in KiB."""
    descriptors: int
    threads: int
    """gRPC's own included."""
    processes: int
    """Its children, those included that nobody has reaped."""

    @classmethod
    def now(cls) -> Self:
        gc.collect()
        give_back()
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return cls(
            memory=pages * os.sysconf("SC_PAGE_SIZE") >> 10,
            descriptors=descriptors(),
            threads=len(os.listdir("/proc/self/task")),
            processes=len(children()),
        )

    def __sub__(self, other: Self) -> Self:
        pairs = zip(astuple(self), astuple(other), strict=True)
        return type(self)(*(ours - theirs for ours, theirs in pairs))

    def __str__(self) -> str:
        return ", ".join(f"{value} {name}" for name, value in asdict(self).items())

    def exceeds(self, limit: Self) -> bool:
        pairs = zip(astuple(self), astuple(limit), strict=True)
        return any(ours > theirs for ours, theirs in pairs)


def give_back() -> None:
    """Return to the system what is free."""
    if IS_GLIBC:
        ctypes.CDLL(None).malloc_trim(0)


def keep_little() -> None:
    """Have one heap for all threads; glibc keeps a varying lot of many MiB in each."""
    if IS_GLIBC:
        assert ctypes.CDLL(None).mallopt(M_ARENA_MAX, 1) == 1


# How much may be added to what there was after the warm-up. gRPC keeps threads and
# descriptors for a while. In ten minutes there are up to 3,000 visits: a leak of 2 KiB
# in each, or of a thread in one of 300, passes this.
LIMIT = Footprint(memory=4 << 10, descriptors=8, threads=8, processes=0)


def settled(base: Footprint | None) -> Footprint:
    """Return what is held once ends are through, which nobody announces."""
    eventually(lambda: base is None or not (Footprint.now() - base).exceeds(LIMIT))
    return Footprint.now()


def median_call(client: Client) -> float:
    """Return the median time of a call in microseconds."""
    stub: EchoStub = client.dispense("echo")
    times = []
    for _ in range(200):
        start = time.perf_counter()
        stub.Unary(SMALL, timeout=TIMEOUT)
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1e6


# The run


def visit_until(end: float, clients: list[Client], visits: Iterator[Visit]) -> int:
    """Let plugins come and go, and call the fleet between them; return how many."""
    for count, visit in enumerate(visits, 1):
        visit()
        for client in clients:
            client.dispense("echo").Unary(SMALL, timeout=TIMEOUT)
        if time.monotonic() >= end:
            return count
    raise AssertionError("visits never end")


def soak(minutes: float, clients: list[Client]) -> bool:
    """Print a line for each period; return whether nothing has grown."""
    start = time.monotonic()
    visits, count = itertools.cycle(VISITS), 0
    base: Footprint | None = None
    for period in range(1, max(round(minutes * 60 / PERIOD), WARM_UP + 1) + 1):
        count += visit_until(start + period * PERIOD, clients, visits)
        held = settled(base)
        say(f"{period * PERIOD:4.0f} s: {count} visits, {held}")
        if period == WARM_UP:
            base = held
        if base is not None and (grown := held - base).exceeds(LIMIT):
            say(f"grown beyond {LIMIT}: {grown}")
            return False
    return True


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--plugins", type=int, default=50, help="how many stay")
    options = parser.parse_args()
    keep_little()
    # What plugins log is no concern here, warnings of Go's yamux among it.
    logging.getLogger("goplugin").addHandler(logging.NullHandler())
    with fleet(FIRST) as some:
        before = Footprint.now()
        with fleet(options.plugins) as more:
            added = Footprint.now() - before
            say(f"{options.plugins} further plugins: {added}")
            for name, client in (("first", some[0]), ("last", more[-1])):
                say(f"a call of the {name}: {median_call(client):.0f} us")
            return 0 if soak(options.minutes, some + more) else 1


if __name__ == "__main__":
    sys.exit(main())
