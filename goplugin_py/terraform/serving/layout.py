"""What the attributes of a class are to Terraform, and to Python."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from goplugin_py import ConfigError
from goplugin_py.terraform.cty import CtyError, GetAttr, Unknown, Value
from goplugin_py.terraform.schema import (
    Attribute,
    Block,
    NestedBlock,
    NestedType,
    Nesting,
)
from goplugin_py.terraform.schema_rules import schema_problems
from goplugin_py.terraform.serving.fields import AttributeSpec, BlockSpec
from goplugin_py.terraform.serving.model import Model, Nested
from goplugin_py.terraform.serving.shapes import (
    Shape,
    below,
)

__all__ = ["Field", "Layout", "description_of"]


@dataclass(frozen=True)
class Field:
    """One attribute of a class, or the blocks of one name.

    Attributes:
        name: Terraform's name.
        python_name: The name in the class.
        shape: How its values look in Python.
        spec: What the author said about it.
        default: The value where none is configured, if there is a default.
    """

    name: str
    python_name: str
    shape: Shape
    spec: AttributeSpec | BlockSpec
    default: Value = None

    @property
    def layout(self) -> Layout | None:
        """The attributes of the objects in it, if these have a class."""
        layout: Layout | None = self.shape.layout
        return layout

    @property
    def is_block(self) -> bool:
        """Whether it is made of blocks."""
        return isinstance(self.spec, BlockSpec)

    @cached_property
    def attribute(self) -> Attribute:
        """What the schema has for an attribute."""
        spec = self.spec
        assert isinstance(spec, AttributeSpec)
        return Attribute(
            self.name,
            self.shape.type,
            self._nested_type,
            spec.description,
            is_required=self.is_required,
            is_optional=not self.is_required and self._is_configurable,
            is_computed=spec.is_computed,
            is_sensitive=spec.sensitive,
            is_deprecated=bool(spec.deprecated),
            is_write_only=spec.write_only,
            deprecation_message=spec.deprecated,
        )

    @property
    def _nested_type(self) -> NestedType | None:
        layout = self.layout
        return NestedType(layout.attributes, self.shape.nesting) if layout else None

    @property
    def is_required(self) -> bool:
        """Whether it must be configured."""
        assert isinstance(self.spec, AttributeSpec)
        if self.spec.required is not None or self.spec.is_computed:
            return bool(self.spec.required)
        return not self.shape.is_nullable

    @property
    def _is_configurable(self) -> bool:
        assert isinstance(self.spec, AttributeSpec)
        is_computed_only = self.spec.computed and not self.spec.has_default
        may_be_left_out = self.shape.is_nullable or self.spec.required is False
        return not is_computed_only or may_be_left_out

    @cached_property
    def nested_block(self) -> NestedBlock:
        """What the schema has for blocks."""
        spec, layout = self.spec, self.layout
        assert isinstance(spec, BlockSpec)
        if layout is None:
            raise ConfigError(f"the block {self.name!r} needs a Nested class")
        least = spec.min_items
        is_one = self.shape.nesting is Nesting.SINGLE and not self.shape.is_nullable
        return NestedBlock(
            self.name,
            layout.block,
            self.shape.nesting,
            1 if is_one else least,
            1 if is_one else spec.max_items,
        )

    @property
    def empty(self) -> Value:
        """The value where nothing is configured."""
        return self.nested_block.empty if self.is_block else None


@dataclass(frozen=True)
class Layout:
    """All fields of a class, by Terraform's names."""

    model: type[Model]
    fields: Mapping[str, Field]

    @cached_property
    def attributes(self) -> dict[str, Attribute]:
        """What the schema of a nested attribute has."""
        for field in self.fields.values():
            if field.is_block:
                raise ConfigError(
                    f"{self.model.__name__} is a nested attribute, and so can't have "
                    f"the block {field.name!r}"
                )
        return {name: field.attribute for name, field in self.fields.items()}

    @cached_property
    def block(self) -> Block:
        """The schema."""
        fields = self.fields.items()
        return Block(
            {name: each.attribute for name, each in fields if not each.is_block},
            {name: each.nested_block for name, each in fields if each.is_block},
            description_of(self.model),
            bool(self.deprecated),
            self.deprecated,
        )

    @property
    def deprecated(self) -> str:
        """Why the class should not be used any more."""
        if issubclass(self.model, Nested):
            return ""  # there it may be the name of an attribute
        message: str = getattr(self.model, "deprecated", "")
        return message

    @cached_property
    def schema(self) -> Block:
        """The schema, which keeps Terraform's rules.

        Raises:
            ConfigError: It does not.
        """
        for problem in schema_problems(self.block):
            raise ConfigError(f"{self.model.__name__}: {problem}")
        return self.block

    @cached_property
    def nested_attributes(self) -> tuple[str, ...]:
        """Where it has nested attributes, which protocol 5 does not know."""
        found: list[str] = []
        for name, field in self.fields.items():
            layout = field.layout
            if layout is not None and not field.is_block:
                found.append(name)
            elif layout is not None:
                found += (f"{name}.{each}" for each in layout.nested_attributes)
        return tuple(found)

    @property
    def shape(self) -> Shape:
        """The shape of one object."""
        kind = self.block.type
        return Shape(kind, self.load, self.dump, layout=self)

    def load(self, value: Value) -> Model:
        """Return an object with a value's attributes.

        Raises:
            CtyError: A value is not of what the annotation allows.
        """
        instance = self.model.__new__(self.model)
        self.load_into(instance, value)
        return instance

    def load_into(self, instance: Model, value: Value) -> None:
        """Set the attributes of an object to those of a value."""
        for name, field in self.fields.items():
            loaded = below(GetAttr(name), field.shape.loaded, value[name])
            setattr(instance, field.python_name, loaded)
        vars(instance)["_origin"] = value

    def dump(
        self, instance: Any, problems: list[CtyError] | None = None
    ) -> dict[str, Value]:
        """Return the value of an object.

        Args:
            instance: An object of the class, or a mapping by Terraform's names.
            problems: Where to put what does not fit, in place of raising it; the value
                has what it had before then.

        Raises:
            CtyError: Something in it does not fit.
        """
        get = self._getter(instance)
        origin = getattr(instance, "_origin", {})
        return {
            name: self._dumped(field, get(field), origin, problems)
            for name, field in self.fields.items()
        }

    def _getter(self, instance: Any) -> Callable[[Field], Any]:
        if isinstance(instance, self.model):
            return lambda field: getattr(instance, field.python_name, None)
        if isinstance(instance, Mapping):
            for name in instance.keys() - self.fields.keys():
                raise CtyError("there is no such attribute").below(GetAttr(str(name)))
            return lambda field: instance.get(field.name)
        found = type(instance).__name__
        raise CtyError(f"a {self.model.__name__} is required, and this is {found}")

    def _dumped(
        self,
        field: Field,
        value: Any,
        origin: dict[str, Value],
        problems: list[CtyError] | None,
    ) -> Value:
        before = origin.get(field.name, field.empty)
        # What was not touched stays exactly as it was: annotations such as float and
        # Any do not show authors all of a value.
        if field.name in origin and field.shape.loaded(before) == value:
            return before
        try:
            dumped = below(GetAttr(field.name), field.shape.dumped, value)
        except CtyError as exc:
            if problems is None:
                raise
            problems.append(exc)
            return None if isinstance(before, Unknown) else before
        return field.empty if dumped is None else dumped


def description_of(documented: Any) -> str:
    """Return what a docstring says, without those that are inherited."""
    text = vars(documented).get("__doc__") if isinstance(documented, type) else None
    text = text if isinstance(documented, type) else documented.__doc__
    return inspect.cleandoc(text) if text else ""
