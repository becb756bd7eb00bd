"""What is wrong with a configuration, beyond its types."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from goplugin_py.terraform.cty import CtyError, Path, Unknown, Value
from goplugin_py.terraform.diagnostics import Diagnostic, error, misfit
from goplugin_py.terraform.schema import Nesting
from goplugin_py.terraform.serving.fields import AttributeSpec
from goplugin_py.terraform.serving.layout import Field, Layout

__all__ = ["invalid_values"]

SUMMARY = "Invalid attribute value"


def invalid_values(
    layout: Layout, config: Value, path: Path | None = None
) -> Iterator[Diagnostic]:
    """Yield what validators and annotations refuse in a configuration."""
    path = path or Path()
    if config is None or isinstance(config, Unknown):
        return
    for name, field in layout.fields.items():
        value, below = config[name], path.attribute(name)
        if value is None or isinstance(value, Unknown):
            continue
        if field.layout is None:
            yield from _invalid(field, value, below)
        else:
            yield from _inside(field, field.layout, value, below)


def _inside(
    field: Field, layout: Layout, value: Value, path: Path
) -> Iterator[Diagnostic]:
    problems = list(_objects(field, layout, value, path))
    yield from problems
    # A validator of the whole sees only what is valid itself.
    if not problems:
        yield from _invalid(field, value, path)


def _objects(
    field: Field, layout: Layout, value: Value, path: Path
) -> Iterator[Diagnostic]:
    if field.shape.nesting in {Nesting.SINGLE, Nesting.GROUP}:
        yield from invalid_values(layout, value, path)
        return
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, each in items:
        yield from invalid_values(layout, each, path.element(key))


def _invalid(field: Field, value: Value, path: Path) -> Iterator[Diagnostic]:
    try:
        seen = field.shape.loaded(value)
        field.shape.checked(seen)
    except CtyError as exc:
        yield misfit(SUMMARY, exc, path)
        return
    if isinstance(field.spec, AttributeSpec):
        yield from _refusals(field.spec, seen, path)


def _refusals(spec: AttributeSpec, seen: Any, path: Path) -> Iterator[Diagnostic]:
    for validator in spec.validators:
        try:
            validator(seen)
        except ValueError as exc:
            text = str(exc)
            yield error(SUMMARY, f"{text[:1].upper()}{text[1:]}", path)
