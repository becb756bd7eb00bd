"""Values in msgpack: what comes back, and what is refused."""

import sys
from decimal import Decimal
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from goplugin_py.terraform import cty
from goplugin_py.terraform.cty import (
    BOOL,
    DYNAMIC,
    NUMBER,
    STRING,
    UNKNOWN,
    CtyError,
    List,
    Map,
    Object,
    Set,
    SetValue,
    Tuple,
    Type,
    Typed,
    Unknown,
)
from tests.terraform.strategies import typed_values, types

DISK = Object({"name": STRING, "size": NUMBER})
VM = Object({"disks": List(DISK), "tags": Map(STRING), "zones": Set(STRING)})


@given(typed_values())
def test_a_value_comes_back_as_it_was(pair: tuple[Type, Any]) -> None:
    """Whatever the type; text and names come back in their NFC form."""
    kind, value = pair
    data = cty.encode(value, kind)
    again = cty.decode(data, kind)
    assert cty.encode(again, kind) == data
    assert cty.decode(cty.encode(again, kind), kind) == again


@given(typed_values(known=True))
def test_a_known_value_comes_back_from_json(pair: tuple[Type, Any]) -> None:
    kind, value = pair
    text = cty.to_json(value, kind)
    assert cty.to_json(cty.from_json(text, kind), kind) == text


@given(types())
def test_a_type_comes_back_from_json(kind: Type) -> None:
    assert cty.type_from_json(cty.type_to_json(kind)) == kind
    assert hash(cty.type_from_json(cty.type_to_json(kind))) == hash(kind)


def test_encoding_leaves_the_value_alone() -> None:
    disks = [{"size": Decimal("0.1"), "name": "e\u0301"}]
    value = {"zones": SetValue("a"), "disks": disks, "tags": {"b": "1", "a": UNKNOWN}}
    before = repr(value)
    cty.encode(value, VM)
    assert repr(value) == before


@pytest.mark.parametrize(
    ("numbers", "wire"),
    [
        ([1, 0.5], [1, 0.5]),
        ([1, 0.5, None, Decimal("0.1")], [1, 0.5, None, "0.1"]),
        ([0.5, 2.0], [0.5, 2]),
        ([0.5, float("inf"), -float("inf")], [0.5, float("inf"), -float("inf")]),
        ([0.5, 1e308, 1e308], [0.5, "1" + 308 * "0", "1" + 308 * "0"]),
        ([1, 2**63, -(2**63) - 1], [1, str(2**63), str(-(2**63) - 1)]),
    ],
    ids=["fractions", "all kinds", "whole", "infinite", "huge", "beyond 64 bits"],
)
def test_numbers_side_by_side_are_written_as_they_are_alone(
    numbers: list[Any], wire: list[Any]
) -> None:
    """What is looked at all at once must not slip through."""
    data = cty.encode(numbers, List(NUMBER))
    assert msgpack.unpackb(data) == wire
    assert data == msgpack.packb(
        [msgpack.unpackb(cty.encode(each, NUMBER)) for each in numbers]
    )


@pytest.mark.parametrize("wrong", [True, "1", float("nan")], ids=repr)
def test_no_number_hides_between_numbers(wrong: object) -> None:
    for numbers in ([1, 2, wrong], [0.5, 1.5, wrong], [1, 0.5, None, wrong]):
        with pytest.raises(CtyError, match=r"^\[\d\]: .*number required"):
            cty.encode(numbers, List(NUMBER))


def test_objects_are_written_in_the_order_of_their_type() -> None:
    """However their keys are split, in one row of objects."""
    mixed = [{"size": 1, "name": "a"}, {"name": "b", "size": 2}]
    data = cty.encode(mixed, List(DISK))
    assert list(msgpack.unpackb(data)[0]) == ["name", "size"]
    for objects in (
        [{"name": "a"}, {"size": 1}],
        [{"name": "a", "size": 1}, {"name": "b"}, {"size": 2}],
    ):
        with pytest.raises(CtyError, match="the attribute 'size' is missing"):
            cty.encode(objects, List(DISK))


def test_numbers_are_exact_and_compare_across_their_types() -> None:
    """Decimals that no float has travel as text, as in Terraform."""
    tenth = cty.decode(cty.encode(Decimal("0.1"), NUMBER), NUMBER)
    assert tenth == Decimal("0.1") != 0.1
    assert cty.decode(cty.encode(0.1, NUMBER), NUMBER) == 0.1
    assert cty.decode(cty.encode(Decimal("1.50"), NUMBER), NUMBER) == 1.5
    assert cty.decode(cty.encode(10**100 + 1, NUMBER), NUMBER) == 10**100 + 1


def test_a_number_beyond_512_bits_keeps_what_go_keeps() -> None:
    """go-cty: `ParseNumberVal` rounds, and `Text('f', -1)` finds the shortest text."""
    third = Decimal("0." + "3" * 400)
    once = cty.decode(cty.encode(third, NUMBER), NUMBER)
    assert 150 < len(str(once)) < 160
    assert cty.encode(once, NUMBER) == cty.encode(third, NUMBER)


@pytest.mark.parametrize(
    "number", ["1e4001", "-1e-4001", "1e999999999999", "9" * 9000, "nan", "0x10", "1_0"]
)
def test_a_number_that_would_fill_the_memory_is_none(number: str) -> None:
    with pytest.raises(CtyError, match=r"number|digits"):
        cty.decode(msgpack.packb(number), NUMBER)


def test_a_number_of_too_many_digits_is_refused_when_written() -> None:
    with pytest.raises(CtyError, match="4000 digits"):
        cty.encode(1 << 100_000, NUMBER)
    with pytest.raises(CtyError, match="nan"):
        cty.encode(float("nan"), NUMBER)


def test_a_set_has_no_duplicates_and_no_order() -> None:
    assert SetValue(["b", "a", "b"]) == SetValue(["a", "b"])
    first, second = {"name": "a", "size": 1}, {"name": "b", "size": None}
    assert SetValue([first, second, dict(first)]) == SetValue([second, first])
    assert len(SetValue([UNKNOWN, UNKNOWN])) == 2
    assert SetValue([UNKNOWN, UNKNOWN]).least_length == 1


EMPTY: dict[str, Any] = {"disks": [], "tags": {}, "zones": SetValue()}


@pytest.mark.parametrize(
    ("value", "place", "problem"),
    [
        ({"disks": None, "tags": None}, "", "'zones' is missing"),
        (EMPTY | {"x": 1}, "", "no attribute 'x'"),
        (EMPTY | {"disks": 5}, "disks", "list of object required"),
        (
            EMPTY | {"disks": [{"name": "a", "size": 1}, {"name": 2, "size": 1}]},
            "disks[1].name",
            "string required, and this is a number",
        ),
        (
            EMPTY | {"disks": [None, {"name": "a", "size": "1"}]},
            "disks[1].size",
            "number required",
        ),
        (EMPTY | {"tags": {"b": "x", "a": True}}, 'tags["a"]', "this is a bool"),
        (EMPTY | {"tags": {1: "x"}}, "tags", "keys of a map are strings"),
        (EMPTY | {"zones": [1, None]}, "zones[0]", "string required"),
        (EMPTY | {"zones": SetValue(["\ud800"])}, "zones[0]", "surrogates"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_place(
    value: dict[str, Any], place: str, problem: str
) -> None:
    with pytest.raises(CtyError, match=problem) as caught:
        cty.encode(value, VM)
    assert str(caught.value.path) == place


@pytest.mark.parametrize(
    ("raw", "place", "problem"),
    [
        ({"disks": [], "tags": {}}, "", "'zones' is missing"),
        ({"disks": [], "tags": {}, "zone": []}, "", "no attribute 'zone'"),
        (
            {"disks": [{"name": "a", "size": "x"}], "tags": {}, "zones": []},
            "disks[0].size",
            "number required",
        ),
        (
            {"disks": [], "tags": {"k": ["v"]}, "zones": []},
            'tags["k"]',
            "string required, and this is an array",
        ),
        ({"disks": [], "tags": {}, "zones": [b"\xff"]}, "zones[0]", "no UTF-8"),
        ({"disks": [], "tags": [], "zones": []}, "tags", "this is an array"),
    ],
)
def test_bytes_that_do_not_fit_are_refused_with_their_place(
    raw: object, place: str, problem: str
) -> None:
    with pytest.raises(CtyError, match=problem) as caught:
        cty.decode(msgpack.packb(raw), VM)
    assert str(caught.value.path) == place


@given(st.binary(max_size=60), types())
def test_any_bytes_are_a_value_or_a_typed_error(data: bytes, kind: Type) -> None:
    """A host reads what any provider sends."""
    try:
        value = cty.decode(data, kind)
    except CtyError:
        return
    cty.encode(value, kind)


@given(typed_values(), st.data())
def test_damaged_bytes_are_a_value_or_a_typed_error(
    pair: tuple[Type, Any], data: st.DataObject
) -> None:
    kind, value = pair
    packed = bytearray(cty.encode(value, kind))
    packed[data.draw(st.integers(0, len(packed) - 1))] = data.draw(st.integers(0, 255))
    try:
        again = cty.decode(bytes(packed), kind)
    except CtyError:
        return
    cty.encode(again, kind)


def nested_dynamic(depth: int) -> bytes:
    return b"\x92\xa9\x22dynamic\x22" * depth + b"\xc0"


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"\x91" * 900 + b"\xc0", DYNAMIC),
        (b"\x91" * 5000 + b"\xc0", STRING),
        (nested_dynamic(150), DYNAMIC),
        (b"\xdd\xff\xff\xff\xff", List(STRING)),
        (b"\xdf\xff\xff\xff\xff", Map(STRING)),
        (b"\x81\x91\xc0\xc0", Map(STRING)),
        (b"\x81\x01\xc0", Map(STRING)),
        (b"\xc1", STRING),
        (b"", STRING),
        (b"\xc7\x05\x0c\x81\x01", STRING),
        (b"\xd6\xff\x00\x00\x00\x00", NUMBER),
        (b"\xc8\x04\x01\x0c" + b"\x80" * 1025, STRING),
    ],
    ids=range(12),
)
def test_hostile_bytes_are_a_typed_error(data: bytes, kind: Type) -> None:
    with pytest.raises(CtyError):
        cty.decode(data, kind)


@pytest.mark.parametrize(
    "refinements",
    [
        {3: [2, True], 4: [1, True]},
        {5: 1},
        {2: "x"},
        {3: [True, True]},
        {3: 1},
        {1: 0},
    ],
    ids=str,
)
def test_refinements_that_make_no_sense_are_refused(refinements: object) -> None:
    """go-cty panics at the first of these."""
    data = msgpack.packb(msgpack.ExtType(12, msgpack.packb(refinements)))
    with pytest.raises(CtyError):
        cty.decode(data, NUMBER)


def test_an_unknown_value_that_is_refined_to_null_is_null() -> None:
    data = msgpack.packb(msgpack.ExtType(12, msgpack.packb({1: True})))
    assert cty.decode(data, STRING) is None


def test_a_long_prefix_is_cut_as_short_as_go_takes_it() -> None:
    """go-cty: `maxPrefixLength`; a prefix may always be shorter."""
    unknown = Unknown(prefix="é" * 400)
    again = cty.decode(cty.encode(unknown, STRING), STRING)
    assert unknown.prefix.startswith(again.prefix)
    assert 200 < len(again.prefix.encode()) <= 256


def test_a_type_that_is_nested_too_deep_is_refused() -> None:
    kind: Type = STRING
    for _ in range(99):
        kind = List(kind)
    with pytest.raises(CtyError, match="100 deep"):
        List(kind)
    text = '["list",' * 3000 + '"string"' + "]" * 3000
    with pytest.raises(CtyError, match="deep"):
        cty.type_from_json(text)


def test_the_deepest_values_are_within_pythons_limits() -> None:
    assert sys.getrecursionlimit() == 1000
    kind: Type = Object({"a": STRING})
    value: Any = {"a": "e\u0301"}
    for _ in range(98):
        kind, value = List(kind), [value]
    data = cty.encode(value, kind)
    assert cty.encode(cty.decode(data, kind), kind) == data
    assert cty.from_json(cty.to_json(value, kind), kind)


@pytest.mark.parametrize(
    "text",
    [
        *('"any"', '["list"]', '["list","bool","bool"]', '["object",[]]', "{}", "1"),
        *('["tuple","bool"]', '["object",{},["a"]]', '["object",{},[1]]', '"bool" 1'),
        *("", "\xff"),
    ],
)
def test_what_is_no_type_is_refused(text: str) -> None:
    """go-cty: `Type.UnmarshalJSON`."""
    with pytest.raises(CtyError):
        cty.type_from_json(text)


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ('"5"', NUMBER, 5),
        ("5.0", STRING, "5.0"),
        ("true", STRING, "true"),
        ('"true"', BOOL, True),
        ('{"name":"a"}', DISK, {"name": "a", "size": None}),
        ('{"type":"string","value":"a"}', DYNAMIC, Typed(STRING, "a")),
    ],
)
def test_json_is_read_as_leniently_as_go_reads_it(
    text: str, kind: Type, value: object
) -> None:
    """go-cty: `json.Unmarshal`; state files of old versions need it."""
    assert cty.from_json(text, kind) == value


@pytest.mark.parametrize(
    ("text", "kind", "place"),
    [
        ('{"name":1,"size":"x"}', DISK, "size"),
        ('{"other":1}', DISK, ""),
        ("[1,[]]", List(NUMBER), "[1]"),
        ('["a"]', Tuple([STRING, STRING]), ""),
        ("NaN", NUMBER, ""),
        ("Infinity", NUMBER, ""),
        ('{"k":{}}', Map(STRING), '["k"]'),
        ("{", NUMBER, ""),
        ("[" * 100_000, List(NUMBER), ""),
        ('{"value":1}', DYNAMIC, ""),
        ("1", BOOL, ""),
    ],
)
def test_json_that_does_not_fit_is_refused_with_its_place(
    text: str, kind: Type, place: str
) -> None:
    with pytest.raises(CtyError) as caught:
        cty.from_json(text, kind)
    assert str(caught.value.path) == place
