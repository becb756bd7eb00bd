"""Ephemeral resources, as authors write them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from goplugin_py.terraform.serving.model import Model

__all__ = ["EphemeralResource"]


class EphemeralResource(Model):
    """An ephemeral resource, which is in no state: a password, a token, a tunnel.

    Only `private` is still there in `renew` and `close`.
    """

    type_name: ClassVar[str] = ""
    """The name in configurations; by default as of `Resource`."""

    deprecated: ClassVar[str] = ""
    """Why it should not be used any more, and what instead."""

    @property
    def provider(self) -> Any:
        """The provider, configured."""
        return vars(self)["_provider"]

    @property
    def private(self) -> dict[str, Any]:
        """What `renew` and `close` need to know; JSON can hold it."""
        private: dict[str, Any] = vars(self).setdefault("_private", {})
        return private

    def renew_at(self, moment: datetime) -> None:
        """Ask for `renew` to be called before a moment, which has a time zone."""
        if moment.tzinfo is None:
            raise ValueError("the moment needs a time zone: datetime.now(UTC), say")
        vars(self)["_renew_at"] = moment

    def validate(self) -> None:
        """Check a configuration; attributes may be `UNKNOWN`."""

    def open(self) -> None:
        """Open it, and set all that is computed."""
        raise NotImplementedError

    def renew(self) -> None:
        """Make it last longer, and ask for the next time if there must be one."""
        raise NotImplementedError

    def close(self) -> None:
        """End it."""
