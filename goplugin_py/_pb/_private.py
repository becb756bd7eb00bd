"""The private descriptor pool, and what generated modules fill it with.

protoc's modules all register in one pool per process, where a name can be defined only
once. Users have copies of the very same protos, so ours stay out of that pool, and so
do the well-known types they refer to: ``empty_pb2.Empty`` and
``timestamp_pb2.Timestamp`` of this package are the classes to use with its messages.
"""

from typing import Any, cast

from google.protobuf.descriptor import Descriptor, FileDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper
from google.protobuf.message import Message
from google.protobuf.reflection import GeneratedProtocolMessageType

POOL = DescriptorPool()


def define_messages(
    file: FileDescriptor, module_name: str, module: dict[str, Any]
) -> None:
    """Define the messages, enums and services of a file in a generated module.

    Does what protobuf's builder does for protoc's modules, except for one thing: the
    builder adds every class to the default pool where protobuf has no C extension.
    """
    for name, enum in file.enum_types_by_name.items():
        module[f"_{name.upper()}"] = enum
        module[name] = EnumTypeWrapper(enum)
        module.update((value.name, value.number) for value in enum.values)
    for name, service in file.services_by_name.items():
        module[f"_{name.upper()}"] = service
    for name, message in file.message_types_by_name.items():
        module[name] = _message_class(message, module_name, name)


def _message_class(
    descriptor: Descriptor, module_name: str, qualname: str
) -> type[Message]:
    # Nested classes first: creating a class creates those of its fields, and these
    # would lack the names that pickle needs.
    attributes: dict[str, Any] = {
        name: _message_class(nested, module_name, f"{qualname}.{name}")
        for name, nested in descriptor.nested_types_by_name.items()
    }
    attributes["DESCRIPTOR"] = descriptor
    attributes["__module__"] = module_name
    attributes["__qualname__"] = qualname
    message = GeneratedProtocolMessageType(descriptor.name, (Message,), attributes)
    return cast("type[Message]", message)
