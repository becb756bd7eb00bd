"""The provider of fake_provider.py, for asyncio."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine
from typing import Any

from goplugin_py.terraform import State
from goplugin_py.terraform.aio import Provider
from goplugin_py.terraform.aio.opening import Opening
from goplugin_py.terraform.aio.resource import Resource
from tests.peers import ROOT, WAIT
from tests.terraform.fake import FAKE


def launch(version: int = 6) -> Opening[Provider]:
    return Provider.launch(
        sys.executable, str(FAKE), str(version), env={"PYTHONPATH": str(ROOT)}
    )


def launched(
    test: Callable[[Provider], Coroutine[Any, Any, None]], version: int = 6
) -> Coroutine[Any, Any, None]:
    """Run a test with a provider that runs."""

    async def main() -> None:
        async with launch(version) as provider:
            assert provider.protocol_version == version
            await test(provider)

    return main()


async def made(thing: Resource, name: str = "a", **config: object) -> State:
    """Create a thing."""
    plan = await thing.plan({"name": name, **config})
    state = await plan.apply()
    assert state is not None
    return state


async def happened(provider: Provider, what: str) -> None:
    """Wait until the provider has noticed something."""
    async with asyncio.timeout(WAIT):
        while what not in await provider.function("say")(15):
            pass


async def cancelled(task: asyncio.Task[Any]) -> asyncio.CancelledError:
    """Cancel a task, and return what it comes to."""
    task.cancel()
    try:
        await task
    except asyncio.CancelledError as exc:
        return exc
    raise AssertionError("it went on")
