"""The proposed new state, case by case."""

from typing import Any

import pytest

from goplugin_py.terraform.cty import (
    DYNAMIC,
    NUMBER,
    STRING,
    UNKNOWN,
    List,
    SetValue,
    Unknown,
)
from goplugin_py.terraform.proposed import proposed_new, unknown_where_computed
from goplugin_py.terraform.schema import Attribute, Block, NestedBlock, Nesting
from tests.terraform.schemas import attribute, block, blocks, nested

NAME = attribute("name")
ID = attribute("id", "computed")
SIZE = attribute("size", "optional computed", NUMBER)

SIMPLE = block(NAME, ID, SIZE)


@pytest.mark.parametrize(
    ("prior", "config", "proposed"),
    [
        (None, None, None),
        (
            None,
            {"name": "a", "id": None, "size": None},
            {"name": "a", "id": None, "size": None},
        ),
        (
            {"name": "a", "id": "1", "size": 5},
            {"name": "b", "id": None, "size": None},
            {"name": "b", "id": "1", "size": 5},
        ),
        (
            {"name": "a", "id": "1", "size": 5},
            {"name": None, "id": None, "size": 6},
            {"name": None, "id": "1", "size": 6},
        ),
        (
            {"name": "a", "id": "1", "size": 5},
            {"name": UNKNOWN, "id": None, "size": UNKNOWN},
            {"name": UNKNOWN, "id": "1", "size": UNKNOWN},
        ),
        (
            {"name": "a", "id": "1", "size": 5},
            None,
            {"name": "a", "id": "1", "size": 5},
        ),
    ],
    ids=["nothing", "create", "update", "unset", "unknown", "destroy"],
)
def test_what_is_computed_stays_and_what_is_configured_wins(
    prior: Any, config: Any, proposed: Any
) -> None:
    """Terraform: `objchange.ProposedNew`."""
    assert proposed_new(SIMPLE, prior, config) == proposed


def of(schema: Block, part: Any, then: Any) -> Any:
    """Propose for the only part of a schema."""
    [name] = [*schema.attributes, *schema.blocks]
    proposed = proposed_new(schema, {name: part}, {name: then})
    return proposed[name]


def thing(name: Any, given: Any = None) -> dict[str, Any]:
    return {"name": name, "id": given}


SEVERAL = {
    Nesting.LIST: [
        blocks("x", Nesting.LIST, NAME, ID),
        nested("x", Nesting.LIST, NAME, ID),
    ],
    Nesting.MAP: [
        blocks("x", Nesting.MAP, NAME, ID),
        nested("x", Nesting.MAP, NAME, ID),
    ],
    Nesting.SET: [
        blocks("x", Nesting.SET, NAME, ID),
        nested("x", Nesting.SET, NAME, ID),
    ],
}


@pytest.mark.parametrize("part", SEVERAL[Nesting.LIST], ids=["blocks", "objects"])
def test_the_elements_of_a_list_are_paired_by_position(
    part: Attribute | NestedBlock,
) -> None:
    schema = block(part)
    prior = [thing("a", "1"), thing("b", "2")]
    assert of(schema, prior, [thing("b"), thing("a"), thing("c")]) == [
        thing("b", "1"),
        thing("a", "2"),
        thing("c"),
    ]
    assert of(schema, prior, []) == []
    assert of(schema, prior, UNKNOWN) == UNKNOWN
    assert of(schema, None, [thing("a")]) == [thing("a")]


@pytest.mark.parametrize("part", SEVERAL[Nesting.MAP], ids=["blocks", "objects"])
def test_the_elements_of_a_map_are_paired_by_key(part: Attribute | NestedBlock) -> None:
    schema = block(part)
    prior = {"p": thing("a", "1"), "q": thing("b", "2")}
    config = {"q": thing("c"), "r": thing("d")}
    assert of(schema, prior, config) == {"q": thing("c", "2"), "r": thing("d")}


@pytest.mark.parametrize("part", SEVERAL[Nesting.SET], ids=["blocks", "objects"])
def test_the_elements_of_a_set_are_paired_by_what_is_configured(
    part: Attribute | NestedBlock,
) -> None:
    """Terraform: `objchange.validPriorFromConfig`."""
    schema = block(part)
    prior = SetValue([thing("a", "1"), thing("b", "2")])
    config = SetValue([thing("b"), thing("c"), thing(UNKNOWN)])
    expected = SetValue([thing("b", "2"), thing("c"), thing(UNKNOWN)])
    assert of(schema, prior, config) == expected


def test_each_prior_element_of_a_set_is_used_once() -> None:
    schema = block(blocks("x", Nesting.SET, SIZE, ID))
    prior = SetValue([{"size": 1, "id": "1"}, {"size": 2, "id": "2"}])
    config = SetValue([{"size": None, "id": None}, {"size": 2, "id": None}])
    assert of(schema, prior, config) == SetValue(
        [{"size": 1, "id": "1"}, {"size": 2, "id": "2"}]
    )


@pytest.mark.parametrize(
    ("inner_prior", "inner_config", "is_paired"),
    [
        ({"name": "a", "id": "1"}, {"name": "a", "id": None}, True),
        ({"name": "a", "id": "1"}, {"name": "b", "id": None}, False),
        ({"name": "a", "id": "1"}, None, False),
        (None, {"name": "a", "id": None}, True),
    ],
)
def test_objects_inside_of_a_sets_elements_count_as_well(
    inner_prior: Any, inner_config: Any, is_paired: bool
) -> None:
    inner = nested("inner", Nesting.SINGLE, NAME, ID)
    schema = block(blocks("x", Nesting.SET, inner, ID))
    prior = SetValue([{"inner": inner_prior, "id": "9"}])
    [proposed] = of(schema, prior, SetValue([{"inner": inner_config, "id": None}]))
    assert (proposed["id"] == "9") is is_paired


@pytest.mark.parametrize(
    ("inner_prior", "inner_config", "is_paired"),
    [
        ([], [thing("a")], True),
        ([thing("a", "1")], [thing("a")], True),
        ([thing("a", "1"), thing("b", "1")], [thing("a")], False),
        ([thing("a", "1")], [thing("b")], False),
    ],
)
def test_blocks_inside_of_a_sets_elements_count_as_well(
    inner_prior: Any, inner_config: Any, is_paired: bool
) -> None:
    schema = block(
        blocks("x", Nesting.SET, blocks("inner", Nesting.LIST, NAME, ID), ID)
    )
    prior = SetValue([{"inner": inner_prior, "id": "9"}])
    [proposed] = of(schema, prior, SetValue([{"inner": inner_config, "id": None}]))
    assert (proposed["id"] == "9") is is_paired


def test_a_single_block_is_the_configured_one() -> None:
    schema = block(blocks("x", Nesting.SINGLE, NAME, ID))
    assert of(schema, thing("a", "1"), thing("b")) == thing("b", "1")
    assert of(schema, thing("a", "1"), None) is None
    assert of(schema, None, thing("b")) == thing("b")


def test_a_group_keeps_what_is_computed_in_it() -> None:
    schema = block(blocks("x", Nesting.GROUP, NAME, ID))
    assert of(schema, thing("a", "1"), thing(None)) == thing(None, "1")


def test_a_nested_object_keeps_what_is_computed_in_it() -> None:
    schema = block(nested("x", Nesting.SINGLE, NAME, ID))
    assert of(schema, thing("a", "1"), thing("b")) == thing("b", "1")
    assert of(schema, thing("a", "1"), None) is None


@pytest.mark.parametrize(
    ("prior", "proposed"),
    [(thing(None, "1"), thing(None, "1")), (thing("a", "1"), None), (UNKNOWN, UNKNOWN)],
    ids=["computed", "was configured", "unknown"],
)
def test_an_object_that_was_configured_can_be_removed(
    prior: Any, proposed: Any
) -> None:
    """Terraform: `objchange.optionalValueNotComputable`."""
    schema = block(nested("x", Nesting.SINGLE, NAME, ID, flags="optional computed"))
    assert of(schema, prior, None) == proposed


def test_what_was_configured_is_found_at_any_depth() -> None:
    inner = nested("inner", Nesting.LIST, NAME, ID, flags="optional computed")
    schema = block(nested("x", Nesting.MAP, inner, flags="optional computed"))
    assert of(schema, {"k": {"inner": [thing("a")]}}, None) is None
    kept = {"k": {"inner": [thing(None, "1"), None]}}
    assert of(schema, kept, None) == kept


def test_what_a_provider_will_compute_is_unknown_before_it_is_asked() -> None:
    """Terraform: `objchange.PlannedUnknownObject`."""
    schema = block(
        NAME,
        ID,
        blocks("several", Nesting.LIST, NAME, ID),
        blocks("single", Nesting.SINGLE, NAME, ID),
        nested("object", Nesting.SINGLE, NAME, ID),
        attribute("any", "computed", DYNAMIC),
        attribute("list", "computed", List(STRING)),
    )
    config = {
        "name": Unknown(is_not_null=True),
        "id": None,
        "several": [thing("a")],
        "single": None,
        "object": thing("b"),
        "any": None,
        "list": ["x"],
    }
    assert unknown_where_computed(schema, config) == {
        "name": Unknown(is_not_null=True),
        "id": UNKNOWN,
        "several": [thing("a", UNKNOWN)],
        "single": None,
        "object": thing("b", UNKNOWN),
        "any": UNKNOWN,
        "list": ["x"],
    }
