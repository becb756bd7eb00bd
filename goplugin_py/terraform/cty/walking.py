"""Going through a value and all that is in it."""

from collections.abc import Callable, Iterator

from goplugin_py.terraform.cty.errors import CtyError
from goplugin_py.terraform.cty.paths import GetAttr, Index, Path, Step
from goplugin_py.terraform.cty.types import Object, Type
from goplugin_py.terraform.cty.values import UNKNOWN, SetValue, Typed, Unknown, Value

__all__ = [
    "follow",
    "is_wholly_known",
    "transform",
    "unknown_paths",
    "without_refinements",
    "without_unknown",
]


def transform(value: Value, change: Callable[[Value], Value]) -> Value:
    """Return the value with each part replaced, the innermost first."""
    match value:
        case SetValue():
            return change(SetValue(transform(each, change) for each in value))
        case list():
            return change([transform(each, change) for each in value])
        case dict():
            return change({k: transform(each, change) for k, each in value.items()})
        case Typed():
            return change(Typed(value.type, transform(value.value, change)))
    return change(value)


def without_refinements(value: Value) -> Value:
    """Return the value with nothing known about what is unknown."""
    return transform(value, lambda each: UNKNOWN if isinstance(each, Unknown) else each)


def without_unknown(value: Value) -> Value:
    """Return the value with null in place of all that is unknown."""
    return transform(value, lambda each: None if isinstance(each, Unknown) else each)


def is_wholly_known(value: Value) -> bool:
    """Tell whether nothing in the value is unknown."""
    match value:
        case Unknown():
            return False
        case list() | tuple():
            return all(map(is_wholly_known, value))
        case dict():
            return all(map(is_wholly_known, value.values()))
        case Typed():
            return is_wholly_known(value.value)
    return True


def unknown_paths(value: Value, kind: Type, path: Path | None = None) -> Iterator[Path]:
    """Yield where in a value of a type something is unknown."""
    path = path or Path()
    match value:
        case Unknown():
            yield path
        case list() | tuple():
            for index, each in enumerate(value):
                yield from unknown_paths(
                    each, _inside(kind, index), path.element(index)
                )
        case dict():
            for key, each in value.items():
                is_object = isinstance(kind, Object)
                below = path.attribute(key) if is_object else path.element(key)
                yield from unknown_paths(each, _inside(kind, key), below)
        case Typed():
            yield from unknown_paths(value.value, value.type, path)


def _inside(kind: Type, key: str | int) -> Type:
    if isinstance(kind, Object):
        return kind.attributes[str(key)]
    parts = list(kind.parts)
    return parts[int(key)] if len(parts) > 1 else parts[0]


def follow(value: Value, path: Path) -> Value:
    """Return what a path leads to.

    Raises:
        CtyError: It leads nowhere.
    """
    for taken, step in enumerate(path):
        value = _take(value, step, Path(path[: taken + 1]))
    return value


def _take(value: Value, step: Step, path: Path) -> Value:
    if isinstance(value, Typed):
        value = value.value
    if isinstance(value, Unknown):
        return UNKNOWN
    key = step.name if isinstance(step, GetAttr) else step.key
    is_index = isinstance(step, Index) and isinstance(key, int)
    if isinstance(value, dict) and key in value:
        return value[key]
    if isinstance(value, list) and is_index and 0 <= int(key) < len(value):
        return value[int(key)]
    raise CtyError("the path leads nowhere", path)
