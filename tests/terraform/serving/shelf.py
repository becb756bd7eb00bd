"""The Go provider of go-fixtures/terraform-provider-shelf, in Python.

    shelf.py [VERSION]

Without its lists and actions. What differs between the two differs from
terraform-plugin-framework.
"""

import itertools
import sys
import threading
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from goplugin_py import serve
from goplugin_py.terraform.serving import (
    UNKNOWN,
    DataSource,
    EphemeralResource,
    Gone,
    Nested,
    Nesting,
    Provider,
    ProviderError,
    Resource,
    attribute,
    block,
    function,
    serve_config,
    warn,
)

# The boxes by id, while the provider runs.
BOXES: dict[str, dict[str, Any]] = {}
NUMBERS = itertools.count(1)
LOCK = threading.Lock()


class Part(Nested):
    name: str
    serial: str = attribute(computed=True)


class Lid(Nested):
    colour: str | None
    serial: str = attribute(computed=True)


class Box(Resource):
    schema_version = 1
    identity = ("id",)

    id: str = attribute(computed=True, stable=True)
    name: str = attribute(requires_replace=True)
    size: Decimal | int | float = attribute(default=1)
    weight: Decimal | int | float | None
    code: str | None = attribute(sensitive=True)
    secret: str | None = attribute(write_only=True)
    labels: dict[str, str] | None
    tags: set[str] | None
    content: Any | None
    lock: Part | None = attribute(computed=True)
    items: list[Part] | None
    parts: dict[str, Part] | None
    stamps: list[Part] | None = attribute(nesting=Nesting.SET)
    slot: list[Part] = block()
    side: list[Part] = block(nesting=Nesting.SET)
    lid: Lid | None = block()

    def create(self) -> None:
        self.id = f"box-{next(NUMBERS)}"
        self._complete()
        self.private["made"] = {"by": "shelf"}
        if self.name == "broken":
            self.save()
            raise ProviderError("Broken box", "It fell.", path="name")

    def update(self, prior: "Box") -> None:
        self._complete()

    def _complete(self) -> None:
        if self.lock is UNKNOWN:
            self.lock = None
        inside: list[Any] = [self.lock, self.lid, *self.slot, *self.side]
        inside += [*(self.items or ()), *(self.parts or {}).values()]
        for part in [*inside, *(self.stamps or ())]:
            if part is not None and part.serial is UNKNOWN:
                part.serial = f"made for {self.id}"
        self.secret = None
        BOXES[self.id] = {n: v for n, v in vars(self).items() if n[0] != "_"}

    def read(self) -> None:
        if self.id not in BOXES:
            raise Gone
        vars(self).update(BOXES[self.id])

    def delete(self) -> None:
        BOXES.pop(self.id, None)

    def import_state(self, id: str) -> None:  # noqa: A002
        self.id = id

    @classmethod
    def upgrade_state(cls, attributes: dict[str, Any], version: int) -> dict[str, Any]:
        return {"name": "upgraded"}


class Owner(DataSource):
    title: str | None
    name: str = attribute(computed=True)

    def read(self) -> None:
        self.name = f"{self.title or ''} {self.provider.owner or ''}".strip()


class Key(EphemeralResource):
    box: str
    teeth: str = attribute(computed=True)

    def open(self) -> None:
        self.teeth = f"of {self.box}"
        self.private["renewed"] = False
        if self.box == "old":
            self.renew_at(datetime.now(UTC))

    def renew(self) -> None:
        self.private["renewed"] = True

    def close(self) -> None:
        warn("Key thrown away", f"renewed: {str(self.private['renewed']).lower()}")


@function()
def describe(size: Decimal | int | float, *words: str) -> str:
    """Describe a box"""  # noqa: D415
    if size < 0:
        raise ProviderError("a box has no negative size", path="size")
    return " ".join([str(size), *words])


class Shelf(Provider):
    owner: str | None
    resources = (Box,)
    data_sources = (Owner,)
    ephemeral_resources = (Key,)
    functions = (describe,)


if __name__ == "__main__":
    serve(serve_config(Shelf(), versions=[int(each) for each in sys.argv[1:]] or [6]))
