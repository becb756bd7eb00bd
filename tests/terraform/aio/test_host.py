"""The kit for asyncio with the provider that breaks the rules when told to."""

from __future__ import annotations

import asyncio

import pytest

from goplugin_py import ConnectionLost
from goplugin_py.terraform import (
    UNKNOWN,
    Action,
    ApplyFailed,
    ApplyInterrupted,
    DiagnosticError,
    FunctionFailed,
    InvalidAnswer,
    InvalidConfig,
    ProviderNotFound,
    ProviderWarning,
    UnknownName,
)
from goplugin_py.terraform.aio import Plan, Provider
from tests.aio.conftest import Run, eventually, our_threads
from tests.terraform.aio.fake import happened, launch, launched, made

PROTOCOLS = pytest.mark.parametrize("version", [5, 6], ids=["protocol 5", "protocol 6"])


@PROTOCOLS
def test_a_resource_goes_through_its_life(run: Run, version: int) -> None:
    async def test(provider: Provider) -> None:
        thing = provider.resource("fake_thing")
        plan = await thing.plan({"name": "a", "zone": "x"})
        assert isinstance(plan, Plan)
        assert (plan.action, plan["id"]) == (Action.CREATE, UNKNOWN)
        state = await plan.apply()
        assert state is not None
        assert dict(await thing.read(state) or {}) == dict(state)

        update = await thing.plan({"name": "b", "zone": "x"}, state)
        assert update.action is Action.UPDATE
        state = await update.apply()
        assert state is not None
        replacement = await thing.plan({"name": "b", "zone": "y"}, state)
        assert replacement.action is Action.REPLACE
        state = await replacement.apply()
        assert state is not None
        assert (state["name"], state["zone"]) == ("b", "y")
        assert (await thing.plan({"name": "b"}, state, replace=True)).action is (
            Action.REPLACE
        )
        await thing.destroy(state)

    run(launched(test, version))


@PROTOCOLS
def test_what_exists_is_imported_upgraded_and_moved(run: Run, version: int) -> None:
    async def test(provider: Provider) -> None:
        thing = provider.resource("fake_thing")
        assert (await thing.import_state("7"))["id"] == "7"
        assert (await thing.import_state(identity={"id": "8"}))["id"] == "8"
        state = await made(thing)
        upgraded = await thing.upgrade(state.to_json(), 2)
        assert upgraded["zone"] == "from version 2"
        moved = await thing.move({"name": "a"}, provider="p", type_name="old")
        assert moved["zone"] == "from old"

    run(launched(test, version))


def test_unknown_values_are_filled_in_when_the_plan_is_applied(run: Run) -> None:
    async def test(provider: Provider) -> None:
        thing = provider.resource("fake_thing")
        plan = await thing.plan({"name": "a", "zone": UNKNOWN})
        with pytest.raises(InvalidConfig, match=r"^zone: Unknown value"):
            await plan.apply()
        state = await plan.apply({"name": "a", "zone": "x"})
        assert state is not None
        assert state["zone"] == "x"

    run(launched(test))


def test_many_applies_run_at_the_same_time(run: Run) -> None:
    """All of them are with the provider before the first one ends."""

    async def test(provider: Provider) -> None:
        thing = provider.resource("fake_thing")
        count, begun = 6, asyncio.Event()
        busy: set[int] = set()

        async def apply(number: int) -> Exception:
            plan = await thing.plan({"name": "waits", "size": number})

            def note(_: float) -> None:
                busy.add(number)
                if len(busy) == count:
                    begun.set()

            with pytest.raises(ApplyFailed) as caught:
                await plan.apply(progress=note, progress_interval=0.05)
            assert caught.value.state is not None
            assert caught.value.state["size"] == number
            return caught.value

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(apply(number)) for number in range(count)]
            await begun.wait()
            # Each stop lets one go on.
            while not all(task.done() for task in tasks):
                await provider.stop()

    run(launched(test))


@pytest.mark.parametrize("kind", ["function", "coroutine function"])
def test_progress_is_told_on_the_loop_until_the_end(run: Run, kind: str) -> None:
    async def test(provider: Provider) -> None:
        told: list[float] = []
        loop = asyncio.get_running_loop()

        def note(seconds: float) -> None:
            assert asyncio.get_running_loop() is loop
            told.append(seconds)

        async def note_and_stop(seconds: float) -> None:
            note(seconds)
            await provider.stop()

        plan = await provider.resource("fake_thing").plan({"name": "waits"})
        if kind == "function":
            applying = asyncio.create_task(
                plan.apply(progress=note, progress_interval=0.05)
            )
            await eventually(lambda: len(told) > 1)
            await provider.stop()
        else:
            applying = asyncio.create_task(
                plan.apply(progress=note_and_stop, progress_interval=0.05)
            )
        with pytest.raises(ApplyFailed, match="Stopped"):
            await applying
        assert told[0] >= 0.05

    run(launched(test))


def test_an_error_of_progress_ends_the_apply(run: Run) -> None:
    async def test(provider: Provider) -> None:
        async def fail(_: float) -> None:
            raise KeyError("mine")

        plan = await provider.resource("fake_thing").plan({"name": "deaf"})
        with pytest.raises(KeyError, match="mine"):
            await plan.apply(progress=fail, progress_interval=0.05)
        await happened(provider, "an apply was cancelled")

    run(launched(test))


def test_a_provider_is_configured(run: Run) -> None:
    async def test(provider: Provider) -> None:
        await provider.configure({"token": "good"})
        await provider.validate_config({"token": UNKNOWN})
        with pytest.warns(ProviderWarning, match="Old token"):
            await provider.configure({"token": "old"})
        with pytest.raises(DiagnosticError, match=r"^token: Wrong token"):
            await provider.configure({"token": "wrong"})
        with pytest.raises(InvalidConfig, match=r"^tokn: Unsupported"):
            await provider.configure({"tokn": "good"})

    run(launched(test))


@PROTOCOLS
def test_data_sources_and_functions_answer(run: Run, version: int) -> None:
    async def test(provider: Provider) -> None:
        source = provider.data_source("fake_thing")
        assert source.plan({"name": "a"})["id"] == UNKNOWN
        assert (await source.read({"name": "a"}))["id"] == "1"
        with pytest.raises(InvalidConfig, match=r"^name: Unknown value"):
            await source.read({"name": UNKNOWN})
        say = provider.function("say")
        assert await say(1, "a", None) == ["a", None]
        with pytest.raises(FunctionFailed, match="in number\nno"):
            await say(13)
        with pytest.raises(InvalidConfig, match="takes 1 or more, not 0"):
            await say()

    run(launched(test, version))


def test_bad_configurations_and_answers_are_refused_alike(run: Run) -> None:
    """As in tests/terraform/test_host.py, which has them all."""

    async def test(provider: Provider) -> None:
        thing = provider.resource("fake_thing")
        for config in ({}, {"name": 1}, {"name": "a", "color": "x"}):
            with pytest.raises(InvalidConfig):
                await thing.validate(config)
            with pytest.raises(InvalidConfig):
                await thing.plan(config)
        with pytest.raises(DiagnosticError, match=r"^name: Refused name"):
            await thing.plan({"name": "refused"})
        with pytest.raises(InvalidAnswer, match="not computed"):
            await thing.plan({"name": "misplanned"})
        plan = await thing.plan({"name": "half"})
        with pytest.raises(ApplyFailed, match="Only half") as caught:
            await plan.apply()
        assert caught.value.state is not None
        assert caught.value.state.is_tainted
        for find in (
            provider.resource,
            provider.data_source,
            provider.function,
            provider.ephemeral_resource,
            provider.list_resource,
            provider.action,
        ):
            with pytest.raises(UnknownName, match=r"no .* 'x'; it has: (fake_|say)"):
                find("x")

    run(launched(test))


def test_a_provider_that_dies_in_an_apply_leaves_the_last_known_state(run: Run) -> None:
    async def test(provider: Provider) -> None:
        thing = provider.resource("fake_thing")
        state = await made(thing)
        plan = await thing.plan({"name": "dies"}, state)
        with pytest.raises(ApplyInterrupted, match="ended with status 3") as caught:
            await plan.apply()
        assert (caught.value.state, caught.value.private) == (state, b"planned")
        with pytest.raises(ConnectionLost, match="hung up during ReadResource"):
            await thing.read(state)

    run(launched(test))


def test_an_apply_that_takes_too_long_leaves_the_last_known_state(run: Run) -> None:
    async def test(provider: Provider) -> None:
        plan = await provider.resource("fake_thing").plan({"name": "deaf"})
        with pytest.raises(ApplyInterrupted, match="did not answer") as caught:
            await plan.apply(timeout=0.2)
        assert caught.value.state is None
        await happened(provider, "an apply was cancelled")

    run(launched(test))


def test_a_provider_that_is_not_there_is_told_with_the_places(run: Run) -> None:
    async def main() -> None:
        with pytest.raises(ProviderNotFound, match="were searched"):
            await Provider.launch("nowhere/nothing")

    run(main())


def test_a_provider_can_be_awaited_and_closed(run: Run) -> None:
    """`async with` is the short form."""

    async def main() -> None:
        provider = await launch()
        assert provider.client.pid is not None
        assert provider.schema.capabilities.plan_destroy
        await provider.close()
        await provider.close()
        assert provider.client.exited
        assert our_threads() == []
        async with asyncio.TaskGroup() as group:
            task = group.create_task(launch())
        await task.result().close()

    run(main())
