"""Both kinds of names are the same but for `await` and grpcio's types."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest

import goplugin_py
from goplugin_py import aio
from goplugin_py.callables import is_async

# What may wait for the plugin, a socket or a thread; the rest returns at once.
AWAITED = {
    "Broker": {"accept_and_serve", "dial"},
    "BrokeredServer": {"stop"},
    "Client": {"dispense", "kill", "ping", "reattach_config", "start", "wait"},
    "Plugin": set[str](),
    "PluginServer": {"start", "stop", "wait"},
}
# The core's, not the users'.
INTERNAL = {"Broker": {"close"}}
CLASSES = sorted(AWAITED)
FUNCTIONS = sorted(set(aio.__all__) - set(AWAITED))


def members(kind: type, name: str) -> dict[str, Any]:
    """The public methods and properties of a class, inherited ones too."""
    found: dict[str, Any] = {}
    for each in reversed(kind.__mro__[:-1]):
        found |= vars(each)
    hidden = INTERNAL.get(name, set())
    return {
        each: value
        for each, value in found.items()
        if not each.startswith("_") and each not in hidden
    }


def signature(function: Callable[..., Any]) -> str:
    """The parameters and the types, without what the kinds differ in."""
    text = str(inspect.signature(function))
    return text.replace("Awaitable[None] | None", "None").replace("grpc.aio.", "grpc.")


def test_what_talks_to_plugins_is_there_in_both_kinds() -> None:
    homes = {"client", "managed", "plugin", "services.broker", "serving"}
    talking = {name for name, home in goplugin_py._HOMES.items() if home in homes}
    assert set(aio.__all__) == talking


@pytest.mark.parametrize("name", CLASSES)
def test_classes_have_the_same_members_with_the_same_signatures(name: str) -> None:
    blocking = members(getattr(goplugin_py, name), name)
    awaited = members(getattr(aio, name), name)
    assert awaited.keys() == blocking.keys()
    for each, value in blocking.items():
        assert type(awaited[each]) is type(value), each
        if inspect.isfunction(value):
            assert signature(awaited[each]) == signature(value), each
        elif isinstance(value, property):
            assert value.fget is not None
            assert signature(awaited[each].fget) == signature(value.fget), each


@pytest.mark.parametrize("name", CLASSES)
def test_classes_are_made_from_the_same_arguments(name: str) -> None:
    blocking, awaited = getattr(goplugin_py, name), getattr(aio, name)
    if name != "Broker":  # a protocol; nobody makes one
        assert signature(awaited.__init__) == signature(blocking.__init__)
    if hasattr(blocking, "__enter__"):
        assert hasattr(awaited, "__aenter__")
        assert hasattr(awaited, "__aexit__")
        assert not hasattr(awaited, "__enter__")


@pytest.mark.parametrize("name", CLASSES)
def test_methods_that_may_wait_are_coroutine_functions(name: str) -> None:
    found = members(getattr(aio, name), name)
    assert {each for each, value in found.items() if is_async(value)} == AWAITED[name]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_are_coroutine_functions_with_the_same_signatures(name: str) -> None:
    awaited = getattr(aio, name)
    assert is_async(awaited)
    assert signature(awaited) == signature(getattr(goplugin_py, name))


@pytest.mark.parametrize("name", aio.__all__)
def test_every_name_is_explained(name: str) -> None:
    value = getattr(aio, name)
    assert inspect.getdoc(value)
    if inspect.isclass(value):
        for each in members(value, name).values():
            assert inspect.getdoc(each), each


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = aio.nothing
    assert set(aio.__all__) <= set(dir(aio))
