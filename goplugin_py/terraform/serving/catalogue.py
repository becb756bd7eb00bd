"""Everything that a provider offers, by Terraform's names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from goplugin_py import ConfigError
from goplugin_py.terraform.cty import Object
from goplugin_py.terraform.schema import (
    Block,
    IdentityAttribute,
    IdentitySchema,
    ProviderSchema,
    Schema,
    ServerCapabilities,
)
from goplugin_py.terraform.serving.declaring import layout_of
from goplugin_py.terraform.serving.layout import Layout
from goplugin_py.terraform.serving.model import Model
from goplugin_py.terraform.serving.provider import (
    Provider,
    provider_name,
    snake_case,
)
from goplugin_py.terraform.serving.resource import Resource
from goplugin_py.terraform.serving.served_function import (
    ServedFunction,
    described_function,
)

__all__ = ["Catalogue", "Kind", "overrides"]


def overrides(model: type[Resource], method: str) -> bool:
    """Tell whether a resource defines a method that it need not."""
    mine, ours = getattr(model, method), getattr(Resource, method)
    return getattr(mine, "__func__", mine) is not getattr(ours, "__func__", ours)


@dataclass(frozen=True)
class Kind:
    """One type that a provider offers.

    Attributes:
        type_name: Terraform's name for it.
        model: The author's class.
    """

    type_name: str
    model: Any

    @cached_property
    def layout(self) -> Layout:
        """The attributes of the class."""
        return layout_of(self.model)

    @cached_property
    def block(self) -> Block:
        """The schema without its version."""
        return self.layout.schema

    @property
    def schema(self) -> Schema:
        """The schema."""
        return Schema(getattr(self.model, "schema_version", 0), self.block)

    @cached_property
    def identity(self) -> IdentitySchema | None:
        """What identifies a resource of the type."""
        names = tuple(getattr(self.model, "identity", ()))
        kind = self.block.type
        assert isinstance(kind, Object)
        if missing := [name for name in names if name not in kind.attributes]:
            raise ConfigError(
                f"{self.model.__name__}.identity has {missing[0]!r}, which is no "
                "attribute of it"
            )
        parts = {
            name: IdentityAttribute(
                name, kind.attributes[name], is_required_for_import=True
            )
            for name in names
        }
        return IdentitySchema(self.model.identity_version, parts) if parts else None


class Catalogue:
    """What a provider offers; each part is described when it is asked for."""

    def __init__(self, provider: Provider) -> None:
        self.type_name = provider_name(provider)
        self.provider = Kind(self.type_name, type(provider))
        self.resources = self._kinds(provider.resources)
        self.data_sources = self._kinds(provider.data_sources)
        self.ephemeral_resources = self._kinds(provider.ephemeral_resources)
        self._functions = provider.functions

    def _kinds(self, models: Iterable[type[Model]]) -> Mapping[str, Kind]:
        kinds: dict[str, Kind] = {}
        for model in models:
            suffix = snake_case(model.__name__)
            name = getattr(model, "type_name", "") or f"{self.type_name}_{suffix}"
            if name in kinds:
                raise ConfigError(f"{name} is offered twice: set type_name of one")
            kinds[name] = Kind(name, model)
        return kinds

    @cached_property
    def functions(self) -> Mapping[str, ServedFunction]:
        """The functions by name."""
        described = map(described_function, self._functions)
        return {each.schema.name: each for each in described}

    @cached_property
    def provider_schema(self) -> Schema:
        """The schema of the provider's configuration."""
        block = self.provider.block
        attributes = {
            # A default is no state that the provider could decide on.
            name: replace(each, is_computed=False)
            for name, each in block.attributes.items()
        }
        return Schema(0, replace(block, attributes=attributes))

    @property
    def capabilities(self) -> ServerCapabilities:
        """What the provider can do."""
        resources = (kind.model for kind in self.resources.values())
        return ServerCapabilities(
            plan_destroy=True,
            get_provider_schema_optional=True,
            move_resource_state=any(
                overrides(each, "move_state") for each in resources
            ),
        )

    @property
    def schema(self) -> ProviderSchema:
        """All of it.

        Raises:
            ConfigError: Something is not declared as it must be.
        """
        for kind in self.resources.values():
            _check_methods(kind.model, "create", "delete")
        for kind in (
            self.provider,
            *self.data_sources.values(),
            *self.ephemeral_resources.values(),
        ):
            _check_states(kind)
        return ProviderSchema(
            provider=self.provider_schema,
            provider_meta=None,
            resources=_each(self.resources, lambda kind: kind.schema),
            data_sources=_each(self.data_sources, lambda kind: kind.schema),
            functions={name: each.schema for name, each in self.functions.items()},
            ephemeral_resources=_each(
                self.ephemeral_resources, lambda kind: kind.schema
            ),
            list_resources={},
            actions={},
            identities=self.identities,
            capabilities=self.capabilities,
        )

    @property
    def identities(self) -> dict[str, IdentitySchema]:
        """The identities of the resource types that have one."""
        found = {name: kind.identity for name, kind in self.resources.items()}
        return {name: each for name, each in found.items() if each is not None}

    @property
    def nested_attributes(self) -> list[str]:
        """Where there are nested attributes, which protocol 5 does not know."""
        kinds = [
            self.provider,
            *self.resources.values(),
            *self.data_sources.values(),
            *self.ephemeral_resources.values(),
        ]
        return [
            f"{kind.type_name}.{name}"
            for kind in kinds
            for name in kind.layout.nested_attributes
        ]


def _each(kinds: Mapping[str, Kind], of: Callable[[Kind], Schema]) -> dict[str, Schema]:
    return {name: of(kind) for name, kind in kinds.items()}


def _check_states(kind: Kind) -> None:
    if kind.block.has_write_only:
        raise ConfigError(
            f"{kind.model.__name__} is in no state, and so can't have write-only "
            "attributes"
        )


def _check_methods(model: type[Resource], *methods: str) -> None:
    for method in methods:
        if not overrides(model, method):
            raise ConfigError(f"{model.__name__} needs a method {method}()")
