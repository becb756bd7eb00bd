"""A function of Python with all that Terraform has to know of it."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from goplugin_py import ConfigError
from goplugin_py.terraform.cty import CtyError, Index, Value
from goplugin_py.terraform.schema import Function, Parameter
from goplugin_py.terraform.serving.declaring import layout_of
from goplugin_py.terraform.serving.function_spec import FunctionSpec, spec_of
from goplugin_py.terraform.serving.layout import description_of
from goplugin_py.terraform.serving.shapes import Shape, below, shape_of

__all__ = ["ServedFunction", "described_function"]

_POSITIONAL = (
    inspect.Parameter.POSITIONAL_ONLY,
    inspect.Parameter.POSITIONAL_OR_KEYWORD,
)


@dataclass(frozen=True)
class ServedFunction:
    """What there is to call.

    Attributes:
        schema: What Terraform knows of it.
        call: The function of Python's.
        shapes: How its arguments look; the last one is that of all further ones.
        result: How its result looks.
    """

    schema: Function
    call: Callable[..., Any]
    shapes: Sequence[Shape]
    result: Shape

    def shapes_of(self, count: int) -> Iterator[Shape]:
        """Yield the shapes of a number of arguments."""
        named = len(self.schema.parameters)
        for index in range(count):
            yield self.shapes[min(index, named)]

    def called(self, values: Sequence[Value]) -> Value:
        """Call it with values, and return the value of its result.

        Raises:
            CtyError: An argument is not of what an annotation allows.
        """
        shapes = self.shapes_of(len(values))
        arguments = [
            below(Index(index), shape.argument, value)
            for index, (shape, value) in enumerate(zip(shapes, values, strict=True))
        ]
        returned = self.call(*arguments)
        try:
            return self.result.dumped(returned)
        except CtyError as exc:
            name = self.schema.name
            raise TypeError(
                f"{name} returned something else than it says: {exc}"
            ) from exc

    def position(self, name: str) -> int | None:
        """Return the position of a parameter."""
        parameters = [*self.schema.parameters, self.schema.variadic]
        names = [each.name for each in parameters if each is not None]
        return names.index(name) if name in names else None


def described_function(function: Callable[..., Any]) -> ServedFunction:
    """Describe a function by its signature and docstring.

    Raises:
        ConfigError: Terraform can't have such a function.
    """
    spec = spec_of(function)
    name = spec.name or function.__name__
    try:
        return _described(function, spec, name)
    except ConfigError as exc:
        raise ConfigError(f"function {name}: {exc}") from exc


def _described(
    function: Callable[..., Any], spec: FunctionSpec, name: str
) -> ServedFunction:
    hints = typing.get_type_hints(function)
    signature = inspect.signature(function).parameters.values()
    shapes = [_shape(hints, each.name) for each in signature]
    parameters: list[Parameter] = []
    variadic = None
    for each, shape in zip(signature, shapes, strict=True):
        parameter = Parameter(
            each.name, shape.type, shape.is_nullable, spec.allows_unknown
        )
        if each.kind is inspect.Parameter.VAR_POSITIONAL:
            variadic = parameter
        elif each.kind in _POSITIONAL and each.default is inspect.Parameter.empty:
            parameters.append(parameter)
        else:
            raise ConfigError(
                f"the parameter {each.name!r} can't be named or left out: in Terraform "
                "all arguments have positions; use None, or *args"
            )
    text = description_of(function)
    summary, more, _ = text.partition("\n")
    result = _shape(hints, "return")
    schema = Function(
        name,
        tuple(parameters),
        variadic,
        result.type,
        summary,
        text if more else "",
        spec.deprecated,
    )
    return ServedFunction(schema, function, shapes, result)


def _shape(hints: dict[str, Any], name: str) -> Shape:
    if name not in hints:
        raise ConfigError(f"{name!r} needs an annotation")
    return shape_of(hints[name], layout_of)
