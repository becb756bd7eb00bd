"""Supervisor and registry as users write them; checked by mypy, never run."""

from typing import Any, assert_type

import grpc

from goplugin_py import (
    Broker,
    ClientConfig,
    ConnectionLost,
    HandshakeConfig,
    ManifestError,
    NoSuchPlugin,
    PluginError,
    RegistryError,
    SecureConfig,
)
from goplugin_py.registry import (
    Changes,
    Manifest,
    ManifestPlugin,
    Problem,
    Registry,
    Version,
)
from goplugin_py.supervisor import (
    CallLost,
    Change,
    HealthPolicy,
    RestartPolicy,
    State,
    Supervised,
    Supervisor,
)

HANDSHAKE = HandshakeConfig(1, "KEY", "value")


def registry() -> Manifest:
    registry = Registry("plugins", files="{name}_v{version}")
    assert_type(registry.refresh(), Changes)
    assert_type(registry.problems, tuple[Problem, ...])
    try:
        found = registry.find("kv", "~> 1.2")
    except (NoSuchPlugin, RegistryError) as exc:
        raise LookupError from exc
    assert_type(found.version, Version)
    assert_type(found.secure, SecureConfig | None)
    assert_type([problem.error for problem in registry.problems], list[ManifestError])
    ManifestPlugin("id: kv\nversion: 1.0.0")
    return found


def on_change(change: Change) -> None:
    assert_type(change.after.state, State)
    assert_type(change.after.exit_status, int | None)
    assert_type(change.after.error, PluginError | None)


def supervisor(found: Manifest) -> None:
    config = ClientConfig(
        command=found.command, secure=found.secure, handshake=HANDSHAKE, plugins={}
    )
    policy = RestartPolicy(initial_delay=1.0, limit=3)
    with Supervisor(
        restart=policy, health=HealthPolicy(interval=5.0), on_change=on_change
    ) as supervisor:
        plugin = assert_type(supervisor.add("kv", config), Supervised)
        plugin.start()
        assert_type(plugin.dispense("kv"), Any)
        assert_type(plugin.channel, grpc.Channel)
        plugin.reload(config, drain_timeout=1.0)
        assert_type(plugin.wait_for(State.RUNNING, 1.0), bool)
        assert_type(plugin.wait_for(lambda status: status.failures > 1, 1.0), bool)
        with plugin.lease() as lease:
            assert_type(lease.broker, Broker)
            lease.dispense("kv")
        plugin.stop(drain_timeout=1.0)
        assert_type(supervisor["kv"], Supervised)
        supervisor.remove("kv")


def lost(error: CallLost) -> None:
    assert_type(error.status, int | None)
    assert_type(error.code(), grpc.StatusCode)
    known: list[ConnectionLost | grpc.RpcError] = [error]
    known.clear()
