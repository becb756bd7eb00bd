"""Where in a value something is."""

import json
from dataclasses import dataclass
from typing import TypeAlias

__all__ = ["GetAttr", "Index", "Path", "Step"]


@dataclass(frozen=True, slots=True)
class GetAttr:
    """The step to an attribute of an object."""

    name: str

    def __str__(self) -> str:
        return f".{self.name}"


@dataclass(frozen=True, slots=True)
class Index:
    """The step to an element: by key in a map, by position in a list or tuple.

    The elements of a set have no address that lasts. Where an error is in one, its
    position in the order of the set is given.
    """

    key: str | int

    def __str__(self) -> str:
        return f"[{json.dumps(self.key, ensure_ascii=False)}]"


Step: TypeAlias = GetAttr | Index


class Path(tuple[Step, ...]):
    """A way into a value, from the outside; its text is as in HCL: `rule[0].name`."""

    __slots__ = ()

    def attribute(self, name: str) -> "Path":
        """Return the path to an attribute of what this path leads to."""
        return Path((*self, GetAttr(name)))

    def element(self, key: str | int) -> "Path":
        """Return the path to an element of what this path leads to."""
        return Path((*self, Index(key)))

    def __str__(self) -> str:
        return "".join(map(str, self)).removeprefix(".")

    def __repr__(self) -> str:
        return f"Path({str(self)!r})"
