"""What the classes of authors declare."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, ClassVar, Literal

import pytest

from goplugin_py import ConfigError
from goplugin_py.terraform import cty
from goplugin_py.terraform.cty import (
    BOOL,
    DYNAMIC,
    NUMBER,
    STRING,
    List,
    Map,
    Object,
    Set,
    Tuple,
    Type,
)
from goplugin_py.terraform.schema import Attribute, Block
from goplugin_py.terraform.serving import (
    DataSource,
    Nested,
    Nesting,
    Provider,
    Resource,
    attribute,
    block,
    function,
)
from goplugin_py.terraform.serving.declaring import layout_of
from tests.terraform.serving.served import Thing, provider_of, served


class Port(Nested):
    number: int


def block_of(**declared: Any) -> Block:
    """Return the schema of a class with annotations, or with fields."""
    hints = {n: hint for n, (hint, _) in declared.items() if hint is not None}
    fields = {n: field for n, (_, field) in declared.items() if field is not None}
    return layout_of(
        type("Model", (Nested,), fields | {"__annotations__": hints})
    ).schema


def one(hint: Any, field: Any = None) -> Attribute:
    return block_of(it=(hint, field)).attributes["it"]


TYPES: dict[str, tuple[Any, Type]] = {
    "str": (str, STRING),
    "bool": (bool, BOOL),
    "int": (int, NUMBER),
    "float": (float, NUMBER),
    "Decimal": (Decimal, NUMBER),
    "any number": (int | float | Decimal, NUMBER),
    "Any": (Any, DYNAMIC),
    "Literal": (Literal["a", "b"], STRING),
    "list": (list[str], List(STRING)),
    "set": (set[int], Set(NUMBER)),
    "frozenset": (frozenset[str], Set(STRING)),
    "dict": (dict[str, bool], Map(BOOL)),
    "tuple": (tuple[str, int], Tuple([STRING, NUMBER])),
    "optional": (str | None, STRING),
    "lists in a dict": (dict[str, list[str]], Map(List(STRING))),
    "lists of lists of objects": (
        list[list[Port]],
        List(List(Object({"number": NUMBER}))),
    ),
}


@pytest.mark.parametrize(("hint", "kind"), TYPES.values(), ids=TYPES)
def test_an_annotation_is_a_type(hint: Any, kind: Type) -> None:
    assert one(hint).type == kind


FLAGS: dict[str, tuple[Any, Any, str]] = {
    "alone": (str, None, "required"),
    "with None": (str | None, None, "optional"),
    "with a value": (str, "x", "optional computed"),
    "default": (str, attribute(default="x"), "optional computed"),
    "computed": (str, attribute(computed=True), "computed"),
    "computed with None": (str | None, attribute(computed=True), "optional computed"),
    "not required": (str, attribute(required=False), "optional"),
    "sensitive": (str, attribute(sensitive=True), "required sensitive"),
    "write-only": (str | None, attribute(write_only=True), "optional write_only"),
    "deprecated": (str | None, attribute(deprecated="no"), "optional deprecated"),
    "declared type": (None, attribute(STRING, required=True), "required"),
}


@pytest.mark.parametrize(("hint", "field", "flags"), FLAGS.values(), ids=FLAGS)
def test_a_field_says_how_it_is_used(hint: Any, field: Any, flags: str) -> None:
    found = one(hint, field)
    names = (
        "required",
        "optional",
        "computed",
        "sensitive",
        "write_only",
        "deprecated",
    )
    assert [n for n in names if getattr(found, f"is_{n}")] == flags.split()


def test_descriptions_are_those_of_docstrings_and_fields() -> None:
    class Described(Thing):
        """What it is.

        And more.
        """

        name: str = attribute(description="Who it is.")
        old: str | None = attribute(deprecated="Use name.")

    class Plain(Described):
        deprecated = "Use Described."

    schema = layout_of(Described).schema
    assert schema.description == "What it is.\n\nAnd more."
    assert schema.attributes["name"].description == "Who it is."
    assert schema.attributes["old"].deprecation_message == "Use name."
    plain = layout_of(Plain).schema
    assert (plain.description, plain.deprecation_message) == ("", "Use Described.")


NESTINGS: dict[str, tuple[Any, Any, Nesting, tuple[int, int]]] = {
    "one": (Port, block(), Nesting.SINGLE, (1, 1)),
    "one or none": (Port | None, block(), Nesting.SINGLE, (0, 0)),
    "a group": (Port, block(nesting=Nesting.GROUP), Nesting.GROUP, (0, 0)),
    "a list": (list[Port], block(min_items=1, max_items=3), Nesting.LIST, (1, 3)),
    "a set": (list[Port], block(nesting=Nesting.SET), Nesting.SET, (0, 0)),
    "a map": (dict[str, Port], block(), Nesting.MAP, (0, 0)),
}


@pytest.mark.parametrize(
    ("hint", "field", "nesting", "items"), NESTINGS.values(), ids=NESTINGS
)
def test_blocks_nest_as_annotated(
    hint: Any, field: Any, nesting: Nesting, items: tuple[int, int]
) -> None:
    found = block_of(it=(hint, field)).blocks["it"]
    assert found.nesting is nesting
    assert (found.min_items, found.max_items) == items
    assert found.block.attributes["number"].is_required


@pytest.mark.parametrize(
    ("hint", "nesting"),
    [(Port, None), (list[Port], None), (dict[str, Port], None), (list[Port], "SET")],
    ids=["single", "list", "map", "set"],
)
def test_nested_attributes_nest_as_annotated(hint: Any, nesting: str | None) -> None:
    field = attribute(nesting=Nesting[nesting]) if nesting else None
    found = one(hint, field).nested_type
    assert found is not None
    assert found.attributes["number"].is_required


def test_names_are_those_of_classes_and_can_be_set() -> None:
    class BigFile(Thing):
        from_: str
        limit: ClassVar[int] = 3
        _own: int = 0

    class Other(BigFile):
        type_name = "elsewhere"
        to: str

    class S3Bucket(DataSource): ...

    def say() -> str:
        return ""

    with served(BigFile, Other, S3Bucket, function(name="tell")(say)) as provider:
        schema = provider.schema
    assert set(schema.resources) == {"test_big_file", "elsewhere"}
    assert set(schema.resources["test_big_file"].block.attributes) == {"from"}
    assert set(schema.resources["elsewhere"].block.attributes) == {"from", "to"}
    assert set(schema.data_sources) == {"test_s3_bucket"}
    assert set(schema.functions) == {"tell"}


def test_a_default_of_the_provider_is_not_computed() -> None:
    """terraform-plugin-framework: a provider has no computed attributes."""

    class TestProvider(Provider):
        region: str = "here"

    from goplugin_py.terraform.serving.testing import provider_under_test

    with provider_under_test(TestProvider()) as provider:
        region = provider.schema.provider.block.attributes["region"]
    assert (region.is_optional, region.is_computed) == (True, False)


class Inside(Nested):
    port: list[Port] = block()


def _cycle() -> Any:
    cyclic = type("Cyclic", (Nested,), {})
    cyclic.__annotations__ = {"inner": cyclic | None}
    return one(cyclic)


def _secret_set() -> Any:
    secret = type(
        "Secret",
        (Nested,),
        {"__annotations__": {"key": str | None}, "key": attribute(write_only=True)},
    )
    return one(list[secret], attribute(nesting=Nesting.SET))  # type: ignore[valid-type]


BROKEN: dict[str, tuple[Callable[[], object], str]] = {
    "no type for it": (lambda: one(bytes), "no type for the annotation"),
    "keys that are no strings": (lambda: one(dict[int, str]), "no type for"),
    "several types": (lambda: one(str | int), "annotate Any"),
    "mixed choices": (lambda: one(Literal["a", 1]), "must be strings or whole"),
    "no annotation": (lambda: one(None, attribute()), "needs an annotation"),
    "a set of objects": (lambda: one(set[Port]), "nesting=Nesting.SET"),
    "required default": (lambda: attribute(default=1, required=True), "can't be req"),
    "computed write-only": (
        lambda: attribute(write_only=True, computed=True),
        "never in a state",
    ),
    "stable, not computed": (lambda: attribute(stable=True), "only a computed"),
    "default of another type": (lambda: one(int, "x"), "number required"),
    "block without a class": (
        lambda: block_of(it=(list[str], block())),
        "Nested class",
    ),
    "block in an attribute": (lambda: one(Inside), "can't have the block 'port'"),
    "an object in itself": (_cycle, "has itself inside"),
    "write-only in a set": (_secret_set, "a set can't hold write-only"),
    "another nesting": (
        lambda: one(str, attribute(nesting=Nesting.SET)),
        "does not go with",
    ),
    "required and computed": (
        lambda: one(str, attribute(required=True, computed=True)),
        "neither optional nor computed",
    ),
    "name of a block": (
        lambda: block_of(Big=(list[Port], block())),
        "name is of a-z",
    ),
    "dynamic set": (
        lambda: (
            layout_of(
                type("M", (Nested,), {"it": block(nesting=Nesting.SET), **_any_part()})
            ).schema
        ),
        "a set can't hold dynamic",
    ),
}


def _any_part() -> dict[str, Any]:
    part = type("AnyPart", (Nested,), {"__annotations__": {"any": Any}})
    return {"__annotations__": {"it": list[part]}}  # type: ignore[valid-type]


@pytest.mark.parametrize(("declare", "text"), BROKEN.values(), ids=BROKEN)
def test_what_terraform_can_not_have_is_refused(
    declare: Callable[[], object], text: str
) -> None:
    with pytest.raises(ConfigError, match=text):
        declare()


def test_names_with_a_meaning_of_their_own_are_refused() -> None:
    class Confused(Thing):
        config: str  # type: ignore[assignment]

    with pytest.raises(ConfigError, match="call the attribute config_"):
        layout_of(Confused)


def test_a_provider_is_refused_as_a_whole() -> None:
    class Half(Resource):
        name: str

        def create(self) -> None: ...

    class Named(Thing):
        identity = ("nobody",)

    class Stateless(DataSource):
        key: str | None = attribute(write_only=True)

    def keyword(*, name: str) -> str:
        return name

    for offered, text in (
        ((Half,), r"needs a method delete\(\)"),
        ((Named,), "'nobody', which is no attribute"),
        ((Thing, Thing), "test_thing is offered twice"),
        ((Stateless,), "is in no state, and so"),
        ((keyword,), "can't be named or left out"),
    ):
        with pytest.raises(Exception, match=text), served(*offered):
            pass


def test_the_provider_itself_needs_a_name() -> None:
    from goplugin_py.terraform.serving.catalogue import Catalogue

    assert Catalogue(provider_of()).type_name == "test"
    with pytest.raises(ConfigError, match="needs a type_name"):
        Catalogue(Provider())


def test_the_declared_type_may_be_of_any_form() -> None:
    kind = cty.List(cty.Object({"a": cty.STRING}, ["a"]))
    assert one(None, attribute(kind)).type == kind.without_optional()
