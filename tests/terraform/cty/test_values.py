"""Values and Python, paths, and what unknown values admit."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given

from goplugin_py.terraform import cty
from goplugin_py.terraform.cty import (
    DYNAMIC,
    NUMBER,
    STRING,
    UNKNOWN,
    Bound,
    CtyError,
    List,
    Map,
    Object,
    Path,
    Set,
    SetValue,
    Tuple,
    Type,
    Typed,
    Unknown,
)
from tests.terraform.strategies import typed_values

DISK = Object({"name": STRING, "size": NUMBER}, optional=["size"])
VM = Object({"disks": List(DISK), "tags": Map(STRING), "zones": Set(STRING)})


def test_python_becomes_a_value_with_what_is_optional_filled_in() -> None:
    value = cty.from_python(
        {"disks": ({"name": "e\u0301"},), "tags": {}, "zones": {"b", "a"}}, VM
    )
    assert value == {
        "disks": [{"name": "é", "size": None}],
        "tags": {},
        "zones": SetValue(["a", "b"]),
    }


def test_a_float_of_python_is_the_decimal_that_was_written() -> None:
    """HCL's `0.1` is one tenth, and a provider echoes it as that."""
    assert cty.from_python(0.1, NUMBER) == Decimal("0.1")
    assert (
        cty.encode(cty.from_python(1.5, NUMBER), NUMBER).hex() == "cb3ff8000000000000"
    )


def test_a_dynamic_value_takes_its_type_from_python() -> None:
    """As a literal of HCL: brackets make tuples, braces objects."""
    value = cty.from_python({"a": [1, "x", None], "b": True}, DYNAMIC)
    assert value.type == Object({"a": Tuple([NUMBER, STRING, DYNAMIC]), "b": cty.BOOL})
    assert cty.to_python(value) == {"a": [1, "x", None], "b": True}
    with pytest.raises(CtyError, match="pass Typed"):
        cty.from_python({1, 2}, DYNAMIC)


@given(typed_values())
def test_a_value_is_its_own_python(pair: tuple[Type, Any]) -> None:
    kind, value = pair
    data = cty.encode(value, kind)
    value = cty.decode(data, kind)
    assert cty.encode(cty.from_python(value, kind), kind) == data or has_float(value)


def has_float(value: Any) -> bool:
    found = []
    cty.transform(value, lambda each: found.append(isinstance(each, float)))
    return any(found)


@pytest.mark.parametrize(
    ("value", "place", "problem"),
    [
        ({"disks": [], "tags": {}}, "zones", "missing"),
        ({"disks": [], "tags": {}, "zones": [], "x": 1}, "x", "no such attribute"),
        ({"disks": [{}], "tags": {}, "zones": []}, "disks[0].name", "missing"),
        ({"disks": "ab", "tags": {}, "zones": []}, "disks", "this is a string"),
        ({"disks": [], "tags": {"a": 1}, "zones": []}, 'tags["a"]', "this is a number"),
        ({"disks": [], "tags": {1: "a"}, "zones": []}, "tags", "are strings"),
        ({"disks": [], "tags": {}, "zones": ["\ud800"]}, "zones[0]", "surrogates"),
        (5, "", "object required"),
    ],
)
def test_python_that_does_not_fit_is_refused_with_its_place(
    value: object, place: str, problem: str
) -> None:
    with pytest.raises(CtyError, match=problem) as caught:
        cty.from_python(value, VM)
    assert str(caught.value.path) == place


def test_a_path_reads_as_in_a_configuration() -> None:
    path = Path().attribute("rule").element(0).attribute("tags").element("a b")
    assert str(path) == 'rule[0].tags["a b"]'
    value = {"rule": [{"tags": Typed(Map(STRING), {"a b": "x"})}]}
    assert cty.follow(value, path) == "x"
    assert cty.follow({"rule": UNKNOWN}, path) == UNKNOWN
    with pytest.raises(CtyError, match=r"^rule\[0\]: the path leads nowhere"):
        cty.follow({"rule": []}, path)


def test_unknown_parts_are_found_and_removed() -> None:
    value = {
        "disks": [{"name": "a", "size": Unknown(is_not_null=True)}],
        "tags": {"k": UNKNOWN},
        "zones": SetValue(["a"]),
    }
    assert [str(path) for path in cty.unknown_paths(value, VM)] == [
        "disks[0].size",
        'tags["k"]',
    ]
    assert not cty.is_wholly_known(value)
    known = cty.without_unknown(value)
    assert cty.is_wholly_known(known)
    assert known["tags"] == {"k": None}
    assert cty.without_refinements(value)["disks"][0]["size"] == UNKNOWN


@pytest.mark.parametrize(
    ("unknown", "admitted", "refused"),
    [
        (Unknown(is_not_null=True), "", None),
        (Unknown(prefix="ami-"), "ami-1", "i-1"),
        (Unknown(lower=Bound(1)), 1, 0),
        (Unknown(lower=Bound(1, is_inclusive=False)), Decimal("1.1"), 1),
        (Unknown(upper=Bound(1)), 1, 2),
        (Unknown(upper=Bound(1, is_inclusive=False)), 0.5, 1),
        (Unknown(min_length=1, max_length=2), ["a"], []),
        (Unknown(max_length=1), {}, {"a": 1, "b": 2}),
        (Unknown(min_length=2), SetValue([UNKNOWN, "a"]), SetValue(["a"])),
        (Unknown(max_length=1), SetValue([UNKNOWN, "a"]), SetValue(["a", "b"])),
    ],
    ids=str,
)
def test_refinements_tell_what_a_value_may_become(
    unknown: Unknown, admitted: object, refused: object
) -> None:
    """go-cty: `ValueRange.Includes`."""
    assert unknown.admits(admitted)
    assert not unknown.admits(refused)
    assert unknown.admits(UNKNOWN)
    assert Unknown().admits(None)


def test_types_describe_themselves() -> None:
    assert str(Map(List(NUMBER))) == "map of list of number"
    assert str(Tuple([STRING])) == "tuple of 1"
    assert repr(UNKNOWN) == "Unknown()"
    assert DISK.without_optional() != DISK
    with pytest.raises(CtyError, match="no attribute 'y'"):
        Object({"x": STRING}, optional=["y"])
