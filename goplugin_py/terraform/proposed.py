"""The proposed new state: the configuration, completed by what exists already.

Terraform: `objchange.ProposedNew`. It is what a provider plans from.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias

from goplugin_py.terraform.cty import (
    UNKNOWN,
    SetValue,
    Typed,
    Unknown,
    Value,
    without_refinements,
)
from goplugin_py.terraform.schema import (
    Attribute,
    Block,
    NestedBlock,
    NestedType,
    Nesting,
)

__all__ = ["may_come_from", "proposed_new", "unknown_where_computed"]

_Schema: TypeAlias = Block | NestedType


def proposed_new(block: Block, prior: Value, config: Value) -> Value:
    """Combine what is configured with the computed values of the prior state.

    Args:
        block: The schema of both.
        prior: What exists; None if nothing does. It is wholly known.
        config: What is wanted; None if nothing is. Parts may be unknown.
    """
    if prior is None and config is None:
        return None
    return _block(block, block.empty if prior is None else prior, config)


def unknown_where_computed(block: Block, config: Value) -> Value:
    """Return a configuration with all that a provider will compute as unknown.

    Terraform: `objchange.PlannedUnknownObject`.
    """
    return _block(block, UNKNOWN, config)


def _part(value: Value, name: str) -> Value:
    """Return an attribute of what may be unknown or null as a whole."""
    if isinstance(value, Unknown):
        return UNKNOWN
    return None if value is None else value[name]


def _block(block: Block, prior: Value, config: Value) -> Value:
    if config is None or isinstance(config, Unknown):
        return prior
    blocks = {
        name: _nested_block(nested, _part(prior, name), config[name])
        for name, nested in block.blocks.items()
    }
    return _attributes(block.attributes, prior, config) | blocks


def _attributes(
    attributes: Mapping[str, Attribute], prior: Value, config: Value
) -> dict[str, Value]:
    return {
        name: _attribute(attribute, _part(prior, name), config[name])
        for name, attribute in attributes.items()
    }


def _attribute(attribute: Attribute, prior: Value, config: Value) -> Value:
    if attribute.is_computed and config is None:
        # If the user set something in there before, removing it is what changed.
        return None if _was_configured(attribute, prior) else prior
    if attribute.nested_type is not None:
        return _nested_type(attribute.nested_type, prior, config)
    return config


def _was_configured(attribute: Attribute, prior: Value) -> bool:
    """Tell whether a prior value has something in it that no provider computes."""
    nested = attribute.nested_type
    if nested is None or not attribute.is_optional:
        return False
    return any(_has_own(nested, each) for each in _objects(nested.nesting, prior))


def _has_own(nested: NestedType, value: Value) -> bool:
    if not isinstance(value, dict):
        return False
    for name, attribute in nested.attributes.items():
        inside = value[name]
        if inside is None:
            continue
        if not attribute.is_computed:
            return True
        deeper = attribute.nested_type
        if deeper and any(
            _has_own(deeper, each) for each in _objects(deeper.nesting, inside)
        ):
            return True
    return False


def _objects(nesting: Nesting, value: Value) -> Iterator[Value]:
    """Yield the objects in the value of a nested attribute."""
    if value is None or isinstance(value, Unknown):
        return
    if nesting in {Nesting.SINGLE, Nesting.GROUP}:
        yield value
    else:
        yield from value.values() if isinstance(value, dict) else value


def _object(nested: NestedType, prior: Value, config: Value) -> Value:
    if config is None or isinstance(config, Unknown):
        return config
    return _attributes(nested.attributes, prior, config)


def _nested_block(nested: NestedBlock, prior: Value, config: Value) -> Value:
    def one(prior: Value, config: Value) -> Value:
        if isinstance(prior, Unknown):
            return _block(nested.block, prior, config)
        return proposed_new(nested.block, prior, config)

    # Blocks are unknown as a whole where it is not known how many there will be.
    if isinstance(config, Unknown):
        return config
    if nested.nesting in {Nesting.SINGLE, Nesting.GROUP}:
        return None if config is None else one(prior, config)
    return _collection(nested.nesting, nested.block, prior, config, one)


def _nested_type(nested: NestedType, prior: Value, config: Value) -> Value:
    def one(prior: Value, config: Value) -> Value:
        return _object(nested, prior, config)

    if isinstance(config, Unknown) or config is None:
        return config
    if nested.nesting in {Nesting.SINGLE, Nesting.GROUP}:
        return one(prior, config)
    return _collection(nested.nesting, nested, prior, config, one)


def _collection(
    nesting: Nesting,
    schema: _Schema,
    prior: Value,
    config: Value,
    one: Callable[[Value, Value], Value],
) -> Value:
    if not config:  # null or empty
        return config
    match nesting:
        case Nesting.LIST:
            return _list(prior, config, one)
        case Nesting.MAP:
            return _map(prior, config, one)
    return _set(schema, prior, config, one)


def _list(prior: Value, config: Value, one: Callable[[Value, Value], Value]) -> Value:
    if isinstance(prior, Unknown):
        return [one(UNKNOWN, each) for each in config]
    there = len(prior) if prior else 0
    return [
        one(prior[index], each) if index < there else each
        for index, each in enumerate(config)
    ]


def _map(prior: Value, config: Value, one: Callable[[Value, Value], Value]) -> Value:
    there = prior if isinstance(prior, dict) else {}
    return {
        key: one(there[key], each) if key in there else each
        for key, each in config.items()
    }


def _set(
    schema: _Schema,
    prior: Value,
    config: Value,
    one: Callable[[Value, Value], Value],
) -> Value:
    unused = list(prior) if isinstance(prior, SetValue) else []
    return SetValue(one(_taken(schema, unused, each), each) for each in config)


def _taken(schema: _Schema, unused: list[Value], config: Value) -> Value:
    """Take the prior element that an element of the configuration may have become."""
    for index, prior in enumerate(unused):
        if may_come_from(schema, prior, config):
            return unused.pop(index)
    return None


def may_come_from(schema: _Schema, prior: Value, config: Value) -> bool:
    """Tell whether two values differ in nothing but what is computed.

    Terraform: `objchange.validPriorFromConfig`.
    """
    if without_refinements(prior) == without_refinements(config):
        return True
    if not isinstance(prior, dict) or not isinstance(config, dict):
        return False
    attributes = schema.attributes.items()
    if not all(_attribute_may_come(a, prior[n], config[n]) for n, a in attributes):
        return False
    blocks = schema.blocks.items() if isinstance(schema, Block) else ()
    return all(
        _parts_may_come(each.nesting, each.block, prior[name], config[name])
        for name, each in blocks
    )


def _attribute_may_come(attribute: Attribute, prior: Value, config: Value) -> bool:
    if without_refinements(prior) == without_refinements(config):
        return True
    if isinstance(config, SetValue) or isinstance(prior, SetValue):
        return False
    nested = attribute.nested_type
    if nested is None:
        return attribute.is_computed and config is None
    return _parts_may_come(nested.nesting, nested, prior, config)


def _parts_may_come(
    nesting: Nesting, schema: _Schema, prior: Value, config: Value
) -> bool:
    if without_refinements(prior) == without_refinements(config):
        return True
    if isinstance(config, SetValue | Typed) or isinstance(prior, SetValue | Typed):
        return False
    if not prior:  # null or empty: there is nothing in it that could differ
        return True
    if nesting in {Nesting.SINGLE, Nesting.GROUP}:
        return may_come_from(schema, prior, config)
    if isinstance(prior, dict) and isinstance(config, dict):
        return prior.keys() <= config.keys() and all(
            may_come_from(schema, each, config[key]) for key, each in prior.items()
        )
    if isinstance(prior, list) and isinstance(config, list):
        return len(prior) <= len(config) and all(
            may_come_from(schema, *pair) for pair in zip(prior, config, strict=False)
        )
    return False
