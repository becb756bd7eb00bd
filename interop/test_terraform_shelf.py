"""The host kit with a Go provider of protocol 6 that has something of everything.

`go-fixtures/terraform-provider-shelf`, on HashiCorp's terraform-plugin-framework.
"""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

import pytest

from goplugin_py.terraform import (
    UNKNOWN,
    Action,
    ApplyFailed,
    DiagnosticError,
    FunctionFailed,
    InvalidConfig,
    Provider,
    ProviderWarning,
    State,
)
from goplugin_py.terraform.cty import SetValue, Unknown
from goplugin_py.terraform.resource import Resource
from goplugin_py.terraform.schema import Nesting
from interop.fixtures import binary
from interop.terraform_cases import FULL

pytestmark = pytest.mark.usefixtures("nothing_left")


@pytest.fixture
def shelf(nothing_left: object) -> Iterator[Provider]:
    with Provider.launch(binary("terraform-provider-shelf")) as provider:
        provider.configure({"owner": "Who"})
        yield provider


@pytest.fixture
def box(shelf: Provider) -> Resource:
    return shelf.resource("shelf_box")


def made(box: Resource, **config: object) -> State:
    state = box.plan({"name": "a", **config}).apply()
    assert state is not None
    return state


def test_everything_is_planned_and_made(shelf: Provider, box: Resource) -> None:
    """terraform-plugin-framework: nested attributes and blocks of each nesting."""
    assert shelf.protocol_version == 6
    plan = box.plan(FULL)
    assert plan["size"] == 1
    assert plan["secret"] is None
    assert plan["items"][1] == {"name": "j", "serial": UNKNOWN}
    assert plan["stamps"] == SetValue(
        [{"name": "s", "serial": UNKNOWN}, {"name": "t", "serial": UNKNOWN}]
    )
    state = plan.apply()
    assert state is not None
    serial = "made for box-1"
    assert state.to_python() == FULL | {
        "id": "box-1",
        "size": 1,
        "secret": None,
        "tags": ["x", "y"],
        "lock": {"name": "l", "serial": serial},
        "items": [{"name": n, "serial": serial} for n in "ij"],
        "parts": {"p": {"name": "q", "serial": serial}},
        "stamps": [{"name": n, "serial": serial} for n in "st"],
        "slot": [{"name": n, "serial": serial} for n in "no"],
        "side": [{"name": n, "serial": serial} for n in "bc"],
        "lid": {"colour": "red", "serial": serial},
    }
    assert state.identity == {"id": "box-1"}
    assert box.read(state) == state


def test_what_did_not_change_is_left_alone(box: Resource) -> None:
    """The proposed new state has all that was computed, in sets too."""
    state = made(box, **FULL)
    assert box.plan(FULL, state).action is Action.NO_OP
    change = FULL | {
        "items": [{"name": "i"}, {"name": "new"}],
        "stamps": [{"name": "t"}, {"name": "new"}],
        "lock": None,
    }
    plan = box.plan(change, state)
    assert plan.action is Action.UPDATE
    updated = plan.apply()
    assert updated is not None
    assert [each["name"] for each in updated["stamps"]] == ["new", "t"]
    assert box.plan(change, updated).action is Action.NO_OP


def test_a_name_is_for_good(box: Resource) -> None:
    """terraform-plugin-framework: `RequiresReplace`."""
    state = made(box)
    plan = box.plan({"name": "b"}, state)
    assert plan.action is Action.REPLACE
    assert [str(path) for path in plan.requires_replace] == ["name"]
    replaced = plan.apply()
    assert replaced is not None
    assert replaced["id"] != state["id"]
    assert box.read(state) is None


def test_refined_unknown_values_are_understood(box: Resource) -> None:
    """terraform-plugin-go: unknown values with refinements in a configuration."""
    config = {
        "name": Unknown(is_not_null=True, prefix="box-"),
        "labels": {"a": UNKNOWN},
        "content": UNKNOWN,
        "slot": UNKNOWN,
    }
    plan = box.plan(config)
    assert plan["slot"] == UNKNOWN
    state = plan.apply({"name": "box-a", "labels": {"a": "b"}, "slot": [{"name": "n"}]})
    assert state is not None
    assert state["name"] == "box-a"
    assert state["slot"][0]["serial"] == f"made for {state['id']}"


def test_numbers_of_any_size_come_back_as_they_were(box: Resource) -> None:
    for number in (Decimal("0.1"), 2**70, Decimal("1e-30"), 1.5, -(10**100)):
        state = made(box, weight=number)
        assert state["weight"] == number
        assert box.plan({"name": "a", "weight": number}, state).action is Action.NO_OP


def test_a_state_is_imported_upgraded_and_listed(
    shelf: Provider, box: Resource
) -> None:
    """terraform-plugin-framework: identities, state upgraders, list resources."""
    state = made(box, **FULL)
    for found in (
        box.import_state(state["id"]),
        box.import_state(identity={"id": state["id"]}),
    ):
        assert replace(found, private=state.private) == state
    again = box.upgrade(
        state.to_json(), 1, private=state.private, identity=state.identity
    )
    assert again == state
    assert box.upgrade({"name": "old"}, 0)["name"] == "upgraded"
    boxes = shelf.list_resource("shelf_box")
    [listed] = boxes.list({"prefix": "b"}, with_states=True)
    assert listed.display_name == f"the box {state['id']}"
    assert listed.identity == state.identity
    assert listed.state is not None
    assert listed.state.value == state.value


def test_a_box_that_broke_is_kept_as_tainted(box: Resource) -> None:
    with pytest.raises(ApplyFailed, match=r"^name: Broken box\nIt fell\.") as caught:
        box.plan({"name": "broken"}).apply()
    state = caught.value.state
    assert state is not None
    assert state.is_tainted
    assert box.plan({"name": "broken"}, state).action is Action.REPLACE
    box.destroy(state)
    assert box.read(state) is None


def test_bad_configurations_are_told_by_the_host(box: Resource) -> None:
    with pytest.raises(InvalidConfig) as caught:
        box.plan({"items": [{"nam": "i"}], "slot": [{}], "tags": [1], "lid": []})
    places = [str(each.path) for each in caught.value.diagnostics]
    assert sorted(places) == [
        "items[0].nam",
        "items[0].name",
        "lid",
        "name",
        "slot[0].name",
        "tags[0]",
    ]


def test_the_schema_is_typed(shelf: Provider) -> None:
    block = shelf.schema.resources["shelf_box"].block
    stamps, slot = block.attributes["stamps"], block.blocks["slot"]
    assert stamps.nested_type is not None
    assert stamps.nested_type.nesting is Nesting.SET
    assert slot.nesting is Nesting.LIST
    assert block.attributes["code"].is_sensitive
    assert block.attributes["secret"].is_write_only
    assert shelf.schema.identities["shelf_box"].attributes["id"].is_required_for_import


def test_a_data_source_and_a_function_answer(shelf: Provider) -> None:
    assert shelf.data_source("shelf_owner").read({"title": "Dr."})["name"] == "Dr. Who"
    describe = shelf.function("describe")
    assert describe(Decimal("0.1"), "and", "more") == "0.1 and more"
    with pytest.raises(FunctionFailed, match="no negative size") as caught:
        describe(-1)
    assert caught.value.argument == 0


def test_an_ephemeral_resource_is_renewed_and_closed(shelf: Provider) -> None:
    """It wants to be renewed at once; `renew` waits for a renewal under way."""
    opened = shelf.ephemeral_resource("shelf_key").open({"box": "old"})
    assert opened["teeth"] == "of old"
    opened.renew()
    with pytest.warns(ProviderWarning, match="Key thrown away\nrenewed: true"):
        opened.close()


def test_an_action_tells_its_progress(shelf: Provider) -> None:
    dust = shelf.action("shelf_dust")
    assert list(dust.invoke({"times": 2})) == ["dusting"] * 2
    with pytest.raises(DiagnosticError, match=r"^times: Too clean"):
        list(dust.invoke({"times": 3}))
