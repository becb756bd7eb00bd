"""Data sources, functions, ephemeral resources, lists and actions."""

import threading

import pytest

from goplugin_py.terraform import (
    UNKNOWN,
    DiagnosticError,
    FunctionFailed,
    InvalidAnswer,
    InvalidConfig,
    Provider,
    ProviderWarning,
)
from goplugin_py.terraform.cty import NUMBER, Object
from tests.peers import until


def test_a_data_source_is_read(provider: Provider) -> None:
    source = provider.data_source("fake_thing")
    planned = source.plan({"name": UNKNOWN, "zone": "x"})
    assert (planned["name"], planned["id"], planned["zone"]) == (UNKNOWN, UNKNOWN, "x")
    assert source.read({"name": "a"})["id"] == "1"
    with pytest.raises(InvalidConfig, match=r"^name: Unknown value"):
        source.read({"name": UNKNOWN})
    with pytest.raises(InvalidAnswer, match=r"^id: Provider returned an unknown"):
        source.read({"name": "unknown"})
    with pytest.raises(InvalidAnswer, match="null object"):
        source.read({"name": "null"})


def test_a_function_is_called(provider: Provider) -> None:
    say = provider.function("say")
    assert say(1) == []
    assert say(1, "a", None) == ["a", None]
    assert say(UNKNOWN, "a") == UNKNOWN
    with pytest.raises(FunctionFailed, match="in number\nno") as caught:
        say(13)
    assert caught.value.argument == 0
    with pytest.raises(InvalidAnswer, match="wrong type"):
        say(14)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ((), "takes 1 or more, not 0"),
        ((None,), "number must not be null"),
        (("a",), "Number required"),
        ((1, "a", 2), r"^\[2\]: Invalid value for words"),
    ],
)
def test_arguments_that_do_not_fit_are_refused_before_the_call(
    provider: Provider, arguments: tuple[object, ...], problem: str
) -> None:
    with pytest.raises(InvalidConfig, match=problem):
        provider.function("say")(*arguments)


def test_an_ephemeral_resource_is_closed_at_the_end(provider: Provider) -> None:
    secret = provider.ephemeral_resource("fake_secret")
    with (
        pytest.warns(ProviderWarning, match="Closed after 1"),
        secret.open({"name": "a"}) as opened,
    ):
        assert (opened["name"], opened["id"]) == ("a", "0")
    opened.close()
    with (
        pytest.warns(ProviderWarning, match="Closed"),
        pytest.raises(InvalidAnswer, match=r"^zone: Provider produced an invalid"),
    ):
        secret.open({"name": "changes"})


def test_an_ephemeral_resource_is_renewed_in_time(provider: Provider) -> None:
    """`renew_at` has passed already, so it is renewed at once."""
    opened = provider.ephemeral_resource("fake_secret").open({"name": "renewed"})
    until(lambda: opened._private == b"11")
    opened.renew()
    with pytest.warns(ProviderWarning, match="Closed after 111"):
        opened.close()
    opened.renew()
    until(lambda: not any("renew" in each.name for each in threading.enumerate()))


def test_what_exists_is_listed_up_to_a_limit(provider: Provider) -> None:
    things = provider.list_resource("fake_thing")
    found = list(things.list({"name": "all"}, limit=3))
    assert [each.display_name for each in found] == ["thing 0", "thing 1", "thing 2"]
    assert found[2].identity == {"id": "2"}
    assert found[2].state is None
    first = next(iter(things.list({"name": "all"}, with_states=True)))
    assert first.state is not None
    assert first.state["id"] == "0"
    with pytest.raises(DiagnosticError, match="Lost count"):
        list(things.list({"name": "fails"}))
    with pytest.raises(InvalidAnswer, match="No identity"):
        list(things.list({"name": "nobody"}))


def test_an_action_tells_what_it_does(provider: Provider) -> None:
    action = provider.action("fake_do")
    action.plan({"name": UNKNOWN})
    assert list(action.invoke({"name": "a"})) == ["step 0", "step 1", "step 2"]
    with pytest.raises(InvalidConfig, match="Unknown value"):
        action.invoke({"name": UNKNOWN})
    with pytest.raises(DiagnosticError, match="Not today"):
        action.invoke({"name": "refused"})
    with pytest.raises(DiagnosticError, match="Did not work"):
        list(action.invoke({"name": "fails"}))
    with pytest.raises(InvalidAnswer, match="did not complete"):
        list(action.invoke({"name": "ends early"}))


def test_the_schema_is_typed(provider: Provider) -> None:
    schema = provider.schema.resources["fake_thing"]
    assert schema.version == 3
    name, size = schema.block.attributes["name"], schema.block.attributes["size"]
    assert name.is_required
    assert (size.type, size.is_optional, size.is_computed) == (NUMBER, True, True)
    assert schema.block.attributes["password"].is_write_only
    assert isinstance(schema.block.type, Object)
    assert provider.schema.capabilities.plan_destroy
    assert provider.schema.identities["fake_thing"].version == 1
    function = provider.schema.functions["say"]
    assert [each.name for each in function.parameters] == ["number"]
    assert function.variadic is not None
    assert function.variadic.allows_null
