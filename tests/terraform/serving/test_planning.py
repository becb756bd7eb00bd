"""Any plan that is made keeps Terraform's rules, and is settled once it is applied.

The rules are those of the host kit's checks; nothing here runs a provider.
"""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from goplugin_py.terraform.apply_check import result_problems
from goplugin_py.terraform.configuration import configured
from goplugin_py.terraform.cty import (
    UNKNOWN,
    Unknown,
    Value,
    is_wholly_known,
    transform,
)
from goplugin_py.terraform.plan_check import plan_problems
from goplugin_py.terraform.proposed import proposed_new
from goplugin_py.terraform.serving import Nested, Nesting, attribute, block
from goplugin_py.terraform.serving.declaring import layout_of
from goplugin_py.terraform.serving.planning import (
    completed,
    replacing_paths,
    without_write_only,
)


class Leaf(Nested):
    name: str = attribute(requires_replace=True)
    serial: str = attribute(computed=True)
    kept: str = attribute(computed=True, stable=True)
    zone: str | None = attribute(computed=True)
    size: int = 1


class Branch(Nested):
    name: str
    leaf: Leaf | None
    leaves: list[Leaf] | None
    some: list[Leaf] | None = attribute(nesting=Nesting.SET)


class Twig(Nested):
    name: str
    key: str | None = attribute(write_only=True)
    leaf: list[Leaf] = block()
    bag: list[Leaf] = block(nesting=Nesting.SET)


class Tree(Nested):
    id: str = attribute(computed=True, stable=True)
    at: str = attribute(computed=True)
    name: str
    size: int = 1
    branch: Branch | None = attribute(computed=True)
    branches: list[Branch] | None
    twig: list[Twig] = block()
    one: Twig | None = block()
    group: Leaf = block(nesting=Nesting.GROUP)
    named: dict[str, Leaf] = block()


LAYOUT = layout_of(Tree)
NAMES = st.sampled_from(["a", "b", "c"])


def some(required: dict[str, Any], **optional: Any) -> Any:
    return st.fixed_dictionaries(required, optional=optional)


def configs(*, unknown: bool) -> Any:
    """Configurations with few different names, so that parts meet again."""
    text = st.one_of(NAMES, st.just(UNKNOWN)) if unknown else NAMES
    leaf = some({"name": text}, zone=text, size=st.integers(1, 2))
    leaves = st.lists(leaf, max_size=2)
    # Elements that only a default makes equal can't be planned, in Go neither.
    several = st.lists(leaf, max_size=2, unique_by=lambda each: each["name"])
    by_name = st.dictionaries(NAMES, leaf, max_size=1)
    branch = some({"name": text}, leaf=leaf, leaves=leaves, some=several)
    twig = some({"name": text}, key=text, leaf=leaves, bag=several)
    return some(
        {"name": text, "group": leaf},
        size=st.integers(1, 2),
        branch=branch,
        branches=st.lists(branch, max_size=1),
        twig=st.lists(twig, max_size=1),
        one=twig,
        named=by_name,
    ).map(lambda config: configured(LAYOUT.schema, config))


# Each example goes through a whole life, and drawing two trees takes its time.
FEW = settings(max_examples=30)
KNOWN, ANY = configs(unknown=False), configs(unknown=True)


def planned(prior: Value, config: Value) -> Value:
    proposed = proposed_new(LAYOUT.schema, prior, config)
    plan = completed(LAYOUT, prior, proposed, config)
    assert list(plan_problems(LAYOUT.schema, prior, config, plan)) == []
    return plan


def made(plan: Value) -> Value:
    """Return what a provider makes of a plan: all that is unknown gets a value."""

    def decided(value: Value) -> Value:
        return "made" if isinstance(value, Unknown) else value

    # A nested object that is computed as a whole has turned out to be none.
    whole = plan | {"branch": None} if isinstance(plan["branch"], Unknown) else plan
    state = transform(whole, decided)
    assert list(result_problems(LAYOUT.schema, plan, state)) == []
    return state


@FEW
@given(KNOWN, KNOWN)
def test_a_plan_keeps_the_rules_and_the_next_one_is_empty(
    first: Value, second: Value
) -> None:
    """Terraform: AssertPlanValid, AssertObjectCompatible."""
    state = made(planned(None, first))
    assert planned(state, first) == state
    changed = made(planned(state, second))
    assert planned(changed, second) == changed


@FEW
@given(KNOWN, ANY)
def test_unknown_values_keep_the_rules_too(first: Value, second: Value) -> None:
    planned(None, second)
    planned(made(planned(None, first)), second)


@FEW
@given(KNOWN, KNOWN)
def test_what_requires_a_replacement_has_changed_where_it_says(
    first: Value, second: Value
) -> None:
    state = made(planned(None, first))
    plan = planned(state, second)
    paths = list(replacing_paths(LAYOUT, state, plan, second))
    assert all(str(path).endswith((".name", "some", "bag")) for path in paths)
    if first == second:
        assert paths == []


@FEW
@given(ANY)
def test_nothing_write_only_is_in_a_plan(config: Value) -> None:
    plan = planned(None, config)
    assert without_write_only(LAYOUT, plan) == plan
    twigs = [*plan["twig"], *([plan["one"]] if plan["one"] else [])]
    assert all(twig["key"] is None for twig in twigs)


@FEW
@given(KNOWN)
def test_all_that_is_computed_is_open_in_a_creation(config: Value) -> None:
    plan = planned(None, config)
    assert not is_wholly_known(plan)
    assert plan["id"] == plan["at"] == plan["group"]["serial"] == UNKNOWN
    leaves = [leaf for twig in plan["twig"] for leaf in (*twig["leaf"], *twig["bag"])]
    assert all(leaf["serial"] == leaf["kept"] == UNKNOWN for leaf in leaves)
