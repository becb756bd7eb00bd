"""Runs what is awaited, on both kinds of loops, and looks for what it leaves behind."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest
import uvloop

from goplugin_py.wire.environ import VOCABULARY
from tests.peers import until

Run = Callable[[Coroutine[Any, Any, Any]], Any]
LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture(params=LOOPS)
def run(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Run]:
    """Run coroutines on a loop of each kind; no task and no thread may be left."""
    for name in VOCABULARY:
        monkeypatch.delenv(name, raising=False)
    with asyncio.Runner(loop_factory=LOOPS[request.param]) as runner:

        def run_and_look(coroutine: Coroutine[Any, Any, Any]) -> Any:
            return runner.run(_leaving_nothing(coroutine))

        yield run_and_look
    gc.collect()
    # grpcio's own poller ends with the last channel; ours with what they serve.
    until(lambda: not our_threads())


async def _leaving_nothing(coroutine: Coroutine[Any, Any, Any]) -> Any:
    result = await coroutine
    assert asyncio.all_tasks() == {asyncio.current_task()}
    return result


async def eventually(holds: Callable[[], object]) -> None:
    """Wait for what gives no notice of itself, and let the loop run."""
    await asyncio.get_running_loop().run_in_executor(None, until, holds)


def our_threads() -> list[str]:
    """The threads that the package has started and that still run."""
    return [
        thread.name
        for thread in threading.enumerate()
        if thread.name.startswith("goplugin-")
    ]
