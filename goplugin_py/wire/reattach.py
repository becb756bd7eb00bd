"""Where a running plugin is, and the JSON that tells it (`TF_REATTACH_PROVIDERS`)."""

import json
from dataclasses import dataclass
from typing import Any, Self

from goplugin_py.errors import ConfigError
from goplugin_py.wire.address import Address

_EXAMPLE = (
    '{"Protocol":"grpc","ProtocolVersion":5,"Pid":1,"Test":true,'
    '"Addr":{"Network":"unix","String":"/tmp/plugin1"}}'
)

_PROCESS_IDS = range(1 << 31)  # of a pid_t
_VERSIONS = range(1 << 63)  # of an int in Go


@dataclass(frozen=True, slots=True)
class ReattachConfig:
    """A plugin that runs already, for another host (go-plugin's name)."""

    protocol: str
    """`grpc`; anything else is known to go-plugin only."""

    protocol_version: int
    """The application protocol version that was negotiated. Go hosts write 0, which
    they do not look at; here it stands for the only version that a host offers."""

    address: Address
    """Where the plugin listens."""

    pid: int
    """Its process; 0 where a runner knows the plugin by another id."""

    test: bool = False
    """Whether it was not started by a host: then no host ends it."""

    def __post_init__(self) -> None:
        if not isinstance(self.address, Address):
            raise ConfigError(f"address must be an Address, not {self.address!r:.80}")
        if self.pid not in _PROCESS_IDS:
            raise ConfigError(f"not a process id: {self.pid}")
        if self.protocol_version not in _VERSIONS:
            given = self.protocol_version
            raise ConfigError(f"protocol_version must not be negative or huge: {given}")

    def to_json(self) -> str:
        """Return the form that Terraform takes for one provider."""
        return json.dumps(
            {
                "Protocol": self.protocol,
                "ProtocolVersion": self.protocol_version,
                "Pid": self.pid,
                "Test": self.test,
                "Addr": {"Network": self.address.network, "String": self.address.text},
            },
            separators=(",", ":"),
        )

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` writes, or Terraform's debug servers.

        As in Go, the case of keys does not matter, unknown ones are ignored, and null
        is nothing. A missing protocol is net/rpc, a missing version 0.

        Raises:
            ConfigError: The text is something else.
        """
        try:
            value = json.loads(text)
        except (ValueError, RecursionError) as exc:
            raise ConfigError(f"a reattach configuration is JSON: {exc}") from exc
        fields = _folded(value, "a reattach configuration")
        _refuse_map(value, fields)
        place = _folded(fields.get("addr"), "Addr in a reattach configuration")
        try:
            address = Address(_text(place, "Network"), _text(place, "String"))
        except ConfigError:
            raise
        except ValueError as exc:
            raise ConfigError(f"Addr in a reattach configuration: {exc}") from exc
        return cls(
            protocol=_text(fields, "Protocol", ""),
            protocol_version=_number(fields, "ProtocolVersion", 0),
            address=address,
            pid=_number(fields, "Pid"),
            test=_get(fields, "Test", bool, default=False),
        )


def _folded(value: object, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ConfigError(f"{what} is an object, such as {_EXAMPLE}")
    return {key.lower(): item for key, item in value.items()}


def _refuse_map(value: dict[str, Any], fields: dict[str, Any]) -> None:
    """Tell those who pass all of TF_REATTACH_PROVIDERS what to pass instead."""
    if "addr" not in fields and any(isinstance(item, dict) for item in value.values()):
        names = ", ".join(map(repr, value))
        raise ConfigError(
            "this is a map of reattach configurations: pass the value of one, of "
            + names
        )


def _text(fields: dict[str, Any], name: str, default: str | None = None) -> str:
    value: str = _get(fields, name, str, default=default)
    return value


def _number(fields: dict[str, Any], name: str, default: int | None = None) -> int:
    value: int = _get(fields, name, int, default=default)
    return value


def _get(
    fields: dict[str, Any], name: str, kind: type[Any], *, default: object = None
) -> Any:
    value = fields.get(name.lower())
    if value is None:
        value = default
    # An exact match: True is an int.
    if type(value) is not kind:
        found = "missing" if value is None else f"{value!r:.40}"
        raise ConfigError(
            f"{name} in a reattach configuration is {found}; it is like {_EXAMPLE}"
        )
    return value
