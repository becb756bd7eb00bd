"""The kit for asyncio has the names and signatures of the one that blocks."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from goplugin_py import terraform
from goplugin_py.callables import is_async
from goplugin_py.terraform import (
    action,
    aio,
    data_source,
    ephemeral,
    function,
    listing,
    plan,
    provider,
    resource,
)
from goplugin_py.terraform.aio import action as aio_action
from goplugin_py.terraform.aio import data_source as aio_data_source
from goplugin_py.terraform.aio import ephemeral as aio_ephemeral
from goplugin_py.terraform.aio import function as aio_function
from goplugin_py.terraform.aio import listing as aio_listing
from goplugin_py.terraform.aio import plan as aio_plan
from goplugin_py.terraform.aio import provider as aio_provider
from goplugin_py.terraform.aio import resource as aio_resource

MODULES = {
    action: aio_action,
    data_source: aio_data_source,
    ephemeral: aio_ephemeral,
    function: aio_function,
    listing: aio_listing,
    plan: aio_plan,
    provider: aio_provider,
    resource: aio_resource,
}
# What may wait for the provider; the rest returns at once.
AWAITED = {
    "DataSource": {"read"},
    "EphemeralResource": {"open"},
    "ListResource": set[str](),
    "OpenResource": {"close", "renew"},
    "Plan": {"apply"},
    "Provider": {"close", "configure", "launch", "stop", "validate_config"},
    "ProviderAction": {"plan"},
    "ProviderFunction": {"__call__"},
    "Resource": {
        *("destroy", "generate_config", "import_state", "move", "plan"),
        *("plan_destroy", "read", "upgrade", "validate"),
    },
}
# What makes plans of plans.
INTERNAL = {"of"}

PAIRS = {
    name: (getattr(blocking, name), getattr(awaited, name))
    for name in AWAITED
    for blocking, awaited in MODULES.items()
    if hasattr(awaited, name) and getattr(awaited, name).__module__ == awaited.__name__
}


def members(kind: type) -> dict[str, Any]:
    """The public methods and properties of a class, inherited ones too."""
    found: dict[str, Any] = {}
    for each in reversed(kind.__mro__[:-1]):
        found |= vars(each)
    return {
        name: value
        for name, value in found.items()
        if name == "__call__" or not (name.startswith("_") or name in INTERNAL)
    }


def function_of(value: Any) -> Any:
    """The function in a method, class method or property; None in all else."""
    value = getattr(value, "__func__", getattr(value, "fget", value))
    return value if inspect.isfunction(value) else None


def is_awaited(value: Callable[..., Any]) -> bool:
    """Whether what a function returns has to be awaited."""
    opening = "Opening[" in str(inspect.signature(value).return_annotation)
    return is_async(value) or opening


def signature(function: Callable[..., Any]) -> str:
    """The parameters and the types, without what the kinds differ in."""
    text = str(inspect.signature(function, eval_str=True)).replace(".aio.", ".")
    text = text.replace("typing.Self", "Self").replace(
        "collections.abc.AsyncGenerator", "collections.abc.Iterator"
    )
    before, opening, after = text.partition("goplugin_py.terraform.opening.Opening[")
    return before + after.removesuffix("]") if opening else text


def test_all_that_talks_to_providers_is_there_in_both_kinds() -> None:
    assert PAIRS.keys() == AWAITED.keys()
    assert set(aio.__all__) < set(terraform.__all__)


@pytest.mark.parametrize("name", PAIRS)
def test_classes_have_the_same_members_with_the_same_signatures(name: str) -> None:
    blocking, awaited = map(members, PAIRS[name])
    assert awaited.keys() == blocking.keys()
    for each, value in blocking.items():
        assert type(awaited[each]) is type(value), each
        if (plain := function_of(value)) is not None:
            assert signature(function_of(awaited[each])) == signature(plain), each


@pytest.mark.parametrize("name", PAIRS)
def test_what_may_wait_has_to_be_awaited(name: str) -> None:
    functions = {
        each: found
        for each, value in members(PAIRS[name][1]).items()
        if (found := function_of(value)) is not None
    }
    awaited = {each for each, found in functions.items() if is_awaited(found)}
    assert awaited == AWAITED[name]


@pytest.mark.parametrize("name", PAIRS)
def test_context_managers_and_attributes_are_the_same(name: str) -> None:
    blocking, awaited = PAIRS[name]
    assert hasattr(awaited, "__aenter__") == hasattr(blocking, "__enter__")
    assert not hasattr(awaited, "__enter__")
    told, told_awaited = (inspect.getdoc(each) or "" for each in (blocking, awaited))
    assert told_awaited.partition("Attributes:")[2] == told.partition("Attributes:")[2]
    for each, value in members(awaited).items():
        assert function_of(value) is None or inspect.getdoc(value), each


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = aio.nothing
    assert set(aio.__all__) <= set(dir(aio))
