"""What a plugin is to either side."""

from __future__ import annotations

from typing import Any
from unittest.mock import sentinel

import pytest

from goplugin_py import ConfigError, Plugin


class Custom(Plugin):
    pass


def test_a_side_that_is_not_overridden_says_so() -> None:
    with pytest.raises(NotImplementedError, match=r"Custom has no server side.*grpc_s"):
        Custom().grpc_server(sentinel.broker, sentinel.server)
    with pytest.raises(NotImplementedError, match=r"Custom has no client side.*grpc_c"):
        Custom().grpc_client(sentinel.broker, sentinel.channel)


def test_a_stub_becomes_a_hosts_plugin() -> None:
    made: list[object] = []

    def stub(channel: object) -> Any:
        made.append(channel)
        return sentinel.stub

    plugin = Plugin.from_stub(stub)
    assert plugin.grpc_client(sentinel.broker, sentinel.channel) is sentinel.stub
    assert made == [sentinel.channel]
    with pytest.raises(NotImplementedError, match="no server side"):
        plugin.grpc_server(sentinel.broker, sentinel.server)


def test_a_servicer_becomes_a_plugins_plugin() -> None:
    added: list[tuple[object, object]] = []
    plugin = Plugin.from_servicer(
        lambda servicer, server: added.append((servicer, server)), sentinel.servicer
    )
    plugin.grpc_server(sentinel.broker, sentinel.server)
    assert added == [(sentinel.servicer, sentinel.server)]
    with pytest.raises(NotImplementedError, match="no client side"):
        plugin.grpc_client(sentinel.broker, sentinel.channel)


def test_what_can_not_be_called_is_refused_at_once() -> None:
    async def make() -> None: ...

    with pytest.raises(ConfigError, match="pass the function itself"):
        Plugin.from_stub(make())  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="add_to_server must be a function, not str"):
        Plugin.from_servicer("add", object())  # type: ignore[arg-type]
