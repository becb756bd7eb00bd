"""What the configurations of both sides have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from goplugin_py.errors import ConfigError
from goplugin_py.plugin import AnyPlugin, PluginSet

ChannelOptions = Sequence[tuple[str, Any]]


@dataclass(frozen=True, slots=True)
class HandshakeConfig:
    """What host and plugin must agree on before they talk (go-plugin's name)."""

    protocol_version: int
    """The application protocol version of `plugins`. Stays required beside
    `versioned_plugins`, where it is not used."""

    magic_cookie_key: str
    """The name of an environment variable that hosts set. It tells a person who
    runs the plugin by hand that this is not the way; it is no secret."""

    magic_cookie_value: str
    """The value it must have."""

    def __post_init__(self) -> None:
        if not self.magic_cookie_key or not self.magic_cookie_value:
            raise ConfigError("the magic cookie's key and value must not be empty")
        if "=" in self.magic_cookie_key or "\0" in (
            self.magic_cookie_key + self.magic_cookie_value
        ):
            raise ConfigError("the magic cookie can't be an environment variable")
        if self.protocol_version < 0:
            raise ConfigError("protocol_version must not be negative")

    @property
    def cookie(self) -> tuple[str, str]:
        """The magic cookie as an environment variable."""
        return self.magic_cookie_key, self.magic_cookie_value


def sets_by_version(
    handshake: HandshakeConfig,
    plugins: PluginSet | None,
    versioned: Mapping[int, PluginSet] | None,
) -> Mapping[int, PluginSet]:
    """Return the plugins by application protocol version."""
    if versioned is not None:
        return versioned
    assert plugins is not None
    return {handshake.protocol_version: plugins}


def check_plugins(
    plugins: PluginSet | None, versioned: Mapping[int, PluginSet] | None
) -> None:
    """Refuse what are no plugins.

    Raises:
        ConfigError: It says what is wrong.
    """
    if (plugins is None) == (versioned is None):
        raise ConfigError("give exactly one of plugins and versioned_plugins")
    if versioned is not None and not versioned:
        raise ConfigError("versioned_plugins must not be empty")
    sets = [plugins] if plugins is not None else list((versioned or {}).values())
    for plugin_set in sets:
        for name, plugin in plugin_set.items():
            if not isinstance(plugin, AnyPlugin):
                raise ConfigError(
                    f"plugin {name!r} must be a Plugin, not {type(plugin).__name__}"
                )
