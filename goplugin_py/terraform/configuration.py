"""Configurations: from Python to the value of a block, checked before any call."""

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet

from goplugin_py.terraform.cty import (
    CtyError,
    Index,
    Path,
    SetValue,
    Step,
    Unknown,
    Value,
    from_python,
)
from goplugin_py.terraform.diagnostics import Diagnostic, error, misfit
from goplugin_py.terraform.errors import InvalidConfig
from goplugin_py.terraform.schema import (
    Attribute,
    Block,
    NestedBlock,
    NestedType,
    Nesting,
)

__all__ = ["configured"]


def configured(block: Block, config: Mapping[str, object]) -> Value:
    """Return the value of a block from its configuration.

    What is left out is null, or empty if it is a block.

    Raises:
        InvalidConfig: It does not fit the schema; the error has all places.
    """
    problems: list[Diagnostic] = []
    value = _block(block, config, Path(), problems)
    if problems:
        raise InvalidConfig(problems)
    return value


def _block(
    block: Block, config: object, path: Path, problems: list[Diagnostic]
) -> Value:
    if isinstance(config, Unknown):
        return config
    if not isinstance(config, Mapping):
        found = type(config).__name__
        problems.append(_wrong_type(path, f"a mapping is required, not {found}"))
        return None
    known = block.attributes.keys() | block.blocks.keys()
    problems += _unexpected(config, known, path)
    attributes = _attributes(block.attributes, config, path, problems)
    return attributes | {
        name: _blocks(each, config.get(name), path.attribute(name), problems)
        for name, each in block.blocks.items()
    }


def _wrong_type(path: Path, detail: str) -> Diagnostic:
    detail = f"{detail[:1].upper()}{detail[1:]}."
    return error("Incorrect attribute value type", detail, path)


def _unexpected(
    config: Mapping[object, object], known: AbstractSet[str], path: Path
) -> Iterator[Diagnostic]:
    for name in config:
        if name not in known:
            yield error(
                "Unsupported argument",
                f"An argument named {name!r} is not expected here.",
                path.attribute(str(name)),
            )


def _attributes(
    attributes: Mapping[str, Attribute],
    config: Mapping[str, object],
    path: Path,
    problems: list[Diagnostic],
) -> dict[str, Value]:
    return {
        name: _attribute(each, config.get(name), path.attribute(name), problems)
        for name, each in attributes.items()
    }


def _attribute(
    attribute: Attribute, config: object, path: Path, problems: list[Diagnostic]
) -> Value:
    if config is None:
        if attribute.is_required:
            detail = f"The argument {attribute.name!r} is required, but not there."
            problems.append(error("Missing required argument", detail, path))
        return None
    if attribute.is_computed and not attribute.is_optional:
        detail = "The provider decides on this value; it can't be configured."
        problems.append(error("Value for a read-only attribute", detail, path))
    if attribute.nested_type is not None:
        return _nested(attribute.nested_type, config, path, problems)
    try:
        return from_python(config, attribute.type)
    except CtyError as exc:
        problems.append(misfit("Incorrect attribute value type", exc, path))
        return None


def _nested(
    nested: NestedType, config: object, path: Path, problems: list[Diagnostic]
) -> Value:
    def one(config: object, path: Path) -> Value:
        if config is None or isinstance(config, Unknown):
            return config
        if not isinstance(config, Mapping):
            found = type(config).__name__
            problems.append(_wrong_type(path, f"a mapping is required, not {found}"))
            return None
        problems.extend(_unexpected(config, nested.attributes.keys(), path))
        return _attributes(nested.attributes, config, path, problems)

    if isinstance(config, Unknown):
        return config
    if nested.nesting in {Nesting.SINGLE, Nesting.GROUP}:
        return one(config, path)
    parts = _parts(nested.nesting, config, path, problems)
    return _together(
        nested.nesting, {step: one(part, Path((*path, step))) for step, part in parts}
    )


def _parts(
    nesting: Nesting, config: object, path: Path, problems: list[Diagnostic]
) -> list[tuple[Step, object]]:
    """Take apart what holds several objects or blocks."""
    if nesting is Nesting.MAP and isinstance(config, Mapping):
        return [(Index(str(key)), each) for key, each in config.items()]
    if nesting is not Nesting.MAP and isinstance(config, list | tuple | AbstractSet):
        return [(Index(index), each) for index, each in enumerate(config)]
    wanted = "a mapping" if nesting is Nesting.MAP else "a list"
    found = type(config).__name__
    problems.append(_wrong_type(path, f"{wanted} is required, not {found}"))
    return []


def _together(nesting: Nesting, parts: dict[Step, Value]) -> Value:
    if nesting is Nesting.MAP:
        return {
            step.key if isinstance(step, Index) else step.name: part
            for step, part in parts.items()
        }
    values = list(parts.values())
    return SetValue(values) if nesting is Nesting.SET else values


def _blocks(
    nested: NestedBlock, config: object, path: Path, problems: list[Diagnostic]
) -> Value:
    if isinstance(config, Unknown):
        return config
    if nested.nesting in {Nesting.SINGLE, Nesting.GROUP}:
        return _single_block(nested, config, path, problems)
    parts = [] if config is None else _parts(nested.nesting, config, path, problems)
    problems += _miscounted(nested, len(parts), path)
    return _together(
        nested.nesting,
        {
            step: _block(nested.block, part, Path((*path, step)), problems)
            for step, part in parts
        },
    )


def _single_block(
    nested: NestedBlock, config: object, path: Path, problems: list[Diagnostic]
) -> Value:
    if config is not None:
        return _block(nested.block, config, path, problems)
    if nested.nesting is Nesting.GROUP:
        return _block(nested.block, {}, path, problems)
    problems += _miscounted(nested, 0, path)
    return None


def _miscounted(nested: NestedBlock, count: int, path: Path) -> Iterator[Diagnostic]:
    if count < nested.min_items:
        yield error(
            f"Insufficient {nested.name} blocks",
            f"At least {nested.min_items} are required.",
            path,
        )
    if nested.max_items and count > nested.max_items:
        yield error(
            f"Too many {nested.name} blocks",
            f"No more than {nested.max_items} are allowed.",
            path,
        )
