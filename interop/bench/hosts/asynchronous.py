"""The commands of hosts whose calls are awaited; `blocking` has what they mean."""

import asyncio
import sys
import threading
from collections.abc import Awaitable, Callable, Iterable
from time import perf_counter
from typing import Any, Protocol

from interop.echo_pb2 import Payload, StreamRequest


class Host(Protocol):
    """As `blocking.Host`, and a stream that can be told from its stub's library."""

    stub: Any

    async def received(self, request: StreamRequest) -> int:
        """Return how many messages a server stream had."""

    async def dial(self) -> float: ...

    async def more(self, count: int) -> None: ...

    async def together(self, count: int) -> None: ...

    def stubs(self) -> Iterable[Any]: ...

    async def fewer(self) -> None: ...


class Commands:
    """Carries out a line of stdin, `NAME [NUMBER ...]`."""

    def __init__(self, host: Host) -> None:
        self._host = host

    async def unary(self, count: int, size: int) -> list[float]:
        payload = Payload(data=bytes(size))
        return [await seconds(self._host.stub.Unary, payload) for _ in range(count)]

    async def flight(self, count: int, width: int) -> list[float]:
        payload = Payload(data=bytes(64))

        async def calls() -> None:
            for _ in range(count // width):
                await self._host.stub.Unary(payload)

        return [await seconds(lambda: asyncio.gather(*(calls() for _ in range(width))))]

    async def stream(self, count: int, size: int) -> list[float]:
        request = StreamRequest(count=count, size=size)
        start = perf_counter()
        received = await self._host.received(request)
        took = perf_counter() - start
        assert received == count, received
        return [took]

    async def dial(self, count: int) -> list[float]:
        return [await self._host.dial() for _ in range(count)]

    async def more(self, count: int) -> list[float]:
        return [await seconds(self._host.more, count)]

    async def together(self, count: int) -> list[float]:
        return [await seconds(self._host.together, count)]

    async def each(self, count: int) -> list[float]:
        payload = Payload(data=bytes(64))
        stubs = list(self._host.stubs()) * count
        return [await seconds(stub.Unary, payload) for stub in stubs]

    async def fewer(self) -> list[float]:
        return [await seconds(self._host.fewer)]

    async def loops(self) -> list[float]:
        names = [thread.name for thread in threading.enumerate()]
        return [sum(name.startswith("goplugin-loop") for name in names)]


async def seconds(call: Callable[..., Awaitable[object]], *arguments: object) -> float:
    start = perf_counter()
    await call(*arguments)
    return perf_counter() - start


async def answer(host: Host) -> None:
    """Carry out what stdin asks for, until it ends.

    Reading it blocks the event loop between commands, as nothing else runs then.
    """
    commands = Commands(host)
    for line in sys.stdin:
        name, *numbers = line.split()
        try:
            times = await getattr(commands, name)(*map(int, numbers))
        except Exception as problem:  # whatever a peer raises is its answer
            print("error", type(problem).__name__, *str(problem).split(), flush=True)
        else:
            print(*times, flush=True)
