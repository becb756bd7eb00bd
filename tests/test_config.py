"""Configurations: defaults, and what is refused when one is made."""

import dataclasses
import inspect
import ssl
from typing import Any

import pytest

from goplugin_py import (
    ClientConfig,
    ConfigError,
    HandshakeConfig,
    Plugin,
    ServeConfig,
    UnixSocketConfig,
)

HANDSHAKE = HandshakeConfig(3, "COOKIE", "value")
PLUGINS = {"kv": Plugin()}


def client_config(**options: Any) -> ClientConfig:
    defaults = {"command": ["kv"], "handshake": HANDSHAKE, "plugins": PLUGINS}
    return ClientConfig(**{**defaults, **options})


def serve_config(**options: Any) -> ServeConfig:
    return ServeConfig(**{"handshake": HANDSHAKE, "plugins": PLUGINS, **options})


# Handshake


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((1, "", "v"), "the magic cookie's key and value must not be empty"),
        ((1, "K", ""), "the magic cookie's key and value must not be empty"),
        ((1, "K=", "v"), "the magic cookie can't be an environment variable"),
        ((1, "K", "v\0"), "the magic cookie can't be an environment variable"),
        ((1, "K\0", "v"), "the magic cookie can't be an environment variable"),
        ((-1, "K", "v"), "protocol_version must not be negative"),
    ],
)
def test_a_handshake_that_can_not_work_is_refused(
    arguments: tuple[int, str, str], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        HandshakeConfig(*arguments)


def test_a_handshake_gives_its_cookie() -> None:
    assert HANDSHAKE.cookie == ("COOKIE", "value")
    # go-plugin allows version 0.
    assert HandshakeConfig(0, "K", "v=w").protocol_version == 0


# Host


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"command": "kv --fast"},
            r"not a shell string: use \['kv --fast'\], or shlex",
        ),
        ({"command": b"kv"}, "not a shell string"),
        ({"command": []}, "a list with the program and its arguments"),
        ({"command": {"kv"}}, "a list with the program and its arguments"),
        ({"command": None}, "a list with the program and its arguments"),
        ({"command": ["kv", 1]}, "command must hold strings, not 1"),
        ({"command": ["kv\0"]}, "command must hold strings"),
        ({"plugins": None}, "exactly one of plugins and versioned_plugins"),
        ({"versioned_plugins": {1: PLUGINS}}, "exactly one of plugins and versioned"),
        (
            {"plugins": None, "versioned_plugins": {}},
            "versioned_plugins must not be empty",
        ),
        ({"plugins": {"kv": object()}}, "plugin 'kv' must be a Plugin, not object"),
        (
            {"plugins": None, "versioned_plugins": {2: {"x": int}}},
            "plugin 'x' must be a Plugin, not type",
        ),
        (
            {"auto_mtls": True, "tls": ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)},
            "tls and auto_mtls exclude each other",
        ),
        ({"start_timeout": 0}, "start_timeout must be above 0"),
        ({"start_timeout": -1}, "start_timeout must be above 0"),
        ({"kill_timeout": -0.1}, "kill_timeout not below"),
        ({"min_port": 2, "max_port": 1}, "not a range of ports: 2 to 1"),
        ({"min_port": -1}, "not a range of ports: -1 to 25000"),
        ({"max_port": 65536}, "not a range of ports: 10000 to 65536"),
        ({"inherit_env": "PATH"}, "a collection of names, not a text"),
        ({"env": {"": "x"}}, "not an environment variable: ''"),
        ({"env": {"A=B": "x"}}, "not an environment variable: 'A=B'"),
        ({"env": {"A": "\0"}}, "not an environment variable: 'A'"),
    ],
)
def test_a_clients_configuration_that_can_not_work_is_refused(
    options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        client_config(**options)


def test_a_clients_defaults_are_go_plugins_and_safe() -> None:
    """go-plugin: NewClient; AutoMTLS is off there."""
    config = client_config()
    assert config.auto_mtls is True
    assert config.start_timeout == 60.0
    assert config.kill_timeout == 2.0
    assert (config.min_port, config.max_port) == (10000, 25000)
    assert config.inherit_env
    assert config.env == {}
    for name in ("cwd", "stdin", "logger", "sync_stdout", "sync_stderr", "unix_socket"):
        assert getattr(config, name) is None
    assert config.channel_options == ()
    assert not config.managed


def test_a_context_of_ones_own_turns_auto_mtls_off() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    assert client_config(tls=context).auto_mtls is False
    assert client_config(tls=context, auto_mtls=False).tls is context
    assert client_config(auto_mtls=False).auto_mtls is False


def test_a_command_may_be_any_sequence_and_ports_any_range() -> None:
    assert client_config(command=("kv", "-v")).command == ("kv", "-v")
    assert client_config(min_port=0, max_port=0).max_port == 0


# Plugin


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"plugins": None}, "exactly one of plugins and versioned_plugins"),
        ({"versioned_plugins": {1: PLUGINS}}, "exactly one of plugins and versioned"),
        (
            {"plugins": None, "versioned_plugins": {}},
            "versioned_plugins must not be empty",
        ),
        ({"plugins": {"kv": None}}, "plugin 'kv' must be a Plugin, not NoneType"),
        ({"max_workers": 0}, "max_workers must be 1 or more"),
        ({"network": "udp"}, "network must be unix or tcp, not 'udp'"),
    ],
)
def test_a_plugins_configuration_that_can_not_work_is_refused(
    options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        serve_config(**options)


# Both


@pytest.mark.parametrize("make", [client_config, serve_config])
def test_plugins_belong_to_the_handshakes_version_or_their_own(make: Any) -> None:
    assert make().plugin_sets == {3: PLUGINS}
    versioned = {1: PLUGINS, 2: {}}
    assert make(plugins=None, versioned_plugins=versioned).plugin_sets == versioned


@pytest.mark.parametrize(
    "config", [client_config(), serve_config(), UnixSocketConfig(), HANDSHAKE]
)
def test_a_configuration_never_changes_but_can_be_varied(config: Any) -> None:
    name = dataclasses.fields(config)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(config, name, None)
    assert dataclasses.replace(config) == config


def test_a_variation_is_checked_too() -> None:
    with pytest.raises(ConfigError, match="start_timeout"):
        dataclasses.replace(client_config(), start_timeout=0)
    varied = dataclasses.replace(client_config(auto_mtls=False), command=["other"])
    assert varied.auto_mtls is False


@pytest.mark.parametrize("kind", [ClientConfig, ServeConfig, UnixSocketConfig])
def test_fields_are_given_by_name(kind: type) -> None:
    with pytest.raises(TypeError, match="positional"):
        kind(["kv"])


@pytest.mark.parametrize(
    "kind", [HandshakeConfig, UnixSocketConfig, ClientConfig, ServeConfig]
)
def test_every_field_is_documented_below_it(kind: type) -> None:
    source = inspect.getsource(kind)
    for field in dataclasses.fields(kind):
        _, _, below = source.partition(f"\n    {field.name}:")
        lines = [line.strip() for line in below.splitlines()[1:5]]
        assert any(line.startswith('"""') for line in lines), field.name
