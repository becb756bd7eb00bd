"""Data sources, as authors write them."""

from __future__ import annotations

from typing import Any, ClassVar

from goplugin_py.terraform.serving.model import Model

__all__ = ["DataSource"]


class DataSource(Model):
    """A data source; an instance has what is configured, and then what was read."""

    type_name: ClassVar[str] = ""
    """The name in configurations; by default as of `Resource`."""

    deprecated: ClassVar[str] = ""
    """Why it should not be used any more, and what instead."""

    @property
    def provider(self) -> Any:
        """The provider, configured."""
        return vars(self)["_provider"]

    def validate(self) -> None:
        """Check a configuration; attributes may be `UNKNOWN`."""

    def read(self) -> None:
        """Set all that is computed."""
        raise NotImplementedError
