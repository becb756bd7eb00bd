"""Objects with the attributes that a class declares: resources, and parts of them."""

from typing import Any, ClassVar

from goplugin_py.terraform.serving.fields import AttributeSpec, BlockSpec

__all__ = ["Model", "Nested"]


class Model:
    """What has attributes that Terraform knows.

    Each annotated name of a class is an attribute, unless it begins with `_` or is a
    `ClassVar`; so is each name with an `attribute(...)` or `block(...)`. One `_` at the
    end of a name is not part of the attribute's: `from_` declares `from`.

    Values are plain Python; `UNKNOWN` where they are not known yet, None where there is
    none.
    """

    # What `attribute` and `block` were called with, by the name in Python.
    _specs: ClassVar[dict[str, AttributeSpec | BlockSpec]] = {}

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        own = {
            name: value
            for name, value in vars(cls).items()
            if isinstance(value, AttributeSpec | BlockSpec)
        }
        for name in own:
            setattr(cls, name, None)  # what an instance without a value has
        cls._specs = cls._specs | own

    @classmethod
    def specs(cls) -> dict[str, AttributeSpec | BlockSpec]:
        """Return what was said about attributes, by the name in Python."""
        return cls._specs

    def __init__(self, **values: Any) -> None:
        vars(self).update(values)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Model) or type(other) is not type(self):
            return NotImplemented
        return self._values() == other._values()

    # It can be changed, and so can't be a key.
    __hash__ = None  # type: ignore[assignment]

    def _values(self) -> dict[str, Any]:
        return {name: each for name, each in vars(self).items() if name[0] != "_"}

    def __repr__(self) -> str:
        told = ", ".join(f"{name}={each!r}" for name, each in self._values().items())
        return f"{type(self).__name__}({told})"


class Nested(Model):
    """Attributes inside of an attribute or a block."""
