"""A provider in Python answers as the same one in Go on terraform-plugin-framework.

Both are driven by the host kit: go-fixtures/terraform-provider-shelf, and its twin in
tests/terraform/serving/shelf.py.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from goplugin_py.terraform import (
    UNKNOWN,
    DiagnosticError,
    Provider,
    ProviderWarning,
    State,
)
from goplugin_py.terraform.cty import Unknown, without_refinements
from interop.fixtures import binary
from interop.terraform_cases import FULL
from tests.peers import ROOT

pytestmark = pytest.mark.usefixtures("nothing_left")

TWIN = ROOT / "tests" / "terraform" / "serving" / "shelf.py"
NEW_PART = {"name": "new"}

# Each row is the life of a box: one configuration after the other.
LIVES: dict[str, list[dict[str, Any]]] = {
    "nothing changes": [FULL, FULL],
    "parts come and go": [
        FULL,
        FULL | {"items": [{"name": "i"}, NEW_PART], "lock": None},
        FULL | {"stamps": [{"name": "t"}, NEW_PART], "parts": {"p": NEW_PART}},
        FULL | {"slot": [NEW_PART], "side": [{"name": "c"}, NEW_PART], "lid": None},
    ],
    "all is removed": [FULL, {"name": "a"}, FULL],
    "a default is overridden and comes back": [
        {"name": "a"},
        {"name": "a", "size": 2},
        {"name": "a"},
    ],
    "only what is write-only changes": [FULL, FULL | {"secret": "other"}],
    "a new name replaces the box": [FULL, FULL | {"name": "b"}],
    "dynamic content changes its type": [FULL, FULL | {"content": "text"}],
    "numbers of any size": [
        {"name": "a", "weight": 2**70},
        {"name": "a", "weight": Decimal("1e-30")},
        {"name": "a", "weight": 1.5},
    ],
}


@pytest.fixture
def in_go(nothing_left: object) -> Iterator[Provider]:
    with Provider.launch(binary("terraform-provider-shelf")) as provider:
        provider.configure({"owner": "Who"})
        yield provider


@pytest.fixture
def in_python(nothing_left: object) -> Iterator[Provider]:
    environ = {"PYTHONPATH": str(ROOT)}
    with Provider.launch(sys.executable, str(TWIN), env=environ) as provider:
        provider.configure({"owner": "Who"})
        yield provider


def test_the_schemas_are_the_same(in_go: Provider, in_python: Provider) -> None:
    """Lists, actions and moves are not part of the twin."""
    theirs = replace(
        in_go.schema,
        list_resources={},
        actions={},
        capabilities=replace(in_go.schema.capabilities, move_resource_state=False),
    )
    assert in_python.schema == theirs


@pytest.mark.parametrize("life", LIVES.values(), ids=LIVES)
def test_plans_and_states_are_the_same(
    life: list[dict[str, Any]], in_go: Provider, in_python: Provider
) -> None:
    """terraform-plugin-framework: `fwserver`, PlanResourceChange and Apply."""
    mine: State | None = None
    theirs: State | None = None
    for config in life:
        plan = in_python.resource("shelf_box").plan(config, mine)
        wanted = in_go.resource("shelf_box").plan(config, theirs)
        assert plan.action is wanted.action
        assert plan.planned == wanted.planned
        assert set(plan.requires_replace) == set(wanted.requires_replace)
        mine, theirs = plan.apply(), wanted.apply()
        assert mine is not None
        assert theirs is not None
        assert mine.value == theirs.value
        assert mine.identity == theirs.identity


def test_unknown_values_are_planned_the_same(
    in_go: Provider, in_python: Provider
) -> None:
    config = {
        "name": Unknown(is_not_null=True, prefix="box-"),
        "size": UNKNOWN,
        "labels": {"a": UNKNOWN},
        "content": UNKNOWN,
        "items": UNKNOWN,
        "slot": UNKNOWN,
        "lid": {"colour": UNKNOWN},
        "stamps": [{"name": UNKNOWN}, {"name": "t"}],
    }
    known: dict[str, Any] = {
        "name": "box-a",
        "labels": {"a": "b"},
        "slot": [{"name": "n"}],
    }
    known |= {"size": 3, "lid": {}, "stamps": [{"name": "s"}, {"name": "t"}]}
    values = []
    for provider in (in_go, in_python):
        plan = provider.resource("shelf_box").plan(config)
        state = plan.apply(known)
        assert state is not None
        # What the configuration knows of a name the Python provider keeps.
        values.append((without_refinements(plan.planned), state.value))
    assert values[1] == values[0]


def _imported(provider: Provider) -> Any:
    box = provider.resource("shelf_box")
    state = box.plan(FULL).apply()
    assert state is not None
    by_id, by_identity = (
        box.import_state(state["id"]),
        box.import_state(identity={"id": state["id"]}),
    )
    assert by_id.value == by_identity.value == state.value
    return by_identity.identity


def _upgraded(provider: Provider) -> Any:
    box = provider.resource("shelf_box")
    return box.upgrade({"name": "old"}, 0).value


def _kept(provider: Provider) -> Any:
    box = provider.resource("shelf_box")
    state = box.plan(FULL).apply()
    assert state is not None
    return box.upgrade(state.to_json(), 1).value


def _read(provider: Provider) -> Any:
    return provider.data_source("shelf_owner").read({"title": "Mr"}).value


def _described(provider: Provider) -> Any:
    return provider.function("describe")(Decimal("1.5"), "big", "red")


def _opened(provider: Provider) -> Any:
    with (
        pytest.warns(ProviderWarning, match="renewed: false"),
        provider.ephemeral_resource("shelf_key").open({"box": "b"}) as key,
    ):
        return dict(key)


ANSWERS: dict[str, Callable[[Provider], Any]] = {
    "an import": _imported,
    "an upgrade": _upgraded,
    "an upgrade of the same version": _kept,
    "a data source": _read,
    "a function": _described,
    "an ephemeral resource": _opened,
}


@pytest.mark.parametrize("ask", ANSWERS.values(), ids=ANSWERS)
def test_answers_are_the_same(
    ask: Callable[[Provider], Any], in_go: Provider, in_python: Provider
) -> None:
    assert ask(in_python) == ask(in_go)


def _apply_broken(provider: Provider) -> None:
    provider.resource("shelf_box").plan({"name": "broken"}).apply()


def _describe_a_debt(provider: Provider) -> None:
    provider.function("describe")(-1)


ERRORS: dict[str, Callable[[Provider], None]] = {
    "half of an apply": _apply_broken,
    "an argument of a function": _describe_a_debt,
}


@pytest.mark.parametrize("ask", ERRORS.values(), ids=ERRORS)
def test_errors_are_the_same(
    ask: Callable[[Provider], None], in_go: Provider, in_python: Provider
) -> None:
    told = []
    for provider in (in_go, in_python):
        with pytest.raises(DiagnosticError) as caught:
            ask(provider)
        state = getattr(caught.value, "state", None)
        told.append((caught.value.diagnostics, state and state.value))
    assert told[1] == told[0]
