"""The host kit for asyncio with real Go providers, of protocol 5 and 6."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
import uvloop

from goplugin_py.terraform import (
    UNKNOWN,
    Action,
    ApplyFailed,
    ApplyInterrupted,
    DiagnosticError,
    FunctionFailed,
    InvalidConfig,
    ProviderWarning,
)
from goplugin_py.terraform.aio import Plan, Provider
from interop.fixtures import ROOT, binary

pytestmark = pytest.mark.usefixtures("nothing_left")

LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
TIME, SHELF = "terraform-provider-time", "terraform-provider-shelf"
VERSIONS = {TIME: 5, SHELF: 6}

Test = Callable[[Provider], Coroutine[Any, Any, None]]
Run = Callable[[str, Test], None]


@pytest.fixture(params=LOOPS)
def run(request: pytest.FixtureRequest, nothing_left: object) -> Iterator[Run]:
    """Run a test with a provider, on loops of both kinds; no task may be left."""

    async def main(name: str, test: Test) -> None:
        async with Provider.launch(binary(name)) as provider:
            assert provider.protocol_version == VERSIONS[name]
            await provider.configure({})
            await test(provider)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    with asyncio.Runner(loop_factory=LOOPS[request.param]) as runner:
        yield lambda name, test: runner.run(main(name, test))


async def interrupted(plan: Plan) -> ApplyInterrupted:
    """Apply a plan, cancel that once the provider is busy, and return the cause."""
    busy = asyncio.Event()
    applying = asyncio.create_task(
        plan.apply(progress=lambda _: busy.set(), progress_interval=0.2)
    )
    await busy.wait()
    applying.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await applying
    cause = caught.value.__cause__
    assert isinstance(cause, ApplyInterrupted)
    return cause


def test_a_resource_of_protocol_5_goes_through_its_life(run: Run) -> None:
    """terraform-provider-time: `time_sleep`."""

    async def test(time: Provider) -> None:
        sleep = time.resource("time_sleep")
        plan = await sleep.plan({"create_duration": "1ms"})
        assert (plan.action, plan["id"]) == (Action.CREATE, UNKNOWN)
        state = await plan.apply()
        assert state is not None
        assert await sleep.read(state) == state
        update = await sleep.plan({"create_duration": "2ms"}, state)
        assert update.action is Action.UPDATE
        state = await update.apply()
        assert state is not None
        assert state["create_duration"] == "2ms"
        await sleep.destroy(state)
        static = time.resource("time_static")
        assert (await static.import_state("2020-02-12T06:36:13Z"))["year"] == 2020

    run(TIME, test)


def test_functions_and_bad_configurations_are_as_in_the_other_kit(run: Run) -> None:
    """terraform-provider-time: its functions and validators."""

    async def test(time: Provider) -> None:
        parsed = await time.function("rfc3339_parse")("2026-01-02T03:04:05Z")
        assert (parsed["year"], parsed["weekday_name"]) == (2026, "Friday")
        with pytest.raises(FunctionFailed, match="not a valid RFC3339"):
            await time.function("rfc3339_parse")("never")
        sleep = time.resource("time_sleep")
        with pytest.raises(InvalidConfig, match="duration"):
            await sleep.plan({"duration": "1s"})
        with pytest.raises(DiagnosticError, match="Invalid Attribute Value Match"):
            await sleep.plan({"create_duration": "never"})

    run(TIME, test)


def test_a_cancelled_apply_ends_long_before_the_provider_would(run: Run) -> None:
    """terraform-provider-time: a sleep of an hour listens to its context."""

    async def test(time: Provider) -> None:
        plan = await time.resource("time_sleep").plan({"create_duration": "1h"})
        cause = await interrupted(plan)
        assert cause.state is None
        assert isinstance(cause.__cause__, ApplyFailed)  # what the provider said to it
        assert not any("apply" in each.name for each in threading.enumerate())
        assert (await time.function("duration_parse")("90m"))["hours"] == 1.5

    run(TIME, test)


def test_many_sleeps_are_slept_at_the_same_time(run: Run) -> None:
    """All are in their hour at once, and one stop ends them all."""

    async def test(time: Provider) -> None:
        sleep = time.resource("time_sleep")
        plan = await sleep.plan({"create_duration": "1h"})
        busy: set[int] = set()
        all_busy = asyncio.Event()

        def note(number: int) -> None:
            busy.add(number)
            if len(busy) == 20:
                all_busy.set()

        async def apply(number: int) -> None:
            with pytest.raises(ApplyFailed, match="context canceled"):
                await plan.apply(progress=lambda _: note(number), progress_interval=0.2)

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(apply(number)) for number in range(20)]
            await all_busy.wait()
            while not all(task.done() for task in tasks):
                await time.stop()

    run(TIME, test)


def test_everything_of_protocol_6_is_made(run: Run) -> None:
    """terraform-plugin-framework: nested attributes, blocks, identities."""

    async def test(shelf: Provider) -> None:
        box = shelf.resource("shelf_box")
        plan = await box.plan(
            {"name": "a", "items": [{"name": "i"}], "slot": [{"name": "n"}]}
        )
        state = await plan.apply()
        assert state is not None
        assert state["items"] == [{"name": "i", "serial": "made for box-1"}]
        assert (await box.import_state(identity={"id": "box-1"})).value == state.value
        assert (await box.upgrade({"name": "old"}, 0))["name"] == "upgraded"
        broken = await box.plan({"name": "broken"})
        with pytest.raises(ApplyFailed, match="Broken box") as caught:
            await broken.apply()
        assert caught.value.state is not None
        assert caught.value.state.is_tainted
        owner = await shelf.data_source("shelf_owner").read({"title": "Dr."})
        assert owner["name"].startswith("Dr.")
        assert await shelf.function("describe")(1, "and", "more") == "1 and more"

    run(SHELF, test)


def test_the_documentation_shows_what_works(
    nothing_left: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """docs/terraform.md: the program for asyncio, which finds the provider by name."""
    page = (ROOT / "docs" / "terraform.md").read_text(encoding="utf-8")
    found = re.search(
        r"```python\n(from goplugin_py.terraform.aio .*?)```", page, re.DOTALL
    )
    assert found is not None
    (tmp_path / TIME).symlink_to(binary(TIME))
    monkeypatch.setenv("PATH", str(tmp_path))
    lines = [f"    {line}" for line in found[1].replace("1s", "1ms").splitlines()]
    names: dict[str, Any] = {}
    exec("\n".join(["async def main():", *lines, "    return state, parsed"]), names)
    state, parsed = asyncio.run(names["main"]())
    assert (state["create_duration"], parsed["month"]) == ("1ms", 1)


def test_lists_and_actions_are_streams(run: Run) -> None:
    """terraform-plugin-framework: list resources and actions."""

    async def test(shelf: Provider) -> None:
        box = shelf.resource("shelf_box")
        for name in ("a", "b"):
            await (await box.plan({"name": name})).apply()
        boxes = shelf.list_resource("shelf_box")
        found = [each async for each in boxes.list({"prefix": "b"}, with_states=True)]
        assert [each.identity for each in found] == [{"id": "box-1"}, {"id": "box-2"}]
        async with aclosing(boxes.list({"prefix": "b"})) as listed:
            assert (await anext(listed)).display_name == "the box box-1"
        dust = shelf.action("shelf_dust")
        assert [each async for each in dust.invoke({"times": 2})] == ["dusting"] * 2
        with pytest.raises(DiagnosticError, match=r"^times: Too clean"):
            _ = [each async for each in dust.invoke({"times": 3})]

    run(SHELF, test)


def test_an_ephemeral_resource_is_renewed_and_closed(run: Run) -> None:
    """It wants to be renewed at once; `renew` waits for a renewal under way."""

    async def test(shelf: Provider) -> None:
        key = await shelf.ephemeral_resource("shelf_key").open({"box": "old"})
        assert key["teeth"] == "of old"
        await key.renew()
        with pytest.warns(ProviderWarning, match="Key thrown away\nrenewed: true"):
            await key.close()

    run(SHELF, test)
