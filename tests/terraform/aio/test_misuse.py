"""What can be done wrong with the kit for asyncio, and what the errors say to do."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from goplugin_py import (
    ClientClosed,
    ClientConfig,
    ConfigError,
    LocalProtocolError,
    Plugin,
    aio,
)
from goplugin_py.terraform import HANDSHAKE
from goplugin_py.terraform.aio import Provider
from tests.aio.conftest import Run
from tests.peers import WAIT
from tests.terraform.aio.fake import launch, launched, made
from tests.terraform.fake import launch as launch_blocking


def elsewhere(begin: Callable[[], Coroutine[Any, Any, Any]]) -> Exception | None:
    """Await something on a loop of another thread; return its error."""
    outcome: list[Exception | None] = []

    def work() -> None:
        try:
            asyncio.run(begin())
        except Exception as exc:
            outcome.append(exc)
        else:
            outcome.append(None)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(2 * WAIT)
    return outcome[0]


def test_another_loop_is_told_where_to_go(run: Run) -> None:
    async def test(provider: Provider) -> None:
        thing = provider.resource("fake_thing")
        state, plan = await made(thing), await thing.plan({"name": "a"})
        listed = provider.list_resource("fake_thing").list({"name": "all"})
        secret = provider.ephemeral_resource("fake_secret")
        for begin in (
            lambda: thing.read(state),
            plan.apply,
            provider.stop,
            lambda: anext(listed),
            lambda: secret.open({"name": "a"}),
        ):
            error = await asyncio.to_thread(elsewhere, begin)
            assert isinstance(error, LocalProtocolError)
            assert "belongs to another event loop: use it there" in str(error)

    run(launched(test))


def test_a_provider_needs_a_loop() -> None:
    config = ClientConfig(command=["x"], handshake=HANDSHAKE, plugins={"x": Plugin()})
    with pytest.raises(LocalProtocolError, match="this provider needs a running"):
        Provider(aio.Client(config))


def test_a_provider_that_was_not_started_says_how(run: Run) -> None:
    async def main() -> None:
        config = ClientConfig(
            command=["x"], handshake=HANDSHAKE, plugins={"x": Plugin()}
        )
        provider = Provider(aio.Client(config))
        with pytest.raises(LocalProtocolError, match=r"use `async with provider`"):
            provider.resource("fake_thing")
        await provider.close()

    run(main())


def test_a_closed_provider_says_so(run: Run) -> None:
    async def main() -> None:
        async with launch() as provider:
            thing = provider.resource("fake_thing")
        with pytest.raises(ClientClosed, match="launch it again"):
            await thing.plan({"name": "a"})

    run(main())


def test_progress_is_a_function_and_no_coroutine(run: Run) -> None:
    async def test(provider: Provider) -> None:
        async def note(_: float) -> None:
            raise AssertionError("nobody calls it")

        plan = await provider.resource("fake_thing").plan({"name": "a"})
        coroutine: Any = note(0.0)
        with pytest.raises(ConfigError, match="progress must be a function, not a cor"):
            await plan.apply(progress=coroutine)
        number: Any = 5
        with pytest.raises(ConfigError, match="progress must be a function, not int"):
            await plan.apply(progress=number)

    run(launched(test))


def test_the_blocking_kit_takes_no_coroutine_function_for_progress() -> None:
    """It is refused before anything is changed, and the error names the other kit."""

    async def note(_: float) -> None:
        raise AssertionError("nobody calls it")

    with launch_blocking() as provider:
        plan = provider.resource("fake_thing").plan({"name": "dies"})
        with pytest.raises(ConfigError, match=r"those are for goplugin_py\.terraform"):
            plan.apply(progress=note)
        assert provider.function("say")(1) == []
