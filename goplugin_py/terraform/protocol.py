"""The two protocols as one: names of calls and messages, and values in messages."""

import importlib
from collections.abc import Mapping
from typing import Any

from goplugin_py.terraform.cty import (
    Type,
    Value,
    decode,
    encode,
    from_json,
)
from goplugin_py.terraform.dynamic_blocks import from_wire, to_wire
from goplugin_py.terraform.schema import Block

__all__ = ["VERSIONS", "Protocol"]

VERSIONS = (5, 6)

# What protocol 5 calls otherwise. The messages of the first have the same name.
_CALLS_OF_5 = {
    "GetProviderSchema": "GetSchema",
    "ValidateProviderConfig": "PrepareProviderConfig",
    "ValidateResourceConfig": "ValidateResourceTypeConfig",
    "ValidateDataResourceConfig": "ValidateDataSourceConfig",
    "ConfigureProvider": "Configure",
    "StopProvider": "Stop",
}


class Protocol:
    """One of the protocols, by the names of protocol 6.

    Attributes:
        version: 5 or 6.
        messages: The module with its messages and stub.
    """

    def __init__(self, version: int) -> None:
        self.version = version
        self.messages = importlib.import_module(
            f"goplugin_py.terraform.tfplugin{version}"
        )

    def rpc(self, call: str) -> str:
        """Return the name of a call in this protocol."""
        return call if self.version == 6 else _CALLS_OF_5.get(call, call)

    def request(self, call: str, **fields: Any) -> Any:
        """Return the request of a call."""
        known = {key: value for key, value in fields.items() if value is not None}
        return self._messages_of(call).Request(**known)

    def response(self, call: str) -> Any:
        """Return an empty response to a call."""
        return self._messages_of(call).Response()

    def _messages_of(self, call: str) -> Any:
        name = "GetProviderSchema" if call == "GetProviderSchema" else self.rpc(call)
        return getattr(self.messages, name)

    def capabilities(self) -> Any:
        """Return what this host can do; it leaves nothing for a later plan."""
        return self.messages.ClientCapabilities(write_only_attributes_allowed=True)

    # Values

    def pack(self, value: Value, kind: Type) -> Any:
        """Return a message with a value of a type.

        Raises:
            CtyError: It is not of the type.
        """
        return self.messages.DynamicValue(msgpack=encode(value, kind))

    def pack_block(self, value: Value, block: Block) -> Any:
        """Return a message with the value of a block; null is one as well."""
        return self.pack(to_wire(value, block), block.type)

    def unpack(self, message: Any, kind: Type) -> Value:
        """Return the value of a type in a message; null if it is not there.

        Raises:
            CtyError: It holds another.
        """
        if message.msgpack:
            return decode(message.msgpack, kind)
        return from_json(message.json, kind) if message.json else None

    def unpack_block(self, message: Any, block: Block) -> Value:
        """Return the value of a block in a message.

        Raises:
            CtyError: It holds another.
        """
        return from_wire(self.unpack(message, block.type), block)

    def pack_identity(self, value: Value, kind: Type) -> Any:
        """Return a message with an identity; None if there is none."""
        if value is None:
            return None
        return self.messages.ResourceIdentityData(identity_data=self.pack(value, kind))

    def raw_state(self, state: bytes | Mapping[str, str]) -> Any:
        """Return a message with a state as JSON, or as the flat map of old versions."""
        if isinstance(state, bytes):
            return self.messages.RawState(json=state)
        return self.messages.RawState(flatmap=state)
