"""A started plugin for tests that are written once for both colours."""

import contextlib
import inspect
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from goplugin_py import Client, ClientConfig, aio
from interop.callback_sides import LoopThread


class Colour(Protocol):
    """How calls are made."""

    def do(self, call: Callable[[], Any]) -> Any:
        """Make a call; return what it comes to."""

    def collect(self, call: Callable[[], Any]) -> list[Any]:
        """Make a call that answers with a stream; return all of it."""


class Blocking:
    """Calls that block."""

    def do(self, call: Callable[[], Any]) -> Any:
        return call()

    def collect(self, call: Callable[[], Any]) -> list[Any]:
        return list(call())


class OnLoop:
    """Calls that are awaited, on a loop in a thread of its own."""

    def __init__(self, loop: LoopThread) -> None:
        self._loop = loop

    def do(self, call: Callable[[], Any]) -> Any:
        async def awaited() -> Any:
            result = call()
            return await result if inspect.isawaitable(result) else result

        return self._loop.run(awaited())

    def collect(self, call: Callable[[], Any]) -> list[Any]:
        async def collected() -> list[Any]:
            return [each async for each in call()]

        return list(self._loop.run(collected()))


class Session:
    """A client, and the way to use it."""

    def __init__(self, client: Any, colour: Colour) -> None:
        self.client = client
        self.do = colour.do
        self.collect = colour.collect

    def dispense(self, name: str) -> Any:
        """Return what a plugin is used by."""
        return self.do(lambda: self.client.dispense(name))

    @contextlib.contextmanager
    def serving(self, register: Callable[[Any], None]) -> Iterator[int]:
        """Serve through the broker; give the id."""
        broker = self.client.broker
        service_id = broker.next_id()
        server = self.do(lambda: broker.accept_and_serve(service_id, register))
        try:
            yield service_id
        finally:
            self.do(server.stop)


@contextlib.contextmanager
def session(config: ClientConfig, colour: str) -> Iterator[Session]:
    """Start a plugin; kill it at the end."""
    if colour == "sync":
        with Client(config) as client:
            yield Session(client, Blocking())
        return
    with contextlib.closing(LoopThread()) as loop:
        awaited = aio.Client(config)
        try:
            loop.run(awaited.start())
            yield Session(awaited, OnLoop(loop))
        finally:
            loop.run(awaited.kill())
