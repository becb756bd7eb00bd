"""Whether what a provider made is what it planned.

Terraform: `objchange.AssertObjectCompatible`. What was known in the plan must be the
same; what was unknown may become anything that its refinements admit.
"""

from collections.abc import Callable, Iterator

from goplugin_py.terraform.cty import (
    DYNAMIC,
    CtyError,
    Map,
    Object,
    Path,
    SetValue,
    Tuple,
    Type,
    Typed,
    Unknown,
    Value,
)
from goplugin_py.terraform.schema import Attribute, Block, NestedBlock, Nesting

__all__ = ["result_problems"]


def result_problems(
    block: Block, planned: Value, actual: Value, path: Path | None = None
) -> Iterator[CtyError]:
    """Yield where a value is not what was planned."""
    path = path or Path()
    if (planned is None) != (actual is None):
        yield CtyError(_presence(actual), path)
    if isinstance(planned, dict) and isinstance(actual, dict):
        for name, attribute in block.attributes.items():
            below = path.attribute(name)
            yield from _attribute(attribute, planned[name], actual[name], below)
        for name, nested in block.blocks.items():
            yield from _blocks(
                nested, planned[name], actual[name], path.attribute(name)
            )
    elif isinstance(planned, dict) and isinstance(actual, Unknown):
        yield CtyError("was known, but now unknown", path)


def _presence(actual: Value) -> str:
    return (
        "was present, but now absent"
        if actual is None
        else ("was absent, but now present")
    )


def _attribute(
    attribute: Attribute, planned: Value, actual: Value, path: Path
) -> Iterator[CtyError]:
    problems = _values(attribute.type, planned, actual, path)
    if attribute.is_sensitive:
        # Neither value may get into a message.
        if next(problems, None) is not None:
            yield CtyError("inconsistent values for a sensitive attribute", path)
    else:
        yield from problems


# Values


def _values(
    kind: Type, planned: Value, actual: Value, path: Path
) -> Iterator[CtyError]:
    if kind == DYNAMIC:
        yield from _dynamic(planned, actual, path)
    elif isinstance(planned, Unknown):
        if not planned.admits(actual):
            yield CtyError(f"{actual!r} is not what {planned!r} may become", path)
    elif actual is None or planned is None:
        if actual is not planned:
            yield CtyError(f"was {planned!r}, but now {actual!r}", path)
    elif isinstance(actual, Unknown):
        yield CtyError("was known, but now unknown", path)
    else:
        yield from _known(kind, planned, actual, path)


def _dynamic(planned: Value, actual: Value, path: Path) -> Iterator[CtyError]:
    if planned is None or isinstance(planned, Unknown):
        return  # of no type, so it may become one of any
    if isinstance(planned, Typed) and isinstance(actual, Typed):
        if actual.type != planned.type:
            yield CtyError(f"was of type {planned.type}, but now {actual.type}", path)
        else:
            yield from _values(planned.type, planned.value, actual.value, path)
    else:
        yield CtyError(f"was {planned!r}, but now {actual!r}", path)


def _known(kind: Type, planned: Value, actual: Value, path: Path) -> Iterator[CtyError]:
    match planned, actual:
        case (SetValue(), SetValue()):
            [part] = kind.parts
            yield from _sets(
                lambda one, other: not any(_values(part, one, other, path)),
                planned,
                actual,
                path,
            )
        case (dict(), dict()):
            yield from _keyed(kind, planned, actual, path)
        case (list(), list()):
            yield from _lists(kind, planned, actual, path)
        case _:
            if planned != actual:
                yield CtyError(f"was {planned!r}, but now {actual!r}", path)


def _keyed(
    kind: Type, planned: dict[str, Value], actual: dict[str, Value], path: Path
) -> Iterator[CtyError]:
    for key, each in planned.items():
        below = path.attribute(key) if isinstance(kind, Object) else path.element(key)
        if key not in actual:
            yield CtyError(f"the element {key!r} has vanished", path)
        else:
            yield from _values(_part(kind, key), each, actual[key], below)
    for key in actual.keys() - planned.keys():
        yield CtyError(f"a new element {key!r} has appeared", path)


def _part(kind: Type, key: str) -> Type:
    if isinstance(kind, Map):
        return kind.element
    assert isinstance(kind, Object)
    return kind.attributes[key]


def _lists(
    kind: Type, planned: list[Value], actual: list[Value], path: Path
) -> Iterator[CtyError]:
    if len(planned) != len(actual):
        yield CtyError(f"had {len(planned)} elements, but now {len(actual)}", path)
        return
    parts = list(kind.parts)
    for index, pair in enumerate(zip(planned, actual, strict=True)):
        part = parts[index] if isinstance(kind, Tuple) else parts[0]
        yield from _values(part, *pair, path.element(index))


def _sets(
    is_same: Callable[[Value, Value], bool],
    planned: SetValue,
    actual: SetValue,
    path: Path,
) -> Iterator[CtyError]:
    """Compare sets, each element of which must have become one of the other's.

    Elements that were unknown may turn out equal, so there may be fewer in the end.
    """
    for each in planned:
        if not any(is_same(each, other) for other in actual):
            yield CtyError(f"the planned element {each!r} has vanished", path)
            return
    for each in actual:
        if not any(is_same(other, each) for other in planned):
            yield CtyError(f"the element {each!r} was not planned", path)
    if len(actual) > len(planned):
        yield CtyError(f"had {len(planned)} elements, but now {len(actual)}", path)


# Blocks


def _blocks(
    nested: NestedBlock, planned: Value, actual: Value, path: Path
) -> Iterator[CtyError]:
    if nested.nesting in {Nesting.SINGLE, Nesting.GROUP}:
        if not isinstance(planned, Unknown):
            yield from result_problems(nested.block, planned, actual, path)
        return
    if any(each is None or isinstance(each, Unknown) for each in (planned, actual)):
        return
    if nested.nesting is Nesting.SET:
        yield from _sets(
            lambda one, other: not any(result_problems(nested.block, one, other, path)),
            planned,
            actual,
            path,
        )
    elif len(planned) != len(actual):
        yield CtyError(f"had {len(planned)} blocks, but now {len(actual)}", path)
    else:
        keys = list(planned) if isinstance(planned, dict) else range(len(planned))
        for key in keys:
            if isinstance(actual, dict) and key not in actual:
                yield CtyError(f"the block {key!r} has vanished", path)
                continue
            below = path.element(key)
            yield from result_problems(nested.block, planned[key], actual[key], below)
