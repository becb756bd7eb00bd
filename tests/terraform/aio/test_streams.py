"""Lists, actions and ephemeral resources with asyncio."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from goplugin_py.terraform import (
    UNKNOWN,
    DiagnosticError,
    InvalidAnswer,
    InvalidConfig,
    ProviderWarning,
)
from goplugin_py.terraform.aio import Provider
from tests.aio.conftest import Run, eventually
from tests.terraform.aio.fake import cancelled, happened, launched


def test_what_exists_is_listed_up_to_a_limit(run: Run) -> None:
    async def test(provider: Provider) -> None:
        things = provider.list_resource("fake_thing")
        found = [each async for each in things.list({"name": "all"}, limit=3)]
        assert [each.display_name for each in found] == [
            f"thing {number}" for number in range(3)
        ]
        with pytest.raises(DiagnosticError, match="Lost count"):
            _ = [each async for each in things.list({"name": "fails"})]
        with pytest.raises(InvalidConfig, match="name"):
            _ = [each async for each in things.list({})]

    run(launched(test))


def test_an_action_tells_what_it_does(run: Run) -> None:
    async def test(provider: Provider) -> None:
        action = provider.action("fake_do")
        await action.plan({"name": UNKNOWN})
        told = [each async for each in action.invoke({"name": "a"})]
        assert told == ["step 0", "step 1", "step 2"]
        with pytest.raises(DiagnosticError, match="Not today"):
            await anext(action.invoke({"name": "refused"}))
        with pytest.raises(InvalidAnswer, match="did not complete"):
            _ = [each async for each in action.invoke({"name": "ends early"})]

    run(launched(test))


@pytest.mark.parametrize("way", ["closed", "cancelled"])
@pytest.mark.parametrize("kind", ["a list", "an action"])
def test_a_stream_that_is_given_up_cancels_its_call(
    run: Run, kind: str, way: str
) -> None:
    """The provider learns of it, as of any end of a call."""

    async def test(provider: Provider) -> None:
        begun = asyncio.Event()

        async def consume() -> None:
            config = {"name": "slow"}
            stream = (
                provider.list_resource("fake_thing").list(config)
                if kind == "a list"
                else provider.action("fake_do").invoke(config)
            )
            async with aclosing(stream):
                async for _ in stream:
                    begun.set()
                    if way == "closed":
                        return

        consuming = asyncio.create_task(consume())
        await begun.wait()
        if way == "closed":
            await consuming
        else:
            await cancelled(consuming)
        await happened(provider, f"{kind} was cancelled")

    run(launched(test))


def test_an_ephemeral_resource_is_closed_at_the_end(run: Run) -> None:
    async def test(provider: Provider) -> None:
        secret = provider.ephemeral_resource("fake_secret")
        with pytest.warns(ProviderWarning, match="Closed after 1"):
            async with secret.open({"name": "a"}) as opened:
                assert dict(opened)["id"] == "0"
        await opened.close()
        with (
            pytest.warns(ProviderWarning, match="Closed"),
            pytest.raises(InvalidAnswer, match=r"^zone: Provider produced an invalid"),
        ):
            await secret.open({"name": "changes"})
        with pytest.raises(InvalidConfig, match=r"^name: Unknown value"):
            await secret.open({"name": UNKNOWN})

    run(launched(test))


def test_an_ephemeral_resource_is_renewed_in_time(run: Run) -> None:
    """`renew_at` has passed already, so it is renewed at once."""

    async def test(provider: Provider) -> None:
        opened = await provider.ephemeral_resource("fake_secret").open(
            {"name": "renewed"}
        )
        await eventually(lambda: opened._private == b"11")
        await opened.renew()
        with pytest.warns(ProviderWarning, match="Closed after 111"):
            await opened.close()
        await opened.renew()

    run(launched(test))


def test_an_ephemeral_resource_that_nobody_waits_for_is_closed(run: Run) -> None:
    """It was open already when the task that opened it was cancelled."""

    async def test(provider: Provider) -> None:
        opening = asyncio.ensure_future(
            provider.ephemeral_resource("fake_secret").open({"name": "a"})
        )
        await happened(provider, "a secret was opened")
        if opening.done():  # the answer came at once
            with pytest.warns(ProviderWarning, match="Closed"):
                await opening.result().close()
        else:
            await cancelled(opening)
            await happened(provider, "a secret was closed")

    run(launched(test))
