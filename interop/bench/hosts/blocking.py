"""The commands of hosts whose calls block."""

import sys
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import Any, Protocol

from interop.echo_pb2 import Payload, StreamRequest

WIDEST = 64


class Host(Protocol):
    """What a host has to offer; names of methods are those of commands."""

    stub: Any

    def dial(self) -> float:
        """Return the seconds from a dial through the broker to the first answer."""

    def more(self, count: int) -> None:
        """Start plugins one by one."""

    def together(self, count: int) -> None:
        """Start plugins all at once."""

    def stubs(self) -> Iterable[Any]:
        """Return a stub for each plugin that was started."""

    def fewer(self) -> None:
        """End what `more` and `together` have started."""


class Commands:
    """Carries out a line of stdin, `NAME [NUMBER ...]`."""

    def __init__(self, host: Host) -> None:
        self._host = host
        # Started before anything is timed, and not for every command again.
        self._pool = ThreadPoolExecutor(WIDEST)

    def unary(self, count: int, size: int) -> list[float]:
        payload = Payload(data=bytes(size))
        return [seconds(self._host.stub.Unary, payload) for _ in range(count)]

    def flight(self, count: int, width: int) -> list[float]:
        payload = Payload(data=bytes(64))

        def calls(_: int) -> None:
            for _ in range(count // width):
                self._host.stub.Unary(payload)

        return [seconds(lambda: list(self._pool.map(calls, range(width))))]

    def stream(self, count: int, size: int) -> list[float]:
        request = StreamRequest(count=count, size=size)
        start = perf_counter()
        received = sum(1 for _ in self._host.stub.ServerStream(request))
        took = perf_counter() - start
        assert received == count, received
        return [took]

    def dial(self, count: int) -> list[float]:
        return [self._host.dial() for _ in range(count)]

    def more(self, count: int) -> list[float]:
        return [seconds(self._host.more, count)]

    def together(self, count: int) -> list[float]:
        return [seconds(self._host.together, count)]

    def each(self, count: int) -> list[float]:
        payload = Payload(data=bytes(64))
        stubs = list(self._host.stubs())
        rounds = [
            [seconds(stub.Unary, payload) for stub in stubs] for _ in range(count)
        ]
        return [time for times in rounds for time in times]

    def fewer(self) -> list[float]:
        return [seconds(self._host.fewer)]

    def loops(self) -> list[float]:
        """Return how many threads relay, in this library's hosts."""
        names = [thread.name for thread in threading.enumerate()]
        return [sum(name.startswith("goplugin-loop") for name in names)]


def seconds(call: Callable[..., object], *arguments: object) -> float:
    start = perf_counter()
    call(*arguments)
    return perf_counter() - start


def answer(host: Host) -> None:
    """Carry out what stdin asks for, until it ends."""
    carry_out(Commands(host))


def carry_out(commands: object) -> None:
    """Call the methods that stdin names, with its numbers, until it ends."""
    for line in sys.stdin:
        name, *numbers = line.split()
        try:
            times = getattr(commands, name)(*map(int, numbers))
        except Exception as problem:  # whatever a peer raises is its answer
            print("error", type(problem).__name__, *str(problem).split(), flush=True)
        else:
            print(*times, flush=True)
