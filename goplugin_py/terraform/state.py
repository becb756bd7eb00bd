"""What exists of a resource, as its provider knows it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from goplugin_py.terraform.cty import Type, Value, to_json, to_python

__all__ = ["State"]


@dataclass(frozen=True)
class State(Mapping[str, Any]):
    """The state of one resource, to be kept and handed to the next plan.

    It is a mapping of the attributes' values, which are plain Python (`cty.values`).

    Attributes:
        type_name: The resource's type, such as `time_sleep`.
        value: All attributes and blocks.
        type: The type of the value.
        private: What the provider keeps for itself; opaque, and part of the state.
        identity: What identifies the resource, where the provider has that.
        schema_version: The version of the provider's schema for the resource.
        identity_schema_version: The version of the schema of its identity.
        is_tainted: Its creation failed halfway, so the next plan replaces it.
    """

    type_name: str
    value: dict[str, Value]
    type: Type = field(repr=False)
    private: bytes = b""
    identity: Value = None
    schema_version: int = 0
    identity_schema_version: int = 0
    is_tainted: bool = False

    def __getitem__(self, name: str) -> Any:
        return to_python(self.value[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self.value)

    def __len__(self) -> int:
        return len(self.value)

    def to_python(self) -> dict[str, Any]:
        """Return the attributes as plain Python, all the way down."""
        return dict(self)

    def to_json(self) -> bytes:
        """Return the attributes as Terraform's state file has them."""
        return to_json(self.value, self.type)
