"""Configurations, which are checked against the schema before any call."""

from typing import Any

import pytest

from goplugin_py.terraform import UNKNOWN, InvalidConfig
from goplugin_py.terraform.configuration import configured
from goplugin_py.terraform.cty import DYNAMIC, NUMBER, STRING, Map, SetValue, Typed
from goplugin_py.terraform.schema import Nesting
from tests.terraform.schemas import attribute, block, blocks, nested

RULE = (attribute("port", "required", NUMBER), attribute("note"))
SERVER = block(
    attribute("name", "required"),
    attribute("size", "optional computed", NUMBER),
    attribute("id", "computed"),
    attribute("tags", kind=Map(STRING)),
    attribute("any", kind=DYNAMIC),
    nested("disk", Nesting.SINGLE, attribute("path", "required"), attribute("label")),
    nested("disks", Nesting.MAP, attribute("path", "required")),
    nested("zones", Nesting.SET, attribute("zone")),
    blocks("rule", Nesting.LIST, *RULE, max_items=2),
    blocks("peer", Nesting.SET, attribute("host", "required")),
    blocks("limit", Nesting.MAP, attribute("value", kind=NUMBER)),
    blocks("boot", Nesting.SINGLE, attribute("image", "required")),
    blocks("defaults", Nesting.GROUP, attribute("colour")),
)


def test_what_is_left_out_is_null_or_empty() -> None:
    """Terraform: `configschema.Block.EmptyValue`."""
    assert configured(SERVER, {"name": "a"}) == {
        **dict.fromkeys(["size", "id", "tags", "any", "disk", "disks", "zones"]),
        "name": "a",
        "rule": [],
        "peer": SetValue(),
        "limit": {},
        "boot": None,
        "defaults": {"colour": None},
    }
    assert SERVER.empty["rule"] == []
    assert SERVER.empty["defaults"] == {"colour": None}


def test_a_whole_configuration_becomes_a_value() -> None:
    value = configured(
        SERVER,
        {
            "name": UNKNOWN,
            "tags": {"a": "b"},
            "any": 1,
            "disk": {"path": "/dev/a"},
            "disks": {"root": {"path": "/"}},
            "zones": [{"zone": "b"}, {"zone": "a"}, {"zone": "b"}],
            "rule": [{"port": 1}, {"port": UNKNOWN, "note": "x"}],
            "peer": [{"host": "h"}],
            "limit": {"cpu": {"value": 0.5}},
            "boot": {"image": "i"},
            "defaults": UNKNOWN,
        },
    )
    assert value["any"] == Typed(NUMBER, 1)
    assert value["disk"] == {"path": "/dev/a", "label": None}
    assert value["zones"] == SetValue([{"zone": "a"}, {"zone": "b"}])
    assert value["rule"][0] == {"port": 1, "note": None}
    assert value["rule"][1]["port"] == UNKNOWN
    assert value["limit"] == {"cpu": {"value": 0.5}}
    assert value["defaults"] == UNKNOWN


@pytest.mark.parametrize(
    ("change", "place", "summary"),
    [
        ({"name": None}, "name", "Missing required argument"),
        ({"nmae": "a"}, "nmae", "Unsupported argument"),
        ({"name": 5}, "name", "Incorrect attribute value type"),
        ({"id": "i-1"}, "id", "Value for a read-only attribute"),
        ({"tags": {"a": 1}}, 'tags["a"]', "Incorrect attribute value type"),
        ({"size": True}, "size", "Incorrect attribute value type"),
        ({"disk": {}}, "disk.path", "Missing required argument"),
        ({"disk": []}, "disk", "Incorrect attribute value type"),
        ({"disks": {"a": {}}}, 'disks["a"].path', "Missing required argument"),
        ({"disks": {"a": 1}}, 'disks["a"]', "Incorrect attribute value type"),
        ({"zones": {}}, "zones", "Incorrect attribute value type"),
        ({"zones": [{"x": 1}]}, "zones[0].x", "Unsupported argument"),
        ({"rule": [{"port": 1}, {}]}, "rule[1].port", "Missing required argument"),
        ({"rule": {"port": 1}}, "rule", "Incorrect attribute value type"),
        ({"rule": [{"port": 1}] * 3}, "rule", "Too many rule blocks"),
        ({"limit": []}, "limit", "Incorrect attribute value type"),
        ({"boot": []}, "boot", "Incorrect attribute value type"),
        ({"boot": {}}, "boot.image", "Missing required argument"),
        ({"defaults": {"color": "x"}}, "defaults.color", "Unsupported argument"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_a_diagnostic_with_its_place(
    change: dict[str, Any], place: str, summary: str
) -> None:
    with pytest.raises(InvalidConfig) as caught:
        configured(SERVER, {"name": "a"} | change)
    assert str(caught.value.path) == place
    assert caught.value.summary == summary
    assert caught.value.detail
    assert str(caught.value).startswith(f"{place}: {summary}\n")


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(InvalidConfig) as caught:
        configured(SERVER, {"x": 1, "rule": [{}]})
    places = {str(each.path) for each in caught.value.diagnostics}
    assert places == {"x", "name", "rule[0].port"}


def test_the_least_number_of_blocks_is_checked() -> None:
    schema = block(blocks("rule", Nesting.LIST, *RULE, min_items=1))
    with pytest.raises(InvalidConfig, match="Insufficient rule blocks"):
        configured(schema, {})
    single = block(blocks("boot", Nesting.SINGLE, *RULE, min_items=1, max_items=1))
    with pytest.raises(InvalidConfig, match="Insufficient boot blocks"):
        configured(single, {})
    assert configured(schema, {"rule": UNKNOWN}) == {"rule": UNKNOWN}
