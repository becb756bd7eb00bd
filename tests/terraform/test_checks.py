"""What a host refuses of a provider's plans and results, and names the attribute of."""

from typing import Any

import pytest

from goplugin_py.terraform.apply_check import result_problems
from goplugin_py.terraform.cty import (
    DYNAMIC,
    NUMBER,
    STRING,
    UNKNOWN,
    Bound,
    List,
    Map,
    Set,
    SetValue,
    Tuple,
    Typed,
    Unknown,
)
from goplugin_py.terraform.legacy import with_blocks
from goplugin_py.terraform.plan_check import plan_problems
from goplugin_py.terraform.schema import Block, Nesting
from goplugin_py.terraform.write_only import write_only_problems
from tests.terraform.schemas import attribute, block, blocks, nested

NAME = attribute("name")
ID = attribute("id", "computed")
SIZE = attribute("size", "optional computed", NUMBER)
INNER = (NAME, ID)

SCHEMA = block(
    NAME,
    ID,
    SIZE,
    attribute("secret", "optional sensitive"),
    attribute("password", "optional write_only"),
    nested("object", Nesting.SINGLE, *INNER),
    nested("objects", Nesting.LIST, *INNER),
    nested("named", Nesting.MAP, *INNER),
    nested("each", Nesting.SET, *INNER),
    blocks("rule", Nesting.LIST, *INNER),
    blocks("peer", Nesting.SET, *INNER),
    blocks("limit", Nesting.MAP, *INNER),
    blocks("boot", Nesting.SINGLE, *INNER),
    blocks("group", Nesting.GROUP, *INNER),
)
NOTHING = SCHEMA.empty


def thing(name: Any, given: Any = None) -> dict[str, Any]:
    return {"name": name, "id": given}


def planned_wrongly(prior: Any, config: Any, planned: Any) -> list[str]:
    """Return the places of the problems of a plan, all else being empty."""
    values = [None if v is None else NOTHING | v for v in (prior, config, planned)]
    return [str(each.path) for each in plan_problems(SCHEMA, *values)]


@pytest.mark.parametrize(
    ("prior", "config", "planned"),
    [
        ({}, {"name": "a"}, {"name": "a"}),
        ({"name": "A"}, {"name": "a"}, {"name": "A"}),
        ({}, {}, {"id": "1"}),
        ({}, {}, {"id": UNKNOWN, "size": UNKNOWN}),
        ({}, {"name": Unknown(prefix="a")}, {"name": UNKNOWN}),
        ({}, {"password": "p"}, {"password": None}),
        ({}, {"object": thing("a")}, {"object": thing("a", UNKNOWN)}),
        ({}, {"objects": [thing("a")]}, {"objects": [thing("a", "1")]}),
        ({}, {"named": {"k": thing("a")}}, {"named": {"k": thing("a", "1")}}),
        (
            {},
            {"each": SetValue([thing("a"), thing("b")])},
            {"each": SetValue([thing("a", UNKNOWN), thing("b", "1")])},
        ),
        ({}, {"rule": [thing("a")]}, {"rule": [thing("a", UNKNOWN)]}),
        ({}, {"rule": UNKNOWN}, {"rule": UNKNOWN}),
        ({}, {"peer": SetValue([thing("a")])}, {"peer": SetValue([thing("a", "1")])}),
        ({}, {"limit": {"k": thing("a")}}, {"limit": {"k": thing("a", "1")}}),
        ({}, {"boot": thing("a")}, {"boot": thing("a", "1")}),
        ({}, {}, {"group": thing(None, "1")}),
        ({"name": "a"}, None, None),
    ],
    ids=str,
)
def test_a_plan_may_fill_in_what_is_computed(
    prior: Any, config: Any, planned: Any
) -> None:
    """Terraform: `objchange.AssertPlanValid`."""
    assert planned_wrongly(prior, config, planned) == []


@pytest.mark.parametrize(
    ("prior", "config", "planned", "places"),
    [
        ({}, {"name": "a"}, {"name": "b"}, ["name"]),
        ({"name": "c"}, {"name": "a"}, {"name": "b"}, ["name"]),
        ({}, {}, {"name": "b"}, ["name"]),
        ({"name": "a"}, {}, {"name": "a"}, ["name"]),
        ({}, {"name": "a"}, {"name": UNKNOWN}, ["name"]),
        ({}, {"name": UNKNOWN}, {"name": "a"}, ["name"]),
        ({}, {"size": 1}, {"size": 2}, ["size"]),
        ({}, {"secret": "s"}, {"secret": "t"}, ["secret"]),
        ({}, {"password": "p"}, {"password": "q"}, ["password"]),
        ({}, {"object": thing("a")}, {"object": thing("b")}, ["object.name"]),
        ({}, {"object": thing("a")}, {"object": None}, ["object"]),
        ({}, {"object": thing("a")}, {"object": UNKNOWN}, ["object"]),
        ({}, {"objects": [thing("a")]}, {"objects": []}, ["objects"]),
        ({}, {"objects": UNKNOWN}, {"objects": []}, ["objects"]),
        (
            {},
            {"objects": [thing("a"), thing("b")]},
            {"objects": [thing("a"), thing("c")]},
            ["objects[1].name"],
        ),
        (
            {},
            {"named": {"k": thing("a")}},
            {"named": {"l": thing("a")}},
            ["named"],
        ),
        (
            {},
            {"named": {"k": thing("a")}},
            {"named": {"k": thing("b")}},
            ['named["k"].name'],
        ),
        ({}, {"each": SetValue([thing("a")])}, {"each": SetValue()}, ["each"]),
        ({}, {"rule": [thing("a")]}, {"rule": []}, ["rule"]),
        ({}, {"rule": [thing("a")]}, {"rule": None}, ["rule"]),
        ({}, {"rule": [thing("a")]}, {"rule": UNKNOWN}, ["rule"]),
        ({}, {"rule": [thing("a")]}, {"rule": [UNKNOWN]}, ["rule[0]"]),
        ({}, {"rule": UNKNOWN}, {"rule": []}, ["rule"]),
        ({}, {"rule": [thing("a")]}, {"rule": [thing("b")]}, ["rule[0].name"]),
        ({}, {"limit": {"k": thing("a")}}, {"limit": {"l": thing("a")}}, ["limit"]),
        ({}, {"peer": SetValue([thing("a")])}, {"peer": None}, ["peer"]),
        ({}, {"peer": SetValue()}, {"peer": SetValue([UNKNOWN])}, ["peer[0]"]),
        ({}, {"boot": thing("a")}, {"boot": None}, ["boot"]),
        ({}, {"boot": None}, {"boot": thing(None)}, ["boot"]),
        ({}, {"boot": thing("a")}, {"boot": UNKNOWN}, ["boot"]),
        ({}, {}, None, [""]),
        ({}, None, {}, [""]),
    ],
    ids=str,
)
def test_a_plan_that_breaks_the_rules_is_refused_with_the_place(
    prior: Any, config: Any, planned: Any, places: list[str]
) -> None:
    """Terraform: `objchange.AssertPlanValid`."""
    assert planned_wrongly(prior, config, planned) == places


def test_sensitive_values_stay_out_of_messages() -> None:
    planned, config = NOTHING | {"secret": "t0p"}, NOTHING | {"secret": "s3cret"}
    told = [*plan_problems(SCHEMA, None, config, planned)]
    told += plan_problems(SCHEMA, None, NOTHING, planned)
    told += result_problems(SCHEMA, planned, config)
    assert len(told) == 3
    assert not any(word in str(each) for each in told for word in ("t0p", "s3cret"))


def made_wrongly(schema: Block, planned: Any, actual: Any) -> list[str]:
    empty = schema.empty
    values = [None if value is None else empty | value for value in (planned, actual)]
    return [str(each.path) for each in result_problems(schema, *values)]


RESULTS = block(
    NAME,
    attribute("size", "computed", NUMBER),
    attribute("secret", "computed sensitive"),
    attribute("list", "computed", List(STRING)),
    attribute("map", "computed", Map(NUMBER)),
    attribute("set", "computed", Set(STRING)),
    attribute("tuple", "computed", Tuple([STRING, NUMBER])),
    attribute("any", "computed", DYNAMIC),
    nested("object", Nesting.SINGLE, *INNER),
    blocks("rule", Nesting.LIST, *INNER),
    blocks("peer", Nesting.SET, *INNER),
    blocks("limit", Nesting.MAP, *INNER),
    blocks("boot", Nesting.SINGLE, *INNER),
)


@pytest.mark.parametrize(
    ("planned", "actual"),
    [
        ({"size": UNKNOWN}, {"size": None}),
        ({"size": Unknown(lower=Bound(1))}, {"size": 2}),
        ({"any": UNKNOWN}, {"any": Typed(STRING, "a")}),
        ({"any": None}, {"any": Typed(STRING, "a")}),
        ({"any": Typed(STRING, UNKNOWN)}, {"any": Typed(STRING, "a")}),
        ({"list": ["a", UNKNOWN]}, {"list": ["a", "b"]}),
        ({"set": SetValue([UNKNOWN, "a"])}, {"set": SetValue(["a"])}),
        ({"object": thing("a", UNKNOWN)}, {"object": thing("a", "1")}),
        ({"rule": [thing("a", UNKNOWN)]}, {"rule": [thing("a", "1")]}),
        ({"rule": UNKNOWN}, {"rule": [thing("a"), thing("b")]}),
        (
            {"peer": SetValue([thing("a", UNKNOWN), thing("b", UNKNOWN)])},
            {"peer": SetValue([thing("a", "1"), thing("b", "1")])},
        ),
        ({"boot": UNKNOWN}, {"boot": None}),
        (None, None),
    ],
    ids=str,
)
def test_what_was_unknown_may_become_anything_that_fits(
    planned: Any, actual: Any
) -> None:
    """Terraform: `objchange.AssertObjectCompatible`."""
    assert made_wrongly(RESULTS, planned, actual) == []


@pytest.mark.parametrize(
    ("planned", "actual", "places"),
    [
        ({"name": "a"}, {"name": "b"}, ["name"]),
        ({"name": "a"}, {"name": None}, ["name"]),
        ({"name": None}, {"name": "a"}, ["name"]),
        ({"name": "a"}, {"name": UNKNOWN}, ["name"]),
        ({"secret": "a"}, {"secret": "b"}, ["secret"]),
        ({"size": Unknown(lower=Bound(1))}, {"size": 0}, ["size"]),
        ({"size": Unknown(is_not_null=True)}, {"size": None}, ["size"]),
        ({"list": ["a"]}, {"list": ["a", "b"]}, ["list"]),
        ({"list": ["a", UNKNOWN]}, {"list": ["b", "c"]}, ["list[0]"]),
        ({"map": {"a": 1}}, {"map": {"b": 1}}, ["map", "map"]),
        ({"map": {"a": 1}}, {"map": {"a": 2}}, ['map["a"]']),
        ({"set": SetValue(["a"])}, {"set": SetValue(["b"])}, ["set"]),
        ({"set": SetValue([UNKNOWN])}, {"set": SetValue(["a", "b"])}, ["set"]),
        ({"set": SetValue(["a"])}, {"set": SetValue(["a", "b"])}, ["set", "set"]),
        ({"tuple": ["a", 1]}, {"tuple": ["a", 2]}, ["tuple[1]"]),
        ({"any": Typed(STRING, "a")}, {"any": Typed(NUMBER, 1)}, ["any"]),
        ({"any": Typed(STRING, "a")}, {"any": Typed(STRING, "b")}, ["any"]),
        ({"any": Typed(STRING, "a")}, {"any": None}, ["any"]),
        ({"object": thing("a")}, {"object": thing("b")}, ["object.name"]),
        ({"object": thing("a")}, {"object": None}, ["object"]),
        ({"rule": [thing("a")]}, {"rule": []}, ["rule"]),
        ({"rule": [thing("a")]}, {"rule": [thing("b")]}, ["rule[0].name"]),
        ({"peer": SetValue([thing("a")])}, {"peer": SetValue()}, ["peer"]),
        ({"limit": {"k": thing("a")}}, {"limit": {"l": thing("a")}}, ["limit"]),
        (
            {"limit": {"k": thing("a")}},
            {"limit": {"k": thing("b")}},
            ['limit["k"].name'],
        ),
        ({"boot": thing("a")}, {"boot": None}, ["boot"]),
        ({"boot": thing("a")}, {"boot": UNKNOWN}, ["boot"]),
        ({}, None, [""]),
        (None, {}, [""]),
    ],
    ids=str,
)
def test_a_result_that_was_not_planned_is_refused_with_the_place(
    planned: Any, actual: Any, places: list[str]
) -> None:
    """Terraform: `objchange.AssertObjectCompatible`."""
    assert made_wrongly(RESULTS, planned, actual) == places


def test_write_only_values_in_an_answer_are_found_at_any_depth() -> None:
    hidden = attribute("hidden", "optional write_only")
    schema = block(
        hidden,
        nested("object", Nesting.SINGLE, hidden),
        nested("named", Nesting.MAP, hidden),
        blocks("rule", Nesting.LIST, nested("deep", Nesting.LIST, hidden)),
        blocks("peer", Nesting.SET, NAME),
    )
    some = {"hidden": "x"}
    value = {
        "hidden": "x",
        "object": some,
        "named": {"a": {"hidden": None}, "b": some, "c": None},
        "rule": [{"deep": None}, {"deep": [some]}],
        "peer": SetValue([{"name": "a"}]),
    }
    assert [str(each.path) for each in write_only_problems(schema, value)] == [
        "hidden",
        "object.hidden",
        'named["b"].hidden',
        "rule[1].deep[0].hidden",
    ]
    assert [*write_only_problems(schema, UNKNOWN)] == []


def test_blocks_of_the_first_sdk_are_made_what_they_should_be() -> None:
    """Terraform: `objchange.NormalizeObjectFromLegacySDK`."""
    value = dict.fromkeys(NOTHING) | {"rule": UNKNOWN, "peer": None, "boot": UNKNOWN}
    value |= {"limit": {}}
    fixed = with_blocks(SCHEMA, value)
    unknown = {"name": UNKNOWN, "id": UNKNOWN}
    assert fixed["rule"] == [unknown]
    assert fixed["peer"] == SetValue()
    assert fixed["boot"] == unknown
    assert fixed["group"] == thing(None)
    assert with_blocks(SCHEMA, None) is None
