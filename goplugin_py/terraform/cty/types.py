"""The types of Terraform's values: go-cty's, without capsules.

Types compare by structure and can be keys. `str()` describes one in words.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from unicodedata import normalize

from goplugin_py.terraform.cty.errors import CtyError

__all__ = [
    "BOOL",
    "DYNAMIC",
    "MAX_DEPTH",
    "NUMBER",
    "STRING",
    "List",
    "Map",
    "Object",
    "Primitive",
    "Set",
    "Tuple",
    "Type",
]

# Types inside of types. The deepest of real providers' schemas have about 40; a codec
# takes five of Python's 1000 nested calls for each.
MAX_DEPTH = 100


class Type(ABC):
    """What a value may be."""

    @property
    @abstractmethod
    def parts(self) -> Iterable["Type"]:
        """The types directly inside of this one."""

    @cached_property
    def depth(self) -> int:
        """How many types are inside of each other, this one included."""
        depth = 1 + max((part.depth for part in self.parts), default=0)
        if depth > MAX_DEPTH:
            raise CtyError(f"a type may be nested {MAX_DEPTH} deep, no deeper")
        return depth

    @cached_property
    def has_dynamic(self) -> bool:
        """Whether `DYNAMIC` is anywhere in it."""
        return self is DYNAMIC or any(part.has_dynamic for part in self.parts)

    def without_optional(self) -> "Type":
        """Return the type with all attributes required, as those of values are."""
        return self


@dataclass(frozen=True)
class Primitive(Type):
    """A type without parts; there are four, as constants."""

    name: str

    @property
    def parts(self) -> Iterable[Type]:
        """Nothing."""
        return ()

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return self.name.upper()

    def __reduce__(self) -> str:
        return self.name.upper()


BOOL = Primitive("bool")
NUMBER = Primitive("number")
STRING = Primitive("string")
# Any type: each value brings its own.
DYNAMIC = Primitive("dynamic")


@dataclass(frozen=True)
class _Collection(Type):
    element: Type

    def __post_init__(self) -> None:
        _ = self.depth

    @property
    def parts(self) -> Iterable[Type]:
        """The type of the elements."""
        return (self.element,)

    def without_optional(self) -> Type:
        return type(self)(self.element.without_optional())

    def __str__(self) -> str:
        return f"{type(self).__name__.lower()} of {self.element}"


class List(_Collection):
    """Any number of elements of one type, in order."""


class Set(_Collection):
    """Different elements of one type, without order."""


class Map(_Collection):
    """Elements of one type, under keys that are strings."""


@dataclass(frozen=True)
class Tuple(Type):
    """A fixed number of elements, each of its own type."""

    elements: tuple[Type, ...]

    def __init__(self, elements: Iterable[Type]) -> None:
        object.__setattr__(self, "elements", tuple(elements))
        _ = self.depth

    @property
    def parts(self) -> Iterable[Type]:
        """The types of the elements."""
        return self.elements

    def without_optional(self) -> Type:
        """As of `Type`."""
        return Tuple(element.without_optional() for element in self.elements)

    def __str__(self) -> str:
        return f"tuple of {len(self.elements)}"


@dataclass(frozen=True)
class Object(Type):
    """Named attributes, each of its own type.

    Attributes:
        attributes: Their types by name, in the order of names.
        optional: Which ones may be left out where a value is converted to this type;
            values themselves have them all.
    """

    attributes: Mapping[str, Type]
    optional: frozenset[str] = frozenset()

    def __init__(
        self, attributes: Mapping[str, Type], optional: Iterable[str] = ()
    ) -> None:
        named = {normalize("NFC", name): each for name, each in attributes.items()}
        object.__setattr__(self, "attributes", dict(sorted(named.items())))
        names = frozenset(normalize("NFC", name) for name in optional)
        object.__setattr__(self, "optional", names)
        if unknown := sorted(names - named.keys()):
            raise CtyError(f"there is no attribute {unknown[0]!r} to be optional")
        _ = self.depth

    @property
    def parts(self) -> Iterator[Type]:
        """The types of the attributes."""
        return iter(self.attributes.values())

    def without_optional(self) -> Type:
        """As of `Type`."""
        return Object({n: t.without_optional() for n, t in self.attributes.items()})

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return hash((tuple(self.attributes.items()), self.optional))

    def __str__(self) -> str:
        return "object"
