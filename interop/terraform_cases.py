"""Providers, and resources of theirs, that several tests give to several programs."""

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from interop.fixtures import ROOT, binary

NOTES = "example.com/goplugin/notes"
SHELF = "example.com/goplugin/shelf"
TIME = "registry.terraform.io/hashicorp/time"

EXAMPLE = ROOT / "examples" / "terraform_provider"


def executables() -> dict[str, Path]:
    """Return where the providers are, by address: two in Go, and one in Python."""
    return {
        TIME: binary("terraform-provider-time"),
        SHELF: binary("terraform-provider-shelf"),
        NOTES: EXAMPLE / "terraform-provider-notes",
    }


@dataclass(frozen=True, slots=True)
class Case:
    """A resource, and how it is configured, first and later."""

    address: str
    type_name: str
    config: dict[str, Any]
    later: dict[str, Any]
    is_kept: bool = True
    """False if the provider has forgotten it when its process has ended."""

    def __str__(self) -> str:
        return self.type_name

    @property
    def requirements(self) -> dict[str, Any]:
        """The part of a configuration that names the provider."""
        kind = self.address.rpartition("/")[2]
        return {"required_providers": {kind: {"source": self.address}}}


# Everything that a box of the shelf provider can have.
FULL: dict[str, Any] = {
    "name": "a",
    "weight": Decimal("0.1"),
    "code": "c",
    "secret": "s",
    "labels": {"k": "v"},
    "tags": {"x", "y"},
    "content": {"deep": [1, "a", True]},
    "lock": {"name": "l"},
    "items": [{"name": "i"}, {"name": "j"}],
    "parts": {"p": {"name": "q"}},
    "stamps": [{"name": "s"}, {"name": "t"}],
    "slot": [{"name": "n"}, {"name": "o"}],
    "side": [{"name": "b"}, {"name": "c"}],
    "lid": {"colour": "red"},
}
# In JSON, and as Terraform 1.5 takes it, which has no write-only attributes.
BOX = {key: value for key, value in FULL.items() if key != "secret"} | {
    "tags": ["x", "y"]
}
BASE = {"base_rfc3339": "2020-02-12T06:36:13Z"}
NOTE = {"title": "A title", "text": "one <two> & three", "tags": ["b", "a"]}

CASES = [
    Case(TIME, "time_offset", BASE | {"offset_days": 7}, BASE | {"offset_hours": 1}),
    Case(
        *(TIME, "time_static", {"rfc3339": "2020-02-12T06:36:13Z"}),
        {"rfc3339": "2021-02-12T06:36:13Z", "triggers": {"a": "b"}},
    ),
    Case(SHELF, "shelf_box", BOX, BOX, is_kept=False),
    Case(NOTES, "notes_note", NOTE, NOTE | {"text": "less", "tags": ["a"]}),
]
