"""What is cancelled: nothing of it is left, and no state is lost."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

import pytest

from goplugin_py.terraform import ApplyFailed, ApplyInterrupted, State
from goplugin_py.terraform.aio import Plan, Provider, operation
from tests.aio.conftest import Run, eventually, our_threads
from tests.peers import until
from tests.terraform.aio.fake import cancelled, happened, launch, launched, made


async def begun(plan: Plan) -> asyncio.Task[State | None]:
    """Apply a plan, and return once the provider was asked to."""
    told = asyncio.Event()
    task = asyncio.create_task(
        plan.apply(progress=lambda _: told.set(), progress_interval=0.05)
    )
    await told.wait()
    return task


def interruption(error: BaseException) -> ApplyInterrupted:
    cause = error.__cause__
    assert isinstance(cause, ApplyInterrupted)
    return cause


def working_threads() -> list[str]:
    """Threads of operations, as opposed to those that go with the plugin."""
    names = ("goplugin-apply", "goplugin-plan", "goplugin-list")
    return [each for each in our_threads() if each.startswith(names)]


def test_a_cancelled_apply_asks_the_provider_to_stop_and_keeps_what_it_made(
    run: Run,
) -> None:
    """The provider answers the apply with what exists by then, as under Terraform."""

    async def test(provider: Provider) -> None:
        plan = await provider.resource("fake_thing").plan({"name": "waits"})
        interrupted = interruption(await cancelled(await begun(plan)))
        await happened(provider, "a stop was asked for")
        assert interrupted.state is not None
        assert (interrupted.state["id"], interrupted.state.is_tainted) == ("1", True)
        assert interrupted.private == b"planned"
        assert isinstance(interrupted.__cause__, ApplyFailed)
        assert "the apply was cancelled" in str(interrupted)
        assert working_threads() == []

    run(launched(test))


def test_a_provider_that_does_not_stop_is_not_waited_for(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its call is cancelled, and the state is the one before."""
    monkeypatch.setattr(operation, "STOP_GRACE", 0.2)

    async def test(provider: Provider) -> None:
        thing = provider.resource("fake_thing")
        state = await made(thing)
        plan = await thing.plan({"name": "deaf"}, state)
        interrupted = interruption(await cancelled(await begun(plan)))
        assert (interrupted.state, interrupted.private) == (state, b"planned")
        await happened(provider, "an apply was cancelled")
        assert working_threads() == []

    run(launched(test))


def test_a_provider_that_refuses_to_stop_is_in_the_log(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing is left to wait for then, so its call is cancelled at once."""

    async def test(provider: Provider) -> None:
        await provider.configure({"token": "unstoppable"})
        plan = await provider.resource("fake_thing").plan({"name": "deaf"})
        interrupted = interruption(await cancelled(await begun(plan)))
        assert interrupted.state is None
        await happened(provider, "an apply was cancelled")

    run(launched(test))
    [told] = [r for r in caplog.records if r.name == "goplugin.terraform"]
    assert told.levelno == logging.WARNING
    assert (
        "the provider does not stop: The provider could not stop" in told.getMessage()
    )


def test_an_apply_that_is_cut_off_by_a_time_limit_keeps_the_state(run: Run) -> None:
    """`asyncio.timeout` makes a `TimeoutError` of the cancellation, with its cause."""

    async def test(provider: Provider) -> None:
        plan = await provider.resource("fake_thing").plan({"name": "waits"})
        with pytest.raises(TimeoutError) as caught:
            async with asyncio.timeout(0.2):
                await plan.apply()
        assert caught.value.__cause__ is not None
        assert interruption(caught.value.__cause__).private == b"planned"

    run(launched(test))


def test_progress_that_hangs_is_cancelled_with_the_apply(run: Run) -> None:
    async def test(provider: Provider) -> None:
        hanging = asyncio.Event()

        async def hang(_: float) -> None:
            hanging.set()
            await asyncio.Event().wait()

        plan = await provider.resource("fake_thing").plan({"name": "waits"})
        applying = asyncio.create_task(
            plan.apply(progress=hang, progress_interval=0.05)
        )
        await hanging.wait()
        assert interruption(await cancelled(applying)).state is not None

    run(launched(test))


def test_an_apply_that_was_done_when_it_was_cancelled_tells_its_state(
    run: Run,
) -> None:
    """The loop is kept from noticing the result, and the cancellation comes first."""

    async def test(provider: Provider) -> None:
        plan = await provider.resource("fake_thing").plan({"name": "a"})
        applying = asyncio.create_task(plan.apply())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        until(lambda: not working_threads())  # it blocks the loop
        interrupted = interruption(await cancelled(applying))
        assert interrupted.state is not None
        assert interrupted.state["id"] == "1"
        assert not interrupted.state.is_tainted

    run(launched(test))


def test_a_replacement_that_is_cancelled_does_not_go_on(run: Run) -> None:
    """The new one is waited for when it comes: the old one is gone by then."""

    async def test(provider: Provider) -> None:
        thing = provider.resource("fake_thing")
        state = await made(thing, zone="x")
        plan = await thing.plan({"name": "waits", "zone": "y"}, state)
        interrupted = interruption(await cancelled(await begun(plan)))
        assert interrupted.state is not None
        assert (interrupted.state["zone"], interrupted.state.is_tainted) == ("y", True)

    run(launched(test))


def test_a_provider_may_be_closed_during_an_apply(run: Run) -> None:
    async def main() -> None:
        provider = await launch()
        plan = await provider.resource("fake_thing").plan({"name": "deaf"})
        applying = await begun(plan)
        await provider.close()
        with pytest.raises(ApplyInterrupted, match="was closed during Apply") as caught:
            await applying
        assert caught.value.state is None

    run(main())


@pytest.mark.parametrize("turns", [1, 3, 10, 100])
def test_a_cancelled_launch_leaves_nothing(run: Run, turns: int) -> None:
    """Wherever it was: the fixture looks for threads, and here is the process."""

    async def main() -> None:
        launching = asyncio.ensure_future(launch())
        for _ in range(turns):
            await asyncio.sleep(0)
        await cancelled(launching)
        await eventually(lambda: our_threads() == [])

    run(main())


@pytest.mark.parametrize("what", ["plan", "read", "configure", "function"])
def test_what_is_cancelled_early_leaves_nothing(run: Run, what: str) -> None:
    async def test(provider: Provider) -> None:
        thing = provider.resource("fake_thing")
        state = await made(thing)
        begin: dict[str, Coroutine[Any, Any, Any]] = {
            "plan": thing.plan({"name": "a"}),
            "read": thing.read(state),
            "configure": provider.configure({}),
            "function": provider.function("say")(1),
        }
        task = asyncio.create_task(begin.pop(what))
        for other in begin.values():
            other.close()
        await asyncio.sleep(0)
        await cancelled(task)
        assert await provider.function("say")(1) == []

    run(launched(test))
