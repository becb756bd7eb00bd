"""What a provider offers, and the shape of its values, as typed objects."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property

from goplugin_py.terraform.cty import (
    DYNAMIC,
    GetAttr,
    List,
    Map,
    Object,
    Path,
    Set,
    SetValue,
    Type,
    Value,
)

__all__ = [
    "Attribute",
    "Block",
    "Function",
    "IdentityAttribute",
    "IdentitySchema",
    "NestedBlock",
    "NestedType",
    "Nesting",
    "Parameter",
    "ProviderSchema",
    "Schema",
    "ServerCapabilities",
]


class Nesting(Enum):
    """How many there are of a nested block or object, and how they are told apart."""

    SINGLE = 1
    LIST = 2
    SET = 3
    MAP = 4
    GROUP = 5
    """As SINGLE, but always there: what is not configured is empty, never null."""

    def collection_of(self, kind: Type) -> Type:
        """Return the type of all of them together."""
        match self:
            case Nesting.LIST:
                return List(kind)
            case Nesting.SET:
                return Set(kind)
            case Nesting.MAP:
                return Map(kind)
        return kind


@dataclass(frozen=True)
class Attribute:
    """A named value of a block or object; it has a `type` or a `nested_type`."""

    name: str
    type: Type
    nested_type: "NestedType | None" = None
    description: str = ""
    is_required: bool = False
    is_optional: bool = False
    is_computed: bool = False
    is_sensitive: bool = False
    is_deprecated: bool = False
    is_write_only: bool = False
    deprecation_message: str = ""
    is_markdown: bool = False
    """Whether the description is Markdown; else it is plain text."""

    @cached_property
    def has_write_only(self) -> bool:
        """Whether it, or anything inside of it, is write-only."""
        nested = self.nested_type
        inside = nested.attributes.values() if nested else ()
        return self.is_write_only or any(each.has_write_only for each in inside)


@dataclass(frozen=True)
class NestedType:
    """The attributes of an object that is an attribute (protocol 6)."""

    attributes: Mapping[str, Attribute]
    nesting: Nesting

    @cached_property
    def object_type(self) -> Type:
        """The type of one such object."""
        return Object({name: each.type for name, each in self.attributes.items()})

    @cached_property
    def type(self) -> Type:
        """The type of the attribute."""
        return self.nesting.collection_of(self.object_type)

    def attribute_at(self, path: Path) -> Attribute | None:
        """Return the attribute that a path leads to exactly; None if it is none."""
        for taken, step in enumerate(path, start=1):
            if isinstance(step, GetAttr) and step.name in self.attributes:
                return _attribute_at(self.attributes[step.name], Path(path[taken:]))
        return None


def _attribute_at(attribute: Attribute, rest: Path) -> Attribute | None:
    if not rest:
        return attribute
    return attribute.nested_type.attribute_at(rest) if attribute.nested_type else None


@dataclass(frozen=True)
class Block:
    """The attributes and nested blocks of a configuration block."""

    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    blocks: Mapping[str, "NestedBlock"] = field(default_factory=dict)
    description: str = ""
    is_deprecated: bool = False
    deprecation_message: str = ""
    is_markdown: bool = False
    """Whether the description is Markdown; else it is plain text."""

    @cached_property
    def type(self) -> Type:
        """The type of a value of the block."""
        attributes = {name: each.type for name, each in self.attributes.items()}
        return Object(
            attributes | {name: each.type for name, each in self.blocks.items()}
        )

    @cached_property
    def empty(self) -> Value:
        """The value of a block with nothing in it."""
        nulls: dict[str, Value] = dict.fromkeys(self.attributes)
        return nulls | {name: each.empty for name, each in self.blocks.items()}

    @cached_property
    def has_write_only(self) -> bool:
        """Whether anything inside of it is write-only."""
        return any(each.has_write_only for each in self.attributes.values()) or any(
            each.block.has_write_only for each in self.blocks.values()
        )

    def attribute_at(self, path: Path) -> Attribute | None:
        """Return the attribute that a path leads to exactly; None if it is none."""
        block = self
        for taken, step in enumerate(path, start=1):
            if not isinstance(step, GetAttr):
                continue
            if step.name in block.attributes:
                return _attribute_at(block.attributes[step.name], Path(path[taken:]))
            if step.name not in block.blocks:
                return None
            block = block.blocks[step.name].block
        return None


@dataclass(frozen=True)
class NestedBlock:
    """A block inside of a block."""

    name: str
    block: Block
    nesting: Nesting
    min_items: int = 0
    max_items: int = 0
    """0 means any number."""

    @cached_property
    def type(self) -> Type:
        """The type of all blocks of the name together.

        Where their attributes are dynamic they may differ in type, so that no list
        and no map could hold them.
        """
        if self.nesting in {Nesting.LIST, Nesting.MAP} and self.block.type.has_dynamic:
            return DYNAMIC
        return self.nesting.collection_of(self.block.type)

    @cached_property
    def empty(self) -> Value:
        """The value when there is no such block."""
        match self.nesting:
            case Nesting.SINGLE:
                return None
            case Nesting.GROUP:
                return self.block.empty
            case Nesting.MAP:
                return {}
            case Nesting.SET:
                return SetValue()
        return []


@dataclass(frozen=True)
class Schema:
    """A block with the version of its form, which states are stored with."""

    version: int
    block: Block


@dataclass(frozen=True)
class Parameter:
    """A parameter of a function."""

    name: str
    type: Type
    allows_null: bool = False
    allows_unknown: bool = False
    description: str = ""


@dataclass(frozen=True)
class Function:
    """What a function takes and returns."""

    name: str
    parameters: tuple[Parameter, ...]
    variadic: Parameter | None
    result: Type
    summary: str = ""
    description: str = ""
    deprecation_message: str = ""


@dataclass(frozen=True)
class IdentityAttribute:
    """A part of what identifies a resource."""

    name: str
    type: Type
    is_required_for_import: bool = False
    is_optional_for_import: bool = False
    description: str = ""


@dataclass(frozen=True)
class IdentitySchema:
    """What identifies a resource of a type, beside its state."""

    version: int
    attributes: Mapping[str, IdentityAttribute]

    @cached_property
    def type(self) -> Type:
        """The type of an identity."""
        return Object({name: each.type for name, each in self.attributes.items()})


@dataclass(frozen=True)
class ServerCapabilities:
    """What a provider can do beyond the first version of its protocol."""

    plan_destroy: bool = False
    get_provider_schema_optional: bool = False
    move_resource_state: bool = False
    generate_resource_config: bool = False


@dataclass(frozen=True)
class ProviderSchema:
    """Everything in a provider, by name."""

    provider: Schema
    provider_meta: Schema | None
    resources: Mapping[str, Schema]
    data_sources: Mapping[str, Schema]
    functions: Mapping[str, Function]
    ephemeral_resources: Mapping[str, Schema]
    list_resources: Mapping[str, Schema]
    actions: Mapping[str, Schema]
    identities: Mapping[str, IdentitySchema]
    capabilities: ServerCapabilities
