"""What an author says about an attribute or a block, beside its annotation."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from goplugin_py import ConfigError

if TYPE_CHECKING:
    from goplugin_py.terraform.cty import Type
    from goplugin_py.terraform.schema import Nesting

__all__ = ["NO_DEFAULT", "AttributeSpec", "BlockSpec", "attribute", "block"]

# None is a default that an author may want.
NO_DEFAULT: Any = object()


@dataclass(frozen=True, kw_only=True)
class AttributeSpec:
    """What `attribute` was called with."""

    type: "Type | None" = None
    required: bool | None = None
    computed: bool = False
    default: Any = NO_DEFAULT
    stable: bool = False
    requires_replace: bool = False
    sensitive: bool = False
    write_only: bool = False
    validators: Sequence[Callable[[Any], object]] = ()
    description: str = ""
    deprecated: str = ""
    nesting: "Nesting | None" = None

    def __post_init__(self) -> None:
        if self.has_default and self.required:
            raise ConfigError("an attribute with a default can't be required")
        if self.write_only and (self.is_computed or self.requires_replace):
            raise ConfigError(
                "a write-only attribute is never in a state: it can't be computed, "
                "have a default or require a replacement"
            )
        if self.stable and not self.computed:
            raise ConfigError("only a computed attribute can be stable")

    @property
    def has_default(self) -> bool:
        """Whether there is a value for when none is configured."""
        return self.default is not NO_DEFAULT

    @property
    def is_computed(self) -> bool:
        """Whether the provider may decide on the value, a default included."""
        return self.computed or self.has_default


@dataclass(frozen=True, kw_only=True)
class BlockSpec:
    """What `block` was called with."""

    nesting: "Nesting | None" = None
    min_items: int = 0
    max_items: int = 0


def attribute(
    type: "Type | None" = None,  # noqa: A002 - what it is called everywhere
    *,
    required: bool | None = None,
    computed: bool = False,
    default: Any = NO_DEFAULT,
    stable: bool = False,
    requires_replace: bool = False,
    sensitive: bool = False,
    write_only: bool = False,
    validators: Sequence[Callable[[Any], object]] = (),
    description: str = "",
    deprecated: str = "",
    nesting: "Nesting | None" = None,
) -> Any:
    """Declare an attribute; to be assigned to a name in a class.

    Without `required`, `computed` and `default`, the annotation decides: an attribute
    that may be None is optional, all others are required.

    Args:
        type: Its type, in place of an annotation; values are plain Python then.
        required: Whether it must be configured.
        computed: The provider decides on it. If its annotation allows None, or
            `required` is False, it may be configured as well.
        default: The value where none is configured.
        stable: What was computed once stays the same in updates, as an id does.
        requires_replace: A change of it can't be an update.
        sensitive: Terraform does not show it.
        write_only: It is in no plan and no state; `self.config` has it.
        validators: Each is called with a configured value, once that is known, and
            raises ValueError with the reason against it.
        description: What it is, for the documentation.
        deprecated: Why it should not be used any more, and what instead.
        nesting: How several nested objects are told apart, where the annotation does
            not say it: `list[Part]` may be a set.
    """
    return AttributeSpec(
        type=type,
        required=required,
        computed=computed,
        default=default,
        stable=stable,
        requires_replace=requires_replace,
        sensitive=sensitive,
        write_only=write_only,
        validators=validators,
        description=description,
        deprecated=deprecated,
        nesting=nesting,
    )


def block(
    *, nesting: "Nesting | None" = None, min_items: int = 0, max_items: int = 0
) -> Any:
    """Declare nested blocks; to be assigned to a name in a class.

    The annotation tells how many there are: `Part` for one, `Part | None` for one or
    none, `list[Part]`, and `dict[str, Part]` for blocks with labels.

    Args:
        nesting: In place of what the annotation says: `list[Part]` may be a set, and
            `Part` a group.
        min_items: The least number of blocks in a list or set.
        max_items: The greatest; 0 is any.
    """
    return BlockSpec(nesting=nesting, min_items=min_items, max_items=max_items)
