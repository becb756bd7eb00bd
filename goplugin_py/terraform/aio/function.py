"""Functions of providers, to be called like coroutine functions of Python."""

from __future__ import annotations

from typing import Any

from goplugin_py.terraform import function
from goplugin_py.terraform.aio.operations import Operations
from goplugin_py.terraform.schema import Function

__all__ = ["ProviderFunction"]


class ProviderFunction:
    """A function of a provider, which needs no configuration to be called.

    Attributes:
        schema: What it takes and returns.
    """

    def __init__(self, schema: Function, operations: Operations) -> None:
        self.schema = schema
        self._operations = operations

    async def __call__(self, *arguments: object) -> Any:
        """Call it, and return its result as plain Python.

        The result is `UNKNOWN` where an argument is and the function can't do with it.

        Raises:
            InvalidConfig: The arguments do not fit; the provider was not asked.
            FunctionFailed: The function refuses them.
            InvalidAnswer: The result is not of the type that the schema says.
        """
        return await self._operations.run(
            f"call-{self.schema.name}",
            lambda connection: function.ProviderFunction(self.schema, connection)(
                *arguments
            ),
        )
