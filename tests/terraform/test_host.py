"""The host kit with a provider that breaks the rules when told to."""

import pickle
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from goplugin_py import ClientClosed, ConnectionLost
from goplugin_py.terraform import (
    UNKNOWN,
    Action,
    ApplyFailed,
    ApplyInterrupted,
    DiagnosticError,
    FunctionFailed,
    InvalidAnswer,
    InvalidConfig,
    NotSupported,
    Provider,
    ProviderWarning,
    Severity,
    State,
    UnknownName,
)
from goplugin_py.terraform.cty import NUMBER, Object, Typed
from goplugin_py.terraform.resource import Resource
from tests.peers import ROOT, until

FAKE = Path(__file__).with_name("fake_provider.py")


def launch(version: int = 6) -> Provider:
    return Provider.launch(
        sys.executable, str(FAKE), str(version), env={"PYTHONPATH": str(ROOT)}
    )


@pytest.fixture(scope="module", params=[5, 6], ids=["protocol 5", "protocol 6"])
def provider(request: pytest.FixtureRequest) -> Iterator[Provider]:
    with launch(request.param) as provider:
        assert provider.protocol_version == request.param
        yield provider


@pytest.fixture
def thing(provider: Provider) -> Resource:
    return provider.resource("fake_thing")


def made(thing: Resource, name: str = "a", **config: object) -> State:
    state = thing.plan({"name": name, **config}).apply()
    assert state is not None
    return state


# The life of a resource


def test_a_resource_is_created_updated_replaced_and_destroyed(thing: Resource) -> None:
    plan = thing.plan({"name": "a", "zone": "x"})
    assert (plan.action, plan.prior) == (Action.CREATE, None)
    assert plan["id"] == plan["size"] == UNKNOWN
    state = plan.apply()
    assert state is not None
    assert dict(state) == {
        "any": None,
        "id": "1",
        "name": "a",
        "password": None,
        "size": 7,
        "zone": "x",
    }
    assert (state.private, state.schema_version) == (b"kept", 3)
    assert (state.identity, state.identity_schema_version) == ({"id": "1"}, 1)

    same = thing.plan({"name": "a", "zone": "x"}, state)
    assert (same.action, same.requires_replace) == (Action.NO_OP, ())
    assert same.apply() == state

    update = thing.plan({"name": "b", "zone": "x"}, state)
    assert update.action is Action.UPDATE
    state = update.apply()
    assert state is not None
    assert (state["name"], state["size"]) == ("b", 7)

    replacement = thing.plan({"name": "b", "zone": "y"}, state)
    assert replacement.action is Action.REPLACE
    assert [str(path) for path in replacement.requires_replace] == ["zone"]
    assert replacement["id"] == UNKNOWN
    state = replacement.apply()
    assert state is not None
    assert state["zone"] == "y"

    destruction = thing.plan_destroy(state)
    assert (destruction.action, len(destruction)) == (Action.DELETE, 0)
    assert destruction.apply() is None


def test_a_state_can_be_stored(thing: Resource) -> None:
    state = made(thing, any={"deep": [1]})
    assert pickle.loads(pickle.dumps(state)) == state
    assert thing.plan({"name": "a", "any": {"deep": [1]}}, state).action is Action.NO_OP


def test_a_replacement_can_be_asked_for(thing: Resource) -> None:
    state = made(thing)
    assert thing.plan({"name": "a"}, state, replace=True).action is Action.REPLACE


def test_what_is_tainted_is_replaced(thing: Resource) -> None:
    state = replace(made(thing), is_tainted=True)
    plan = thing.plan({"name": "a"}, state)
    assert plan.action is Action.REPLACE
    renewed = plan.apply()
    assert renewed is not None
    assert not renewed.is_tainted


def test_unknown_values_are_filled_in_when_the_plan_is_applied(thing: Resource) -> None:
    plan = thing.plan({"name": "a", "zone": UNKNOWN, "any": 5})
    assert plan["zone"] == UNKNOWN
    with pytest.raises(InvalidConfig) as caught:
        plan.apply()
    assert str(caught.value.path) == "zone"
    state = plan.apply({"name": "a", "zone": "x", "any": 5})
    assert state is not None
    assert (state["zone"], state["any"]) == ("x", 5)
    assert state.value["any"] == Typed(NUMBER, 5)


def test_a_final_configuration_that_is_another_is_refused(thing: Resource) -> None:
    """Terraform: `checkPlannedChange`."""
    plan = thing.plan({"name": "a", "zone": UNKNOWN})
    with pytest.raises(InvalidAnswer, match=r"^name: Provider changed its plan"):
        plan.apply({"name": "b", "zone": "x"})


def test_write_only_values_reach_the_provider_and_no_state(thing: Resource) -> None:
    state = made(thing, password="checked", zone="x")
    assert (state["zone"], state["password"]) == ("x", None)


def test_progress_is_told_until_the_end(provider: Provider, thing: Resource) -> None:
    """What is stopped meanwhile may still say what it has done."""
    told: list[float] = []

    def stop(seconds: float) -> None:
        told.append(seconds)
        provider.stop()

    plan = thing.plan({"name": "waits"})
    with pytest.raises(ApplyFailed, match="Stopped") as caught:
        plan.apply(progress=stop, progress_interval=0.1)
    assert told[0] >= 0.1
    assert caught.value.state is not None
    assert caught.value.state.is_tainted


# What is refused before a call


@pytest.mark.parametrize(
    ("config", "place"),
    [({}, "name"), ({"name": 1}, "name"), ({"name": "a", "color": "x"}, "color")],
    ids=["missing", "wrong type", "unknown attribute"],
)
def test_a_bad_configuration_is_refused_before_any_call(
    thing: Resource, config: dict[str, object], place: str
) -> None:
    for refuses in (thing.validate, thing.plan):
        with pytest.raises(InvalidConfig) as caught:
            refuses(config)
        assert str(caught.value.path) == place
        assert caught.value.severity is Severity.ERROR


def test_names_that_a_provider_does_not_have_are_told_with_those_it_has(
    provider: Provider,
) -> None:
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


# What is refused by the provider


def test_a_providers_error_has_all_its_parts(thing: Resource) -> None:
    with pytest.raises(DiagnosticError) as caught:
        thing.plan({"name": "refused"})
    error = caught.value
    assert (error.severity, str(error.path)) == (Severity.ERROR, "name")
    assert (error.summary, error.detail) == ("Refused name", "It is a fake.")
    assert str(error) == "name: Refused name\nIt is a fake."
    assert not isinstance(error, InvalidConfig)


def test_a_warning_is_one_of_pythons(thing: Resource) -> None:
    plan = thing.plan({"name": "warns"})
    with pytest.warns(ProviderWarning, match="name: Careful") as warned:
        plan.apply()
    [warning] = warned
    assert isinstance(warning.message, ProviderWarning)
    assert warning.message.diagnostic.severity is Severity.WARNING


def test_a_provider_is_configured(provider: Provider) -> None:
    provider.configure({"token": "good"})
    provider.validate_config({"token": UNKNOWN})
    with pytest.warns(ProviderWarning, match="Old token"):
        provider.configure({"token": "old"})
    with pytest.raises(DiagnosticError, match=r"^token: Wrong token"):
        provider.configure({"token": "wrong"})
    with pytest.raises(InvalidConfig, match=r"^tokn: Unsupported"):
        provider.configure({"tokn": "good"})


# Answers that break the rules


@pytest.mark.parametrize(
    ("name", "place", "problem"),
    [
        ("misplanned", "zone", "not computed"),
        ("leaks", "password", "write-only"),
        ("other type", "", "is missing"),
        ("deferred", "", "Provider deferred"),
    ],
)
def test_a_plan_that_breaks_the_rules_is_refused(
    thing: Resource, name: str, place: str, problem: str
) -> None:
    with pytest.raises(InvalidAnswer, match=problem) as caught:
        thing.plan({"name": name})
    assert str(caught.value.path) == place


def test_a_provider_of_the_first_sdk_may_plan_loosely(
    thing: Resource, caplog: pytest.LogCaptureFixture
) -> None:
    """Terraform: `legacy_type_system`; it is in the log then."""
    assert thing.plan({"name": "misplanned", "any": 1})["zone"] == "elsewhere"
    assert "fake_thing plans loosely: zone: planned 'elsewhere'" in caplog.text


def test_a_replacement_for_what_is_not_there_is_refused(thing: Resource) -> None:
    state = made(thing)
    with pytest.raises(InvalidAnswer, match=r"^nothing: Provider requires"):
        thing.plan({"name": "replaces nothing"}, state)


def test_a_provider_that_plans_otherwise_the_second_time_is_refused() -> None:
    with launch() as provider:
        plan = provider.resource("fake_thing").plan({"name": "fickle", "zone": "x"})
        with pytest.raises(InvalidAnswer, match=r"^size: Provider changed its plan"):
            plan.apply()


@pytest.mark.parametrize(
    ("name", "place", "problem"),
    [
        ("changes", "zone", "inconsistent result"),
        ("unknown", "size", "unknown value"),
        ("half", "size", "Only half"),
    ],
)
def test_a_failed_creation_leaves_a_tainted_state(
    thing: Resource, name: str, place: str, problem: str
) -> None:
    """Terraform saves what it was given, all the same."""
    plan = thing.plan({"name": name, "zone": "x"})
    with pytest.raises(ApplyFailed, match=problem) as caught:
        plan.apply()
    assert str(caught.value.path) == place
    state = caught.value.state
    assert state is not None
    assert (state["id"], state.is_tainted, state.private) == ("1", True, b"kept")


@pytest.mark.parametrize("name", ["vanishes", "fails"])
def test_a_creation_that_made_nothing_leaves_nothing(
    thing: Resource, name: str
) -> None:
    with pytest.raises(ApplyFailed) as caught:
        thing.plan({"name": name}).apply()
    assert caught.value.state is None


def test_an_update_that_failed_leaves_the_state_before_it(thing: Resource) -> None:
    state = made(thing)
    with pytest.raises(ApplyFailed) as caught:
        thing.plan({"name": "fails"}, state).apply()
    assert caught.value.state == state


@pytest.mark.parametrize(
    ("name", "problem"),
    [("stays", "Was absent, but now present"), ("fails", "Not destroyed")],
)
def test_what_was_not_destroyed_stays_in_the_state(
    thing: Resource, name: str, problem: str
) -> None:
    state = replace(made(thing), value=made(thing).value | {"name": name})
    with pytest.raises(ApplyFailed, match=problem) as caught:
        thing.destroy(state)
    assert caught.value.state is not None
    assert caught.value.state["name"] == name


def test_a_destruction_that_is_none_is_refused(thing: Resource) -> None:
    state = replace(made(thing), value=made(thing).value | {"name": "stays planned"})
    with pytest.raises(InvalidAnswer, match="something else than to destroy"):
        thing.plan_destroy(state)


def test_a_replacement_that_fails_halfway_leaves_nothing() -> None:
    """The old one is destroyed by then, and the error must not hide that."""
    with launch() as provider:
        thing = provider.resource("fake_thing")
        plan = thing.plan({"name": "fickle", "zone": "y"}, made(thing, zone="x"))
        assert plan.action is Action.REPLACE
        with pytest.raises(ApplyFailed, match="Provider changed its plan") as caught:
            plan.apply()
        assert caught.value.state is None


@pytest.mark.filterwarnings("error")
def test_a_state_is_not_lost_where_warnings_are_errors(thing: Resource) -> None:
    with pytest.raises(ApplyFailed, match="name: Careful") as caught:
        thing.plan({"name": "warns"}).apply()
    assert caught.value.state is not None
    assert not caught.value.state.is_tainted


def test_an_apply_that_ends_with_a_status_keeps_the_state(thing: Resource) -> None:
    state = made(thing)
    with pytest.raises(ApplyFailed, match="UNKNOWN: Exception") as caught:
        thing.plan({"name": "raises"}, state).apply()
    assert caught.value.state == state


# A provider that goes away


def test_a_provider_that_dies_in_an_apply_leaves_the_last_known_state() -> None:
    with launch() as provider:
        thing = provider.resource("fake_thing")
        state = made(thing)
        plan = thing.plan({"name": "dies"}, state)
        with pytest.raises(ConnectionLost) as caught:
            plan.apply()
        error = caught.value
        assert isinstance(error, ApplyInterrupted)
        assert (error.state, error.private) == (state, b"planned")
        assert error.status == 3
        assert "ended with status 3" in str(error)
        assert "look for what the provider left behind" in str(error)
        with pytest.raises(ConnectionLost, match="hung up during ReadResource"):
            thing.read(state)


def test_a_provider_that_takes_too_long_leaves_the_last_known_state() -> None:
    with launch() as provider:
        plan = provider.resource("fake_thing").plan({"name": "waits"})
        with pytest.raises(ApplyInterrupted, match="did not answer") as caught:
            plan.apply(timeout=0.2)
        assert caught.value.state is None
        provider.stop()


def test_a_closed_provider_says_so() -> None:
    with launch() as provider:
        thing = provider.resource("fake_thing")
    with pytest.raises(ClientClosed):
        thing.plan({"name": "a"})
    provider.close()


# What exists


def test_a_state_is_read_again(thing: Resource) -> None:
    state = made(thing)
    again = thing.read(state)
    assert again == replace(state, identity=None)
    gone = replace(state, value=state.value | {"id": "gone"})
    assert thing.read(gone) is None


def test_a_resource_is_imported_by_id_or_identity(thing: Resource) -> None:
    for state in (thing.import_state("5"), thing.import_state(identity={"id": "5"})):
        assert (state["id"], state["name"]) == ("5", "imported")
        assert state.private == b"imported"
    with pytest.raises(InvalidConfig, match="non-existent"):
        thing.import_state("gone")
    with pytest.raises(InvalidConfig, match=r"^id: Invalid identity"):
        thing.import_state(identity={})
    with pytest.raises(ValueError, match="one of the two"):
        thing.import_state()


@pytest.mark.parametrize("found", ["none", "two", "null"])
def test_an_import_of_anything_but_one_is_refused(thing: Resource, found: str) -> None:
    with pytest.raises(InvalidAnswer, match="Unexpected import"):
        thing.import_state(found)


def test_a_stored_state_is_upgraded(thing: Resource) -> None:
    stored = made(thing, size=12345678901234567890)
    old = thing.upgrade(stored.to_json(), 1, private=b"p")
    assert old["zone"] == "from version 1"
    assert (old.private, old["size"]) == (b"p", 12345678901234567890)
    same = thing.upgrade({"name": "a", "removed": 1}, 3)
    assert (same["name"], same["zone"]) == ("a", "from version 3")
    with pytest.raises(InvalidConfig, match="use a newer provider"):
        thing.upgrade({}, 4)
    with pytest.raises(InvalidConfig, match="no JSON"):
        thing.upgrade(b"{", 3)


def test_a_state_is_moved_from_another_type(thing: Resource) -> None:
    state = thing.move({"name": "a"}, provider="example.com/x/y", type_name="old")
    assert (state["name"], state["zone"]) == ("a", "from old")
    assert state.private == b"moved"


def test_a_call_that_the_provider_lacks_is_told(thing: Resource) -> None:
    with pytest.raises(NotSupported, match="no call GenerateResourceConfig"):
        thing.generate_config(made(thing))


# The other kinds


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
    assert not any("renew" in each.name for each in threading.enumerate())


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
