"""Descriptors in the notation of .proto files."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import indent
from typing import Any

from google.protobuf.descriptor import (
    Descriptor,
    EnumDescriptor,
    FieldDescriptor,
    MethodDescriptor,
    ServiceDescriptor,
)

_SCALARS = {
    getattr(FieldDescriptor, f"TYPE_{name.upper()}"): name
    for name in (
        *("double", "float", "int32", "int64", "uint32", "uint64", "sint32", "sint64"),
        *("fixed32", "fixed64", "sfixed32", "sfixed64", "bool", "string", "bytes"),
    )
}


def proto_text(descriptor: Any) -> str:
    """Return a service, method, message or enum as text, nested types included."""
    match descriptor:
        case ServiceDescriptor():
            lines = [_rpc(method) for method in descriptor.methods]
            return _block("service", descriptor.name, lines)
        case MethodDescriptor():
            return _rpc(descriptor)
        case EnumDescriptor():
            lines = [f"{each.name} = {each.number};" for each in descriptor.values]
            return _block("enum", descriptor.name, lines)
    return _block("message", descriptor.name, [*_members(descriptor)])


def _block(kind: str, name: str, lines: list[str]) -> str:
    body = indent("\n".join(lines), "  ")
    return f"{kind} {name} {{\n{body}\n}}" if lines else f"{kind} {name} {{}}"


def _rpc(method: MethodDescriptor) -> str:
    takes = "stream " * method.client_streaming + method.input_type.full_name
    gives = "stream " * method.server_streaming + method.output_type.full_name
    return f"rpc {method.name}({takes}) returns ({gives});"


def _members(message: Descriptor) -> Iterator[str]:
    for nested in message.nested_types:
        if not nested.GetOptions().map_entry:
            yield proto_text(nested)
    for enum in message.enum_types:
        yield proto_text(enum)
    shown = set()
    for field in message.fields:
        oneof = field.containing_oneof
        if oneof is None or _is_optional(field):
            yield _field(field)
        elif oneof.name not in shown:
            shown.add(oneof.name)
            lines = [_field(each) for each in oneof.fields]
            yield _block("oneof", oneof.name, lines)


def _is_optional(field: FieldDescriptor) -> bool:
    """Whether the oneof is the invisible one that `optional` makes."""
    oneof = field.containing_oneof
    return oneof is not None and len(oneof.fields) == 1 and oneof.name.startswith("_")


def _field(field: FieldDescriptor) -> str:
    return f"{_label(field)}{_type(field)} {field.name} = {field.number};"


def _label(field: FieldDescriptor) -> str:
    if field.is_repeated:
        return "" if _type(field).startswith("map<") else "repeated "
    if field.is_required:
        return "required "
    return "optional " if _is_optional(field) else ""


def _type(field: FieldDescriptor) -> str:
    message = field.message_type
    if message is not None and message.GetOptions().map_entry:
        key, value = message.fields
        return f"map<{_type(key)}, {_type(value)}>"
    named = message or field.enum_type
    return _SCALARS[field.type] if named is None else named.full_name
