"""A Terraform provider, run by Python, for asyncio."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar

from goplugin_py import LocalProtocolError
from goplugin_py.aio import Client
from goplugin_py.aio.affinity import Affinity
from goplugin_py.aio.threads import in_thread
from goplugin_py.terraform.aio.action import ProviderAction
from goplugin_py.terraform.aio.data_source import DataSource
from goplugin_py.terraform.aio.ephemeral import EphemeralResource
from goplugin_py.terraform.aio.function import ProviderFunction
from goplugin_py.terraform.aio.listing import ListResource
from goplugin_py.terraform.aio.opening import Opening
from goplugin_py.terraform.aio.operation import Operation
from goplugin_py.terraform.aio.operations import Operations
from goplugin_py.terraform.aio.resource import Resource
from goplugin_py.terraform.connection import Connection
from goplugin_py.terraform.protocol import Protocol
from goplugin_py.terraform.provider import client_config, known
from goplugin_py.terraform.provider_calls import TERRAFORM_VERSION, ProviderCalls
from goplugin_py.terraform.schema import ProviderSchema
from goplugin_py.terraform.search import find_provider

__all__ = ["Provider"]

T = TypeVar("T")


class Provider:
    """A provider that runs; see `goplugin_py.terraform.Provider`.

    `Provider.launch` starts one. It is a context manager, and belongs to the event loop
    that it is made on.
    """

    def __init__(self, client: Client) -> None:
        """Take over a client, which starts on `async with`; `launch` makes one."""
        self._client = client
        self._affinity = Affinity("this provider")
        self._operations: Operations | None = None

    @classmethod
    def launch(
        cls,
        provider: str | os.PathLike[str],
        *arguments: str,
        version: str = "",
        **options: Any,
    ) -> Opening[Self]:
        """Start a provider, and read its schema.

        To be awaited, or used as the context manager at once.

        Args:
            provider: The path of its executable, or its name or address, such as
                `terraform-provider-time` or `hashicorp/time`, to be found where
                Terraform finds it (see `find_provider`).
            arguments: For the executable; providers take none.
            version: Of the provider, if it is to be found; else the highest.
            options: Of `ClientConfig`, such as `env` or `start_timeout`.

        Raises:
            ProviderNotFound: There is none of the name.
            LaunchError: It could not be started.
            DiagnosticError: It has no valid schema.
        """
        return Opening(cls._launch(provider, arguments, version, options))

    @classmethod
    async def _launch(
        cls,
        provider: str | os.PathLike[str],
        arguments: tuple[str, ...],
        version: str,
        options: Mapping[str, Any],
    ) -> Self:
        path = await in_thread(
            lambda: find_provider(provider, version=version), "find-provider"
        )
        started = cls(Client(client_config([str(path), *arguments], options)))
        await started.__aenter__()
        return started

    async def __aenter__(self) -> Self:
        self._affinity.check()
        if self._operations is None:
            try:
                await self._start()
            except BaseException:
                await self.close()
                raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def _start(self) -> None:
        await self._client.start()
        core = self._client._core  # noqa: SLF001 - which has a blocking channel
        connection = Connection(core, Protocol(core.negotiated_version))
        reading = Operation(connection)
        schema = await in_thread(
            lambda: ProviderCalls(reading).schema(), "schema", abort=reading.cancel
        )
        self._operations = Operations(self._affinity, connection, schema)

    async def close(self) -> None:
        """End the provider; idempotent."""
        await self._client.kill()

    async def stop(self) -> None:
        """Ask the provider to cancel what it is doing; it stays there.

        Calls that it was busy with return what they have done so far, as errors.

        Raises:
            DiagnosticError: It can't.
        """
        await self._run("stop", lambda calls: calls.stop())

    @property
    def client(self) -> Client:
        """The plugin that it runs as."""
        return self._client

    @property
    def protocol_version(self) -> int:
        """Which of the protocols it speaks: 5 or 6."""
        return self._started.connection.protocol.version

    @property
    def schema(self) -> ProviderSchema:
        """Everything in it; asked for at the start, and read where it is looked at."""
        return self._started.schema

    @property
    def _started(self) -> Operations:
        if self._operations is None:
            raise LocalProtocolError(
                "the provider was not started: use `async with provider`, or "
                "`await Provider.launch(...)`"
            )
        return self._operations

    async def _run(self, name: str, work: Callable[[ProviderCalls], T]) -> T:
        return await self._started.run(
            f"{name}-provider", lambda connection: work(ProviderCalls(connection))
        )

    async def validate_config(self, config: Mapping[str, object]) -> None:
        """Check the provider's own configuration, which may have unknown values.

        Raises:
            InvalidConfig: It does not fit the schema; the provider was not asked.
            DiagnosticError: The provider refuses it.
        """
        block = self.schema.provider.block
        await self._run("validate", lambda calls: calls.validate(block, config))

    async def configure(
        self,
        config: Mapping[str, object] | None = None,
        *,
        terraform_version: str = TERRAFORM_VERSION,
    ) -> None:
        """Configure the provider, which all but its functions need once.

        Args:
            config: The provider's own configuration.
            terraform_version: What to tell it about its host.

        Raises:
            InvalidConfig: It does not fit the schema; the provider was not asked.
            DiagnosticError: The provider refuses it.
        """
        block = self.schema.provider.block
        await self._run(
            "configure",
            lambda calls: calls.configure(block, config or {}, terraform_version),
        )

    # What is in it

    def resource(self, type_name: str) -> Resource:
        """Return a resource type.

        Raises:
            UnknownName: It has none of the name.
        """
        known(self.schema.resources, "resource", type_name)
        return Resource(type_name, self._started)

    def data_source(self, type_name: str) -> DataSource:
        """Return a data source.

        Raises:
            UnknownName: It has none of the name.
        """
        known(self.schema.data_sources, "data source", type_name)
        return DataSource(type_name, self._started)

    def function(self, name: str) -> ProviderFunction:
        """Return a function, to be called like a coroutine function of Python.

        Raises:
            UnknownName: It has none of the name.
        """
        schema = known(self.schema.functions, "function", name)
        return ProviderFunction(schema, self._started)

    def ephemeral_resource(self, type_name: str) -> EphemeralResource:
        """Return an ephemeral resource type.

        Raises:
            UnknownName: It has none of the name.
        """
        known(self.schema.ephemeral_resources, "ephemeral resource", type_name)
        return EphemeralResource(type_name, self._started)

    def list_resource(self, type_name: str) -> ListResource:
        """Return a list resource.

        Raises:
            UnknownName: It has none of the name.
        """
        known(self.schema.list_resources, "list resource", type_name)
        known(self.schema.resources, "resource", type_name)
        return ListResource(type_name, self._started)

    def action(self, type_name: str) -> ProviderAction:
        """Return an action.

        Raises:
            UnknownName: It has none of the name.
        """
        known(self.schema.actions, "action", type_name)
        return ProviderAction(type_name, self._started)
