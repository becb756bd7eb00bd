"""Blocks with dynamic attributes, which travel as tuples and objects."""

import pytest

from goplugin_py.terraform.cty import (
    BOOL,
    DYNAMIC,
    NUMBER,
    STRING,
    UNKNOWN,
    CtyError,
    Object,
    Tuple,
    Typed,
    decode,
    encode,
)
from goplugin_py.terraform.dynamic_blocks import from_wire, to_wire
from goplugin_py.terraform.schema import Block, Nesting
from tests.terraform.schemas import attribute, block, blocks

RULE = (attribute("p", kind=DYNAMIC), attribute("q"))
SCHEMA = block(
    blocks("rule", Nesting.LIST, *RULE),
    blocks("limit", Nesting.MAP, *RULE),
    blocks("boot", Nesting.SINGLE, *RULE),
    blocks("plain", Nesting.LIST, attribute("x")),
    blocks("outer", Nesting.LIST, blocks("inner", Nesting.LIST, *RULE)),
)
VALUE = SCHEMA.empty | {
    "rule": [{"p": Typed(BOOL, True), "q": "a"}, {"p": None, "q": None}],
    "limit": {"k": {"p": Typed(NUMBER, 1), "q": UNKNOWN}},
    "boot": {"p": Typed(STRING, "s"), "q": None},
    "plain": [{"x": "y"}],
    "outer": [{"inner": [{"p": Typed(STRING, "deep"), "q": None}]}],
}


def through_the_wire(value: object, schema: Block) -> object:
    data = encode(to_wire(value, schema), schema.type)
    return from_wire(decode(data, schema.type), schema)


def test_a_list_of_such_blocks_is_a_tuple_on_the_wire() -> None:
    """Terraform: `configschema.NestedBlock`; each block has the type of its values."""
    wire = to_wire(VALUE, SCHEMA)
    first = Object({"p": BOOL, "q": STRING})
    assert wire["rule"].type == Tuple([first, Object({"p": DYNAMIC, "q": STRING})])
    assert wire["rule"].value[0] == {"p": True, "q": "a"}
    assert wire["limit"].type == Object({"k": Object({"p": NUMBER, "q": STRING})})
    assert wire["boot"] == VALUE["boot"]
    assert to_wire(SCHEMA.empty, SCHEMA)["rule"] == Typed(Tuple([]), [])


@pytest.mark.parametrize(
    "value",
    [
        VALUE,
        SCHEMA.empty,
        SCHEMA.empty | {"rule": UNKNOWN, "outer": UNKNOWN},
        SCHEMA.empty | {"outer": [{"inner": UNKNOWN}, {"inner": []}]},
        None,
        UNKNOWN,
    ],
    ids=range(6),
)
def test_a_value_comes_back_as_it_was(value: object) -> None:
    assert through_the_wire(value, SCHEMA) == value


@pytest.mark.parametrize(
    "rule",
    [
        Typed(STRING, "x"),
        Typed(Tuple([STRING]), ["x"]),
        Typed(Tuple([Object({"p": STRING})]), [{"p": "x"}]),
        Typed(Tuple([Object({"p": STRING, "q": NUMBER})]), [{"p": "x", "q": 1}]),
        Typed(Object({"k": STRING}), {"k": "x"}),
    ],
    ids=range(5),
)
def test_what_is_no_block_is_refused(rule: Typed) -> None:
    with pytest.raises(CtyError):
        from_wire(to_wire(SCHEMA.empty, SCHEMA) | {"rule": rule}, SCHEMA)
