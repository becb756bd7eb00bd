"""Functions of providers, to be called like Python's."""

from collections.abc import Sequence
from typing import Any

from goplugin_py.terraform.connection import Connection
from goplugin_py.terraform.cty import (
    UNKNOWN,
    CtyError,
    Index,
    Path,
    Value,
    from_python,
    is_wholly_known,
    to_python,
)
from goplugin_py.terraform.diagnostics import Diagnostic, error, misfit
from goplugin_py.terraform.errors import FunctionFailed, InvalidAnswer, InvalidConfig
from goplugin_py.terraform.schema import Function, Parameter

__all__ = ["ProviderFunction"]


class ProviderFunction:
    """A function of a provider, which needs no configuration to be called.

    Attributes:
        schema: What it takes and returns.
    """

    def __init__(self, schema: Function, connection: Connection) -> None:
        self.schema = schema
        self._connection = connection

    def __call__(self, *arguments: object) -> Any:
        """Call it, and return its result as plain Python.

        The result is `UNKNOWN` where an argument is and the function can't do with it.

        Raises:
            InvalidConfig: The arguments do not fit; the provider was not asked.
            FunctionFailed: The function refuses them.
            InvalidAnswer: The result is not of the type that the schema says.
        """
        parameters = self._parameters(len(arguments))
        values = self._values(parameters, arguments)
        for parameter, value in zip(parameters, values, strict=True):
            if not parameter.allows_unknown and not is_wholly_known(value):
                return UNKNOWN
        protocol = self._connection.protocol
        answer = self._connection.call(
            "CallFunction",
            name=self.schema.name,
            arguments=[
                protocol.pack(value, parameter.type)
                for parameter, value in zip(parameters, values, strict=True)
            ],
        )
        if answer.HasField("error"):
            raise self._failed(answer.error, parameters)
        try:
            return to_python(protocol.unpack(answer.result, self.schema.result))
        except CtyError as exc:
            raise InvalidAnswer(
                [misfit("Function returned a wrong type", exc)]
            ) from exc

    def _parameters(self, count: int) -> list[Parameter]:
        known = list(self.schema.parameters)
        if self.schema.variadic and count > len(known):
            known += [self.schema.variadic] * (count - len(known))
        if len(known) != count:
            least = " or more" if self.schema.variadic else ""
            detail = f"{self.schema.name} takes {len(known)}{least}, not {count}."
            raise InvalidConfig([error("Wrong number of arguments", detail)])
        return known

    def _values(
        self, parameters: Sequence[Parameter], arguments: Sequence[object]
    ) -> list[Value]:
        problems: list[Diagnostic] = []
        values = [
            self._value(index, *pair, problems)
            for index, pair in enumerate(zip(parameters, arguments, strict=True))
        ]
        if problems:
            raise InvalidConfig(problems)
        return values

    def _value(
        self,
        index: int,
        parameter: Parameter,
        argument: object,
        problems: list[Diagnostic],
    ) -> Value:
        path = Path([Index(index)])
        if argument is None and not parameter.allows_null:
            detail = f"{parameter.name} must not be null."
            problems.append(error("Invalid function argument", detail, path))
            return None
        try:
            return from_python(argument, parameter.type)
        except CtyError as exc:
            problems.append(misfit(f"Invalid value for {parameter.name}", exc, path))
            return None

    def _failed(self, failure: Any, parameters: Sequence[Parameter]) -> FunctionFailed:
        summary = f"Error in function {self.schema.name}"
        if not failure.HasField("function_argument"):
            return FunctionFailed([error(summary, failure.text)])
        position = failure.function_argument
        path = Path([Index(position)])
        names = dict(enumerate(each.name for each in parameters))
        place = f" in {names[position]}" if position in names else ""
        told = [error(f"{summary}{place}", failure.text, path)]
        return FunctionFailed(told, position)
