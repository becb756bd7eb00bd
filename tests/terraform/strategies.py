"""Random types and values of Terraform, for hypothesis."""

import math
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from goplugin_py.terraform.cty import (
    BOOL,
    DYNAMIC,
    NUMBER,
    STRING,
    UNKNOWN,
    Bound,
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
from goplugin_py.terraform.cty.number import Number

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
# Up to the digits that 512 bits keep.
NUMBERS = st.one_of(
    st.integers(-300, 300),
    st.integers(-(2**70), 2**70),
    st.integers(-(10**150), 10**150),
    st.floats(allow_nan=False),
    st.decimals(allow_nan=False, allow_infinity=False, places=9).map(
        lambda number: number if abs(number) < 10**100 else Decimal("0.1")
    ),
)


def types(*, dynamic: bool = True) -> SearchStrategy[Type]:
    """Types, with dynamic parts where go-cty's values may have some."""
    simple = st.sampled_from([BOOL, NUMBER, STRING])
    concrete = _nested(simple)
    if not dynamic:
        return concrete
    parts = st.one_of(concrete, st.just(DYNAMIC))
    return st.one_of(parts, _structures(parts))


def _nested(simple: SearchStrategy[Type]) -> SearchStrategy[Type]:
    return st.recursive(
        simple,
        lambda parts: st.one_of(
            st.builds(List, parts),
            st.builds(Set, parts),
            st.builds(Map, parts),
            _structures(parts),
        ),
        max_leaves=6,
    )


def _structures(parts: SearchStrategy[Type]) -> SearchStrategy[Type]:
    return st.one_of(
        st.builds(Tuple, st.lists(parts, max_size=3)),
        st.builds(Object, st.dictionaries(NAMES, parts, max_size=3)),
    )


def values(kind: Type, *, known: bool = False) -> SearchStrategy[Any]:
    """Values of a type; nulls and, unless known, unknown ones anywhere in them."""
    special: list[SearchStrategy[Any]] = [st.none()]
    if not known:
        special.append(unknowns(kind))
    return st.one_of(_some(kind, known=known), *special)


def _some(kind: Type, *, known: bool) -> SearchStrategy[Any]:
    def inside(part: Type) -> SearchStrategy[Any]:
        return values(part, known=known)

    match kind:
        case Map(element):
            return st.dictionaries(TEXT, inside(element), max_size=3)
        case List(element):
            return st.lists(inside(element), max_size=3)
        case Set(element):
            return st.lists(inside(element), max_size=3).map(SetValue)
        case Tuple(elements):
            return st.tuples(*map(inside, elements)).map(list)
        case Object(attributes):
            return st.fixed_dictionaries(
                {name: inside(part) for name, part in attributes.items()}
            )
    if kind == DYNAMIC:
        return typed(known=known)
    if kind == BOOL:
        return st.booleans()
    if kind == STRING:
        return TEXT
    return NUMBERS.filter(is_finite) if known else NUMBERS


def is_finite(number: Number) -> bool:
    return -math.inf < number < math.inf


def typed(*, known: bool) -> SearchStrategy[Typed]:
    return types(dynamic=False).flatmap(
        lambda kind: st.builds(Typed, st.just(kind), values(kind, known=known))
    )


@st.composite
def unknowns(draw: DrawFn, kind: Type) -> Unknown:
    if kind == DYNAMIC or draw(st.booleans()):
        return UNKNOWN
    if kind == STRING:
        return Unknown(is_not_null=draw(st.booleans()), prefix=draw(TEXT))
    if kind == NUMBER:
        low = Bound(draw(st.integers(-9, 0)), is_inclusive=draw(st.booleans()))
        high = Bound(draw(st.integers(1, 2**70)), is_inclusive=draw(st.booleans()))
        return Unknown(is_not_null=draw(st.booleans()), lower=low, upper=high)
    if isinstance(kind, List | Set | Map):
        return Unknown(min_length=draw(st.integers(0, 3)), max_length=5)
    return Unknown(is_not_null=True)


@st.composite
def typed_values(draw: DrawFn, *, known: bool = False) -> tuple[Type, Any]:
    kind = draw(types())
    return kind, draw(values(kind, known=known))
