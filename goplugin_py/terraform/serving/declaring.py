"""From the annotations of a class to the layout of its attributes."""

from __future__ import annotations

import inspect
import typing
from dataclasses import replace
from functools import cache, partial
from typing import Any, ClassVar

from goplugin_py import ConfigError
from goplugin_py.terraform.cty import CtyError
from goplugin_py.terraform.schema import Nesting
from goplugin_py.terraform.serving.fields import AttributeSpec, BlockSpec
from goplugin_py.terraform.serving.layout import Field, Layout
from goplugin_py.terraform.serving.model import Model
from goplugin_py.terraform.serving.shapes import (
    Shape,
    as_set,
    shape_of,
    shape_of_type,
)

__all__ = ["layout_of"]

_KIT = __name__.rpartition(".")[0]


def layout_of(model: type[Model], outer: tuple[type[Model], ...] = ()) -> Layout:
    """Describe the attributes of a class.

    Args:
        model: The class.
        outer: The classes that it is inside of.

    Raises:
        ConfigError: It is not declared as it must be.
    """
    if model in outer:
        raise ConfigError(f"{model.__name__} has itself inside, and no value could")
    key: tuple[type, ...] = (
        model,
        *outer,
    )  # whose instances are no keys, but these are
    return _layout(key)


@cache
def _layout(key: tuple[type[Model], ...]) -> Layout:
    model = key[0]
    hints = _hints(model)
    names = [*hints, *(name for name in model.specs() if name not in hints)]
    fields = [_field(key, name, hints.get(name)) for name in names]
    return Layout(model, {field.name: field for field in sorted(fields, key=_name)})


def _name(field: Field) -> str:
    return field.name


def _hints(model: type[Model]) -> dict[str, Any]:
    """Return the annotations of the author's classes, evaluated."""
    own: dict[str, Any] = {}
    for base in reversed(model.__mro__):
        if base.__module__.startswith(_KIT) or base is object:
            continue
        try:
            evaluated = typing.get_type_hints(base)
        except NameError as exc:
            raise ConfigError(f"an annotation of {base.__name__}: {exc}") from exc
        own |= {name: evaluated[name] for name in inspect.get_annotations(base)}
    return {name: hint for name, hint in own.items() if _is_attribute(name, hint)}


def _is_attribute(name: str, hint: Any) -> bool:
    return name[0] != "_" and ClassVar not in {hint, typing.get_origin(hint)}


def _field(key: tuple[type[Model], ...], name: str, hint: Any) -> Field:
    model = key[0]
    try:
        _check_name(model, name)
        spec = model.specs().get(name)
        if spec is None:
            default = getattr(model, name, None)
            spec = (
                AttributeSpec() if default is None else AttributeSpec(default=default)
            )
        shape = _nested(_shape(spec, hint, key), spec.nesting)
        return _with_default(Field(name.removesuffix("_"), name, shape, spec))
    except (ConfigError, CtyError) as exc:
        raise ConfigError(f"{model.__name__}.{name}: {exc}") from exc


def _check_name(model: type[Model], name: str) -> None:
    for base in model.__mro__:
        if base.__module__.startswith(_KIT) and (
            name in vars(base) or name in inspect.get_annotations(base)
        ):
            raise ConfigError(
                f"{name!r} has a meaning of its own here: call the attribute {name}_"
            )


def _shape(
    spec: AttributeSpec | BlockSpec, hint: Any, key: tuple[type[Model], ...]
) -> Shape:
    if isinstance(spec, AttributeSpec) and spec.type is not None:
        return shape_of_type(spec.type)
    if hint is None:
        raise ConfigError("it needs an annotation, or attribute(type=...)")
    return shape_of(hint, partial(layout_of, outer=key))


def _nested(shape: Shape, nesting: Nesting | None) -> Shape:
    match nesting, shape.nesting:
        case (None, _):
            return shape
        case (Nesting.SET, Nesting.LIST):
            return as_set(shape)
        case (Nesting.GROUP, Nesting.SINGLE) if not shape.is_nullable:
            return replace(shape, nesting=nesting)
        case (same, other) if same is other:
            return shape
    raise ConfigError(f"the nesting {nesting} does not go with its annotation")


def _with_default(field: Field) -> Field:
    if not isinstance(field.spec, AttributeSpec) or not field.spec.has_default:
        return field
    return replace(field, default=field.shape.dumped(field.spec.default))
