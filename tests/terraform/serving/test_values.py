"""What authors see of values, and what becomes of what they set."""

from decimal import Decimal
from typing import Any, Literal

import pytest

from goplugin_py.terraform import ApplyFailed, DiagnosticError
from goplugin_py.terraform.cty import NUMBER, STRING, Map, Object
from goplugin_py.terraform.serving import UNKNOWN, Nested, Nesting, attribute, block
from tests.terraform.serving.served import Thing, served_resource


class Port(Nested):
    number: int
    label: str | None


class Everything(Thing):
    text: str | None
    count_: int | None
    ratio: float | None
    exact: Decimal | None
    any: Any | None
    names: set[str] | None
    sizes: dict[str, list[int]] | None
    pair: tuple[str, int] | None
    plain: Any = attribute(Map(Object({"a": NUMBER})), required=False)
    port: Port | None
    ports: list[Port] | None
    by_name: dict[str, Port] | None
    some: list[Port] = block(nesting=Nesting.SET)
    group: Port = block(nesting=Nesting.GROUP)

    seen: dict[str, Any] = attribute(Map(STRING), required=False)


SEEN: dict[str, tuple[str, Any, Any]] = {
    "text": ("text", "x", "x"),
    "a whole number": ("count_", 2, 2),
    "a float": ("ratio", Decimal("0.1"), 0.1),
    "a Decimal": ("exact", Decimal("0.1"), Decimal("0.1")),
    "anything": ("any", {"a": [1, True]}, {"a": [1, True]}),
    "a set": ("names", ["b", "a"], {"a", "b"}),
    "lists in a dict": ("sizes", {"s": [1, 2]}, {"s": [1, 2]}),
    "a tuple": ("pair", ["x", 1], ("x", 1)),
    "a declared type": ("plain", {"k": {"a": 1}}, {"k": {"a": 1}}),
    "an object": ("port", {"number": 1}, Port(number=1, label=None)),
    "objects": ("ports", [{"number": 1}], [Port(number=1, label=None)]),
    "objects by name": (
        "by_name",
        {"a": {"number": 1}},
        {"a": Port(number=1, label=None)},
    ),
    "blocks": ("some", [{"number": 1}], [Port(number=1, label=None)]),
    "nothing": ("text", None, None),
    "nothing of many": ("names", None, None),
}


@pytest.mark.parametrize(("name", "config", "seen"), SEEN.values(), ids=SEEN)
def test_values_are_as_annotated(name: str, config: Any, seen: Any) -> None:
    found: list[Any] = []

    class Watched(Everything):
        def create(self) -> None:
            found.append(getattr(self, name))

    with served_resource(Watched) as thing:
        given = {name.removesuffix("_"): config, "group": {"number": 1}}
        state = thing.plan(given).apply()
    assert found == [seen]
    assert type(found[0]) is type(seen)
    assert state is not None


LONG = Decimal("0.1234567890123456789012345678901234567890")


def test_what_is_not_touched_stays_exactly_as_it_was() -> None:
    """A float shows less of a number, and Any less of a type, than there is."""
    with served_resource(Everything) as thing:
        config = {"ratio": LONG, "any": ["x"], "group": {"number": 1}}
        state = thing.plan(config).apply()
        assert state is not None
        assert state["ratio"] == LONG
        assert thing.read(state) == state


def test_what_is_set_becomes_a_value() -> None:
    class Sets(Thing):
        text: str = attribute(computed=True)
        ratio: float = attribute(computed=True)
        names: set[str] = attribute(computed=True)
        ports: list[Port] = attribute(computed=True)
        more: dict[str, Port] = attribute(computed=True)
        pair: tuple[str, int] = attribute(computed=True)
        any: Any = attribute(computed=True)
        none: str | None = attribute(computed=True)

        def create(self) -> None:
            self.text, self.ratio, self.names = "e\u0301", 0.5, {"b", "a"}
            self.ports = [Port(number=1)]
            self.more = {"a": {"number": 2, "label": "x"}}  # type: ignore[dict-item]
            self.pair, self.any, self.none = ("a", 1), {"deep": [1]}, None

    with served_resource(Sets) as thing:
        state = thing.plan({}).apply()
    assert state is not None
    assert state.to_python() == {
        "text": "é",
        "ratio": 0.5,
        "names": ["a", "b"],
        "ports": [{"number": 1, "label": None}],
        "more": {"a": {"number": 2, "label": "x"}},
        "pair": ["a", 1],
        "any": {"deep": [1]},
        "none": None,
    }


WRONG: dict[str, tuple[Any, Any, str]] = {
    "text": (str, 1, "String required"),
    "a fraction": (int, 1.5, "A whole number"),
    "a list": (list[str], "abc", "A list or set is required"),
    "an element": (list[str], ["a", 1], r"\[1\]: Create"),
    "a map": (dict[str, str], [1], "A mapping is required"),
    "a key": (dict[str, str], {1: "a"}, "The keys of a map are strings"),
    "a tuple": (tuple[str, int], ("a",), "2 elements are required"),
    "an object": (Port, "a", "A Port is required"),
    "an attribute of it": (
        Port,
        {"number": 1, "size": 2},
        "There is no such",
    ),
    "what no type is for": (Any, object(), "No type can be told"),
}


@pytest.mark.parametrize(("hint", "value", "text"), WRONG.values(), ids=WRONG)
def test_a_wrong_value_is_told_by_its_attribute_and_the_rest_is_kept(
    hint: Any, value: Any, text: str
) -> None:
    def create(self: Any) -> None:
        self.id, self.it = "made", value

    fields = {"id": attribute(computed=True), "it": attribute(computed=True)}
    hints = {"id": str, "it": hint}
    wrong = type(
        "Thing2", (Thing,), fields | {"__annotations__": hints, "create": create}
    )
    text = text.replace("Create", r"Thing2\.create\(\) set a wrong value")
    with (
        served_resource(wrong) as thing,
        pytest.raises(ApplyFailed, match=text) as caught,
    ):
        thing.plan({}).apply()
    assert str(caught.value.path).startswith("it")
    state = caught.value.state
    assert state is not None
    assert dict(state) == {"id": "made", "it": None}
    assert state.is_tainted


def test_unknown_values_are_one_constant_wherever_they_are() -> None:
    found: list[Any] = []

    class Planned(Everything):
        def plan(self, prior: Any) -> None:
            found.extend([self.text, self.ports, self.by_name, self.group.number])

    with served_resource(Planned) as thing:
        thing.plan(
            {
                "text": UNKNOWN,
                "ports": UNKNOWN,
                "by_name": {"a": UNKNOWN},
                "group": {"number": UNKNOWN},
            }
        )
    assert found == [UNKNOWN, UNKNOWN, {"a": UNKNOWN}, UNKNOWN]


def test_objects_compare_by_what_is_in_them() -> None:
    assert Port(number=1) == Port(number=1)
    assert Port(number=1) != Port(number=2)
    assert Port(number=1) != {"number": 1}
    assert repr(Port(number=1)) == "Port(number=1)"
    with pytest.raises(TypeError, match="unhashable"):
        hash(Port())


def test_a_choice_is_checked_wherever_it_is() -> None:
    class Chosen(Thing):
        size: Literal["s", "l"]
        more: list[Literal["s", "l"]] | None
        named: dict[str, Literal[1, 2]] | None

    with served_resource(Chosen) as thing:
        thing.validate({"size": UNKNOWN, "more": ["s", UNKNOWN], "named": {"a": 2}})
        with pytest.raises(DiagnosticError) as caught:
            thing.validate({"size": "m", "more": ["s", "x"], "named": {"a": 3}})
    told = {str(each.path): each.detail for each in caught.value.diagnostics}
    assert told == {
        "size": "It must be one of 's', 'l', and is 'm'.",
        "more[1]": "It must be one of 's', 'l', and is 'x'.",
        'named["a"]': "It must be one of 1, 2, and is 3.",
    }
