"""The host kit with a provider that breaks the rules when told to."""

import pickle
import threading
from dataclasses import replace

import pytest

from goplugin_py import ClientClosed, ConnectionLost
from goplugin_py.terraform import (
    UNKNOWN,
    Action,
    ApplyFailed,
    ApplyInterrupted,
    DiagnosticError,
    InvalidAnswer,
    InvalidConfig,
    Provider,
    ProviderWarning,
    Severity,
    UnknownName,
)
from goplugin_py.terraform.cty import NUMBER, Typed
from goplugin_py.terraform.resource import Resource
from tests.terraform.fake import launch, made

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


def test_a_provider_that_is_closed_in_an_apply_leaves_the_last_known_state() -> None:
    with launch() as provider:
        thing = provider.resource("fake_thing")
        state = made(thing)
        plan = thing.plan({"name": "deaf"}, state)
        closing = threading.Thread(target=provider.close)

        def close(_: float) -> None:
            if closing.ident is None:
                closing.start()

        with pytest.raises(ApplyInterrupted, match="was closed during Apply") as caught:
            plan.apply(progress=close, progress_interval=0.1)
        assert caught.value.state == state
        closing.join()
