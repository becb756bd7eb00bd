"""Providers, as authors write them."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from goplugin_py import ConfigError
from goplugin_py.terraform.serving.data_source import DataSource
from goplugin_py.terraform.serving.ephemeral_resource import EphemeralResource
from goplugin_py.terraform.serving.model import Model
from goplugin_py.terraform.serving.resource import Resource

__all__ = ["Provider", "provider_name", "snake_case"]


class Provider(Model):
    """A provider: what it is configured with, and what it offers.

    Each configuration makes a copy of the instance that is served; that copy is what
    resources, data sources and ephemeral resources see as `self.provider`.
    """

    type_name: ClassVar[str] = ""
    """What the names of all types begin with; by default the name of the class, such as
    `demo` for `DemoProvider`."""

    deprecated: ClassVar[str] = ""
    """Why it should not be used any more, and what instead."""

    resources: ClassVar[Sequence[type[Resource]]] = ()
    """The resource types."""

    data_sources: ClassVar[Sequence[type[DataSource]]] = ()
    """The data sources."""

    ephemeral_resources: ClassVar[Sequence[type[EphemeralResource]]] = ()
    """The ephemeral resources."""

    functions: ClassVar[Sequence[Callable[..., Any]]] = ()
    """The functions, which are Python's; `function` says more about one."""

    terraform_version: str = ""
    """The version of Terraform that configured the provider."""

    @property
    def stopping(self) -> threading.Event:
        """Set when Terraform asks for all that is going on to be given up."""
        stopping: threading.Event = vars(self).setdefault(
            "_stopping", threading.Event()
        )
        return stopping

    def validate(self) -> None:
        """Check a configuration; attributes may be `UNKNOWN`."""

    def configure(self) -> None:
        """Get ready for work; in a plan, some attributes may be `UNKNOWN`."""


def snake_case(name: str) -> str:
    """Return the name of a class as Terraform writes names."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    return words.lower()


def provider_name(provider: Provider) -> str:
    """Return what the names of a provider's types begin with.

    Raises:
        ConfigError: There is nothing to take it from.
    """
    if provider.type_name:
        return provider.type_name
    name = snake_case(type(provider).__name__).removesuffix("_provider")
    if name in {"", "provider"}:
        raise ConfigError("a provider needs a type_name, or a class of its own")
    return name
