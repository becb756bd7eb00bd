"""A schema as big as those of the big cloud providers."""

from typing import Any

from goplugin_py.terraform import tfplugin6

TYPES = 1450
TEXT = "What it is called, as it was told when it was made; see the documentation. "
KINDS = (b'"string"', b'"number"', b'["list","string"]', b'"bool"')

# Mypy knows the modules of one protocol as the same as those of the other.
_m: Any = tfplugin6


def wide_schema() -> bytes:
    """Return the answer to GetProviderSchema of a provider with many types: 5 MB."""
    types = {f"wide_resource_{number}": _schema() for number in range(TYPES)}
    nothing = _m.Schema(block=_m.Schema.Block())
    answer = _m.GetProviderSchema.Response(provider=nothing, resource_schemas=types)
    data: bytes = answer.SerializeToString(deterministic=True)
    return data


def _schema() -> Any:
    rule = _m.Schema.NestedBlock(type_name="rule", nesting=2, block=_block(8))
    return _m.Schema(version=1, block=_block(32, rule))


def _block(width: int, *blocks: Any) -> Any:
    attributes = [_attribute(number) for number in range(width)]
    return _m.Schema.Block(attributes=attributes, block_types=blocks)


def _attribute(number: int) -> Any:
    return _m.Schema.Attribute(
        name=f"attribute_{number}",
        type=KINDS[number % len(KINDS)],
        optional=True,
        computed=number % 3 == 0,
        description=TEXT[: 40 + number],
    )
