"""Values in a provider's answers, refused where they break the rules."""

from collections.abc import Iterable
from typing import Any

from goplugin_py.terraform.cty import (
    CtyError,
    Type,
    Value,
    is_wholly_known,
    unknown_paths,
)
from goplugin_py.terraform.diagnostics import Diagnostic, error, misfit
from goplugin_py.terraform.errors import InvalidAnswer
from goplugin_py.terraform.protocol import Protocol
from goplugin_py.terraform.schema import Block, IdentitySchema
from goplugin_py.terraform.write_only import write_only_problems

__all__ = ["block_value", "identity_value", "known_value", "refuse", "unknown_problems"]


def refuse(summary: str, problems: Iterable[CtyError]) -> None:
    """Refuse an answer if there is a problem with it.

    Raises:
        InvalidAnswer: There is one.
    """
    if diagnostics := [misfit(summary, problem) for problem in problems]:
        raise InvalidAnswer(diagnostics)


def block_value(protocol: Protocol, message: Any, block: Block) -> Value:
    """Return the value of a block in an answer.

    Raises:
        InvalidAnswer: It does not fit the schema, or has write-only attributes.
    """
    summary = "Provider produced an invalid object"
    try:
        value = protocol.unpack_block(message, block)
    except CtyError as exc:
        raise InvalidAnswer([misfit(summary, exc)]) from exc
    refuse(summary, write_only_problems(block, value))
    return value


def known_value(protocol: Protocol, message: Any, block: Block) -> Value:
    """Return the value of a block in an answer in which nothing may be unknown.

    Raises:
        InvalidAnswer: As `block_value`, or something is.
    """
    value = block_value(protocol, message, block)
    if problems := unknown_problems(value, block.type):
        raise InvalidAnswer(problems)
    return value


def unknown_problems(value: Value, kind: Type) -> list[Diagnostic]:
    """Return an error for each part of a value that should be known by now."""
    if is_wholly_known(value):
        return []
    summary = "Provider returned an unknown value"
    detail = "All values must be known by now."
    return [error(summary, detail, path) for path in unknown_paths(value, kind)]


def identity_value(
    protocol: Protocol, message: Any, schema: IdentitySchema | None
) -> Value:
    """Return the identity in an answer; None if there is none.

    Raises:
        InvalidAnswer: It does not fit the schema.
    """
    if schema is None or not message.HasField("identity_data"):
        return None
    try:
        return protocol.unpack(message.identity_data, schema.type)
    except CtyError as exc:
        raise InvalidAnswer(
            [misfit("Provider produced an invalid identity", exc)]
        ) from exc
