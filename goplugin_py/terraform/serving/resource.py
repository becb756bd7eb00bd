"""Managed resources, as authors write them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from goplugin_py.terraform.serving.model import Model

__all__ = ["MovedState", "Resource"]


@dataclass(frozen=True)
class MovedState:
    """A state of another resource type, which is to become one of this type.

    Attributes:
        provider: The address of the provider that it is from.
        type_name: The resource type that it is of.
        version: The version of the schema that it was stored with.
        attributes: What was stored, as JSON has it.
        private: What the other provider kept with it.
    """

    provider: str
    type_name: str
    version: int
    attributes: Mapping[str, Any]
    private: bytes


class Resource(Model):
    """A resource type; an instance is one resource, as planned or as it exists.

    A subclass declares attributes and defines `create` and `delete`, and usually `read`
    and `update`. Without `update`, each change replaces the resource.

    Each method works on the attributes of the instance. What is computed is `UNKNOWN`
    until `create` or `update` has set it. The methods run on threads, several at once
    for different resources.
    """

    type_name: ClassVar[str] = ""
    """The name in configurations; by default the provider's and that of the class,
    such as `demo_big_file` for `BigFile`."""

    schema_version: ClassVar[int] = 0
    """To be raised when stored states have to be changed by `upgrade_state`."""

    identity: ClassVar[Sequence[str]] = ()
    """The attributes that identify a resource, for imports by identity and more."""

    identity_version: ClassVar[int] = 0
    """The version of the identity's form."""

    deprecated: ClassVar[str] = ""
    """Why the resource should not be used any more, and what instead."""

    @property
    def provider(self) -> Any:
        """The provider, configured."""
        return vars(self)["_provider"]

    @property
    def config(self) -> Self:
        """What is configured, and nothing else; write-only attributes are here.

        Raises:
            RuntimeError: In `read`, `delete` and the like nothing is configured.
        """
        config: Self | None = vars(self).get("_config")
        if config is None:
            raise RuntimeError("there is a configuration in plan, create and update")
        return config

    @property
    def private(self) -> dict[str, Any]:
        """What is kept with the state for the provider alone; JSON can hold it."""
        private: dict[str, Any] = vars(self).setdefault("_private", {})
        return private

    def require_replace(self, *path: str | int) -> None:
        """Say, in `plan`, that the change of an attribute can't be an update."""
        vars(self).setdefault("_replacing", []).append(path)

    def save(self) -> None:
        """Say, in `create` or `update`, that what the attributes say now exists.

        If the rest fails, they are kept as the state. Without it the state stays what
        it was before: nothing, in `create`, so that nobody will delete what was made.
        """
        vars(self)["_is_saved"] = True

    # What a subclass may define

    def validate(self) -> None:
        """Check a configuration; attributes may be `UNKNOWN`."""

    def plan(self, prior: Self | None) -> None:
        """Change what is planned: only what is computed and not configured.

        Args:
            prior: What exists; None if nothing does yet.
        """

    def plan_destroy(self) -> None:
        """Refuse to plan the end of the resource, or warn."""

    def create(self) -> None:
        """Create the resource, and set all that is `UNKNOWN`."""
        raise NotImplementedError

    def read(self) -> None:
        """Set the attributes to what exists; raise `Gone` if nothing does any more."""

    def update(self, prior: Self) -> None:
        """Make of what exists what is planned, and set all that is `UNKNOWN`.

        Args:
            prior: What exists.
        """
        raise NotImplementedError

    def delete(self) -> None:
        """Destroy the resource; that it is gone already is no error."""
        raise NotImplementedError

    def import_state(self, id: str) -> None:  # noqa: A002 - Terraform's word
        """Set the attributes that `read` needs to find the resource of an id."""
        raise NotImplementedError

    @classmethod
    def upgrade_state(
        cls, attributes: dict[str, Any], version: int
    ) -> Mapping[str, Any]:
        """Return the attributes of a state that an older version has stored.

        Args:
            attributes: What was stored, as JSON has it; it may be changed.
            version: The `schema_version` that it was stored with.
        """
        raise NotImplementedError

    @classmethod
    def move_state(cls, source: MovedState) -> Mapping[str, Any] | None:
        """Return the attributes that a state of another type becomes; None if none."""
        raise NotImplementedError
