"""Schemas of providers: read from their messages, and held to Terraform's rules."""

import pickle
from typing import Any

import pytest

from goplugin_py.terraform import InvalidAnswer, tfplugin5, tfplugin6
from goplugin_py.terraform.cty import DYNAMIC, NUMBER, STRING, List, Path
from goplugin_py.terraform.schema import Block, Nesting
from goplugin_py.terraform.schema_messages import read_identities, read_schema
from goplugin_py.terraform.schema_rules import schema_problems
from tests.terraform.schemas import attribute, block, blocks, nested

# Their stubs want members of an enum, which 9 is none of.
Attribute: Any = tfplugin6.Schema.Attribute
NestedBlock: Any = tfplugin6.Schema.NestedBlock
Object: Any = tfplugin6.Schema.Object

NAME = attribute("name")


@pytest.mark.parametrize(
    ("schema", "place", "problem"),
    [
        (block(attribute("a", "sensitive")), "a", "required, optional or computed"),
        (block(attribute("a", "required computed")), "a", "neither optional nor"),
        (block(attribute("a", "required optional")), "a", "neither optional nor"),
        (block(nested("a", Nesting.GROUP, NAME)), "a", "can't be a group"),
        (
            block(nested("a", Nesting.SET, attribute("d", kind=DYNAMIC))),
            "a",
            "can't hold dynamic",
        ),
        (
            block(nested("a", Nesting.LIST, attribute("b", "sensitive"))),
            "a.b",
            "required, optional or computed",
        ),
        (block(attribute("a"), blocks("a", Nesting.LIST, NAME)), "a", "both"),
        (block(blocks("A b", Nesting.LIST, NAME)), "A b", "name is of a-z"),
        (block(blocks("a", Nesting.MAP, NAME, min_items=1)), "a", "numbers of blocks"),
        (block(blocks("a", Nesting.GROUP, NAME, max_items=1)), "a", "numbers of"),
        (block(blocks("a", Nesting.SINGLE, NAME, max_items=1)), "a", "numbers of"),
        (
            block(blocks("a", Nesting.LIST, NAME, min_items=3, max_items=2)),
            "a",
            "numbers of",
        ),
        (
            block(blocks("a", Nesting.SET, attribute("d", kind=DYNAMIC))),
            "a",
            "can't hold dynamic",
        ),
        (
            block(blocks("a", Nesting.LIST, blocks("b", Nesting.MAP, min_items=1))),
            "a.b",
            "numbers of",
        ),
    ],
)
def test_a_schema_that_breaks_the_rules_is_refused(
    schema: Block, place: str, problem: str
) -> None:
    """Terraform: `configschema.Block.InternalValidate`."""
    [found] = schema_problems(schema)
    assert str(found.path) == place
    assert problem in found.problem


def answer(**parts: Any) -> Any:
    schema = tfplugin6.Schema(block=tfplugin6.Schema.Block(**parts))
    return tfplugin6.GetProviderSchema.Response(resource_schemas={"x_thing": schema})


@pytest.mark.parametrize(
    ("parts", "problem"),
    [
        ({"attributes": [Attribute(name="a", type=b"?", optional=True)]}, "valid type"),
        ({"attributes": [Attribute(name="a", optional=True)]}, "valid type"),
        ({"attributes": [Attribute(name="a", type=b'"string"')]}, "required, optional"),
        ({"block_types": [NestedBlock(type_name="b")]}, "valid nesting"),
        (
            {
                "attributes": [
                    Attribute(name="a", optional=True, nested_type=Object(nesting=9))
                ]
            },
            "valid nesting",
        ),
    ],
)
def test_a_message_that_is_no_schema_is_refused_by_name(
    parts: dict[str, Any], problem: str
) -> None:
    schema = read_schema(answer(**parts), {})
    with pytest.raises(InvalidAnswer, match=problem) as caught:
        _ = schema.resources["x_thing"]
    assert caught.value.summary == "Invalid schema of x_thing"


def test_functions_and_identities_of_no_type_are_refused() -> None:
    function = tfplugin5.Function(
        parameters=[tfplugin5.Function.Parameter(name="p", type=b"?")]
    )
    message = tfplugin5.GetProviderSchema.Response(functions={"say": function})
    functions = read_schema(message, {}).functions
    with pytest.raises(InvalidAnswer, match="Invalid schema of say"):
        _ = functions["say"]
    part = tfplugin5.ResourceIdentitySchema.IdentityAttribute(name="id", type=b"?")
    identity = tfplugin5.ResourceIdentitySchema(identity_attributes=[part])
    identities = read_identities({"x": identity})
    with pytest.raises(InvalidAnswer, match="Invalid identity of x"):
        _ = identities["x"]


def test_what_nobody_looks_at_is_not_read() -> None:
    """Big providers have a thousand types, of which a program uses a few."""
    message = answer(attributes=[Attribute(name="a", type=b'"string"', optional=True)])
    message.resource_schemas["a_broken_one"].block.attributes.add(name="?")
    resources = read_schema(message, {}).resources
    assert list(resources) == ["a_broken_one", "x_thing"]
    assert (len(resources), "x_thing" in resources, "y" in resources) == (
        2,
        True,
        False,
    )
    thing = resources["x_thing"]
    assert resources["x_thing"] is thing
    with pytest.raises(KeyError):
        _ = resources["y"]
    assert "y" not in message.resource_schemas
    del message.resource_schemas["a_broken_one"]
    again = read_schema(message, {}).resources
    assert pickle.loads(pickle.dumps(again)) == dict(again)


def test_nested_types_and_blocks_are_read() -> None:
    inner = Attribute(name="n", type=b'"number"', required=True)
    schema = read_schema(
        answer(
            attributes=[
                Attribute(
                    name="several",
                    optional=True,
                    nested_type=Object(nesting=2, attributes=[inner]),
                )
            ],
            block_types=[
                NestedBlock(
                    type_name="rule",
                    nesting=2,
                    max_items=3,
                    block=tfplugin6.Schema.Block(attributes=[inner], description="d"),
                )
            ],
        ),
        {},
    )
    found = schema.resources["x_thing"].block
    several, rule = found.attributes["several"], found.blocks["rule"]
    assert several.nested_type is not None
    assert several.type == rule.type == List(several.nested_type.object_type)
    assert (rule.nesting, rule.max_items, rule.block.description) == (
        Nesting.LIST,
        3,
        "d",
    )


def test_the_attribute_that_a_path_leads_to_is_found() -> None:
    inner = attribute("inner", kind=NUMBER)
    schema = block(
        NAME,
        nested("object", Nesting.LIST, nested("deep", Nesting.SINGLE, inner)),
        blocks("rule", Nesting.MAP, inner),
    )
    root = Path()
    deep = root.attribute("object").element(0).attribute("deep")
    assert schema.attribute_at(deep.attribute("inner")) is inner
    rule = root.attribute("rule").element("k")
    assert schema.attribute_at(rule.attribute("inner")) is inner
    for path in (
        root,
        rule,
        rule.attribute("x"),
        root.attribute("name").attribute("x"),
    ):
        assert schema.attribute_at(path) is None
    assert schema.attributes["name"].type == STRING
