"""Whether a provider's plan keeps to the configuration.

Terraform: `objchange.AssertPlanValid`. A provider may fill in what is computed and not
configured, and may keep a prior value for one that means the same; nothing else.
"""

from collections.abc import Iterator, Mapping

from goplugin_py.terraform.cty import (
    CtyError,
    Path,
    SetValue,
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

__all__ = ["plan_problems"]

_UNKNOWN_BLOCK = (
    "a nested block must not be unknown itself; only its attributes may be unknown"
)


def plan_problems(
    block: Block, prior: Value, config: Value, planned: Value, path: Path | None = None
) -> Iterator[CtyError]:
    """Yield where a planned value is not what the configuration allows."""
    path = path or Path()
    if (planned is None) != (config is None):
        yield CtyError(_existence(planned), path)
    elif isinstance(planned, Unknown):
        if not isinstance(config, Unknown):
            yield CtyError(_UNKNOWN_BLOCK, path)
    elif isinstance(config, Unknown):
        yield CtyError("planned value for an unknown block", path)
    elif planned is not None:
        yield from _attributes(block.attributes, prior, config, planned, path)
        for name, nested in block.blocks.items():
            before = prior[name] if isinstance(prior, dict) else None
            below = path.attribute(name)
            yield from _blocks(nested, before, config[name], planned[name], below)


def _existence(planned: Value) -> str:
    if planned is None:
        return "planned for absence, but the configuration wants existence"
    return "planned for existence, but the configuration wants absence"


def _same(one: Value, other: Value) -> bool:
    return bool(without_refinements(one) == without_refinements(other))


# Attributes


def _attributes(
    attributes: Mapping[str, Attribute],
    prior: Value,
    config: Value,
    planned: Value,
    path: Path,
) -> Iterator[CtyError]:
    if config == planned:
        return
    if config is None or planned is None:
        yield CtyError(_existence(planned), path)
    elif isinstance(planned, Unknown):
        yield CtyError("planned unknown for a configured value", path)
    else:
        for name, attribute in attributes.items():
            before = prior[name] if isinstance(prior, dict) else None
            wanted = config if isinstance(config, Unknown) else config[name]
            below = path.attribute(name)
            yield from _attribute(attribute, before, wanted, planned[name], below)


def _attribute(
    attribute: Attribute, prior: Value, config: Value, planned: Value, path: Path
) -> Iterator[CtyError]:
    if _same(planned, config):
        return
    if prior is not None and config is not None and _same(planned, prior):
        return
    if attribute.is_computed and (config is None or not attribute.is_optional):
        return
    if config is None:
        told = _shown(attribute, planned)
        yield CtyError(f"planned {told} for an attribute that is not computed", path)
    elif planned is None and attribute.is_write_only:
        return
    elif attribute.nested_type is not None:
        yield from _nested(attribute.nested_type, prior, config, planned, path)
    else:
        yield CtyError(_difference(attribute, prior, config, planned), path)


def _difference(
    attribute: Attribute, prior: Value, config: Value, planned: Value
) -> str:
    told = _shown(attribute, planned)
    if attribute.is_sensitive:
        return f"planned {told}, which is not the configured one"
    before = f" nor the prior {prior!r}" if prior is not None else ""
    return f"planned {told}, which is not the configured {config!r}{before}"


def _shown(attribute: Attribute, value: Value) -> str:
    return "a sensitive value" if attribute.is_sensitive else repr(value)


def _nested(
    nested: NestedType, prior: Value, config: Value, planned: Value, path: Path
) -> Iterator[CtyError]:
    if planned is None:
        yield CtyError(_existence(planned), path)
    elif isinstance(planned, Unknown):
        yield CtyError("planned unknown for a configured value", path)
    elif nested.nesting in {Nesting.SINGLE, Nesting.GROUP}:
        yield from _attributes(nested.attributes, prior, config, planned, path)
    elif isinstance(config, Unknown):
        yield CtyError(f"planned {len(planned)} objects for an unknown number", path)
    elif nested.nesting is Nesting.SET:
        if not _may_be_as_many(planned, config):
            yield CtyError(_count(len(planned), len(config)), path)
    elif len(planned) != len(config):
        yield CtyError(_count(len(planned), len(config)), path)
    else:
        for key, each in _items(planned):
            if key not in dict(_items(config)):
                yield CtyError(f"the key {key!r} is not in the configuration", path)
                continue
            before = dict(_items(prior)).get(key)
            yield from _attributes(
                nested.attributes, before, config[key], each, path.element(key)
            )


def _may_be_as_many(planned: SetValue, config: SetValue) -> bool:
    """Tell whether sets can have the same size once all in them is known."""
    return planned.least_length <= len(config) and config.least_length <= len(planned)


def _count(planned: int, config: int) -> str:
    return f"planned {planned} objects, but {config} are configured"


def _items(value: Value) -> Iterator[tuple[str | int, Value]]:
    """Yield the elements of a list or map; null has none."""
    if isinstance(value, dict):
        yield from value.items()
    elif isinstance(value, list):
        yield from enumerate(value)


# Blocks


def _blocks(
    nested: NestedBlock, prior: Value, config: Value, planned: Value, path: Path
) -> Iterator[CtyError]:
    if planned == config:
        return
    if isinstance(config, Unknown):
        yield CtyError("planned value for blocks whose number is unknown", path)
    elif isinstance(planned, Unknown):
        yield CtyError(_UNKNOWN_BLOCK, path)
    elif nested.nesting in {Nesting.SINGLE, Nesting.GROUP}:
        yield from plan_problems(nested.block, prior, config, planned, path)
    elif planned is None:
        yield CtyError("no blocks are an empty collection, not null", path)
    elif nested.nesting is Nesting.SET:
        # Their elements can't be told apart, so there is nothing to compare them with.
        for index, each in enumerate(planned):
            if isinstance(each, Unknown):
                yield CtyError(_UNKNOWN_BLOCK, path.element(index))
    else:
        yield from _several_blocks(nested, prior, config or [], planned, path)


def _several_blocks(
    nested: NestedBlock, prior: Value, config: Value, planned: Value, path: Path
) -> Iterator[CtyError]:
    if len(planned) != len(config):
        yield CtyError(
            f"planned {len(planned)} blocks, but {len(config)} are configured", path
        )
        return
    wanted, there = dict(_items(config)), dict(_items(prior))
    for key, each in _items(planned):
        below = path.element(key)
        if key not in wanted:
            yield CtyError(f"the block {key!r} is not in the configuration", path)
        else:
            yield from plan_problems(
                nested.block, there.get(key), wanted[key], each, below
            )
