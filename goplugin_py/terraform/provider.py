"""A Terraform provider, run by Python."""

from __future__ import annotations

import os
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self, TypeVar

from goplugin_py import Client, ClientConfig, Plugin
from goplugin_py.terraform.action import ProviderAction
from goplugin_py.terraform.connection import Connection
from goplugin_py.terraform.data_source import DataSource
from goplugin_py.terraform.ephemeral import EphemeralResource
from goplugin_py.terraform.errors import UnknownName
from goplugin_py.terraform.function import ProviderFunction
from goplugin_py.terraform.handshake import HANDSHAKE
from goplugin_py.terraform.listing import ListResource
from goplugin_py.terraform.protocol import VERSIONS, Protocol
from goplugin_py.terraform.provider_calls import TERRAFORM_VERSION, ProviderCalls
from goplugin_py.terraform.resource import Resource
from goplugin_py.terraform.schema import ProviderSchema
from goplugin_py.terraform.search import find_provider

__all__ = ["Provider", "client_config", "known"]

Known = TypeVar("Known")


class Provider:
    """A provider that runs: any, of protocol 5 or 6.

    `Provider.launch` starts one. It is a context manager, and its methods are safe from
    any thread.
    """

    def __init__(self, client: Client) -> None:
        """Take over a client; `launch` makes one."""
        self._client = client
        self._connection: Connection | None = None
        self._schema: ProviderSchema | None = None

    @classmethod
    def launch(
        cls,
        provider: str | os.PathLike[str],
        *arguments: str,
        version: str = "",
        **options: Any,
    ) -> Self:
        """Start a provider, and read its schema.

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
        path = find_provider(provider, version=version)
        started = cls(Client(client_config([str(path), *arguments], options)))
        try:
            _ = started.schema
        except BaseException:
            started.close()
            raise
        return started

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the provider; idempotent."""
        self._client.kill()

    def stop(self) -> None:
        """Ask the provider to cancel what it is doing; it stays there.

        Calls that it was busy with return what they have done so far, as errors.

        Raises:
            DiagnosticError: It can't.
        """
        self._calls.stop()

    @property
    def client(self) -> Client:
        """The plugin that it runs as."""
        return self._client

    @property
    def protocol_version(self) -> int:
        """Which of the protocols it speaks: 5 or 6."""
        return self._connected.protocol.version

    @property
    def _connected(self) -> Connection:
        if self._connection is None:
            self._client.start()
            version = self._client.negotiated_version
            self._connection = Connection(self._client, Protocol(version))
        return self._connection

    @property
    def _calls(self) -> ProviderCalls:
        return ProviderCalls(self._connected)

    @property
    def schema(self) -> ProviderSchema:
        """Everything in it; asked for once, and read where it is looked at.

        Raises:
            DiagnosticError: It can't tell.
            InvalidAnswer: It breaks the rules of schemas. Of one type only, it comes
                when that is looked at.
        """
        if self._schema is None:
            self._schema = self._calls.schema()
        return self._schema

    def validate_config(self, config: Mapping[str, object]) -> None:
        """Check the provider's own configuration, which may have unknown values.

        Raises:
            InvalidConfig: It does not fit the schema; the provider was not asked.
            DiagnosticError: The provider refuses it.
        """
        self._calls.validate(self.schema.provider.block, config)

    def configure(
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
        self._calls.configure(block, config or {}, terraform_version)

    # What is in it

    def resource(self, type_name: str) -> Resource:
        """Return a resource type.

        Raises:
            UnknownName: It has none of the name.
        """
        known(self.schema.resources, "resource", type_name)
        return Resource(type_name, self._connected, self.schema)

    def data_source(self, type_name: str) -> DataSource:
        """Return a data source.

        Raises:
            UnknownName: It has none of the name.
        """
        known(self.schema.data_sources, "data source", type_name)
        return DataSource(type_name, self._connected, self.schema)

    def function(self, name: str) -> ProviderFunction:
        """Return a function, to be called like one of Python's.

        Raises:
            UnknownName: It has none of the name.
        """
        schema = known(self.schema.functions, "function", name)
        return ProviderFunction(schema, self._connected)

    def ephemeral_resource(self, type_name: str) -> EphemeralResource:
        """Return an ephemeral resource type.

        Raises:
            UnknownName: It has none of the name.
        """
        known(self.schema.ephemeral_resources, "ephemeral resource", type_name)
        return EphemeralResource(type_name, self._connected, self.schema)

    def list_resource(self, type_name: str) -> ListResource:
        """Return a list resource.

        Raises:
            UnknownName: It has none of the name.
        """
        known(self.schema.list_resources, "list resource", type_name)
        known(self.schema.resources, "resource", type_name)
        return ListResource(type_name, self._connected, self.schema)

    def action(self, type_name: str) -> ProviderAction:
        """Return an action.

        Raises:
            UnknownName: It has none of the name.
        """
        known(self.schema.actions, "action", type_name)
        return ProviderAction(type_name, self._connected, self.schema)


def known(names: Mapping[str, Known], kind: str, name: str) -> Known:
    """Return what has a name.

    Raises:
        UnknownName: Nothing has; the error tells what there is.
    """
    if name not in names:
        known = ", ".join(names) or "none"
        raise UnknownName(f"the provider has no {kind} {name!r}; it has: {known}")
    return names[name]


def client_config(
    command: list[str] | None, options: Mapping[str, Any]
) -> ClientConfig:
    """Return how to start a provider, of either protocol, or to reattach to one."""
    return ClientConfig(
        command=command,
        handshake=HANDSHAKE,
        versioned_plugins={
            version: {"provider": Plugin.from_stub(_stub(version))}
            for version in VERSIONS
        },
        **options,
    )


def _stub(version: int) -> Any:
    """Return what makes the stub of a version; the other's messages stay unloaded."""

    def stub(channel: Any) -> Any:
        return Protocol(version).messages.ProviderStub(channel)

    return stub
