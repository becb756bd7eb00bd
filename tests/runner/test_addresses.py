"""Addresses that differ between a host and its plugin's runner."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest

from goplugin_py import (
    Address,
    BrokerError,
    Client,
    ClientClosed,
    CommandRunner,
    DirectoryTranslator,
    LaunchError,
    RunnerSpec,
    aio,
)
from tests.echo import SERVICE, add_echo, call
from tests.peers import WAIT
from tests.runner.hosts import (
    config,
    failed_start,
    kill_in_time,
    starting,
)
from tests.runners import tampered


class Moved(CommandRunner):
    """The plugin's directory has another name for the plugin: a link to it."""

    named: ClassVar[list[Address]] = []

    def __init__(self, spec: RunnerSpec) -> None:
        self.link = f"{spec.socket_directory}-inside"
        os.symlink(spec.socket_directory, self.link)
        super().__init__(spec, sockets_at=self.link)

    def plugin_to_host(self, address: Address) -> Address:
        self.named.append(address)
        return super().plugin_to_host(address)

    def wait(self) -> int:
        try:
            return super().wait()
        finally:
            os.unlink(self.link)


@pytest.mark.parametrize("mtls", [True, False], ids=["mtls", "plain"])
def test_addresses_are_translated_both_ways(mtls: bool) -> None:
    """go-plugin: PluginToHost and HostToPlugin, for the line and for the broker."""
    with Client(config(Moved, auto_mtls=mtls)) as client:
        echo = client.dispense("echo")
        inside, name = os.path.split(Moved.named[-1].text)
        assert inside.endswith("-inside")
        assert client.address.text == f"{inside.removesuffix('-inside')}/{name}"
        service_id = client.broker.next_id()
        with client.broker.accept_and_serve(service_id, add_echo):
            assert echo(b"dial %d" % service_id) == b"from the plugin"
        with client.broker.dial(int(echo(b"serve"))) as channel:
            assert call(channel) == b"ping"
        assert os.path.dirname(Moved.named[-1].text) == inside


def test_addresses_are_translated_for_event_loops_too() -> None:
    register: Any = add_echo  # whose handlers either kind of server takes

    async def calls() -> list[bytes]:
        async with aio.Client(config(Moved)) as client:
            echo: Any = client.channel.unary_unary(f"/{SERVICE}/Call")
            service_id = client.broker.next_id()
            async with await client.broker.accept_and_serve(service_id, register):
                answers = [await echo(b"dial %d" % service_id, timeout=WAIT)]
            dialled = int(await echo(b"serve", timeout=WAIT))
            async with await client.broker.dial(dialled) as channel:
                peer: Any = channel.unary_unary(f"/{SERVICE}/Call")
                return [*answers, await peer(b"ping", timeout=WAIT)]

    assert asyncio.run(calls()) == [b"from the plugin", b"ping"]


def refuse(address: Address) -> Address:
    raise LookupError("not on the map")


@pytest.mark.parametrize(
    ("translate", "message"),
    [
        (refuse, r"can't translate unix:\S+ \(LookupError: not on the map\)"),
        (lambda address: address.text, r"to '/\S+, which is no Address"),
        (lambda address: None, "to None, which is no Address"),
    ],
    ids=["raises", "a text", "nothing"],
)
def test_an_address_that_can_not_be_translated_ends_the_start(
    translate: Callable[[Address], Any], message: str
) -> None:
    runner = tampered(plugin_to_host=lambda runner: translate)
    error = failed_start(config(runner))
    assert error.__str__().startswith("the plugin can't be reached: the runner")
    with pytest.raises(LaunchError, match=message):
        raise error


def test_a_broker_address_that_can_not_be_translated_is_the_brokers_error() -> None:
    plugins_main: list[Address] = []

    def once(address: Address) -> Address:
        if plugins_main:
            raise LookupError("not on the map")
        plugins_main.append(address)
        return address

    runner = tampered(
        plugin_to_host=lambda runner: once, host_to_plugin=lambda runner: refuse
    )
    with Client(config(runner)) as client:
        echo = client.dispense("echo")
        with pytest.raises(BrokerError, match="not on the map"):
            client.broker.accept_and_serve(client.broker.next_id(), add_echo)
        with pytest.raises(BrokerError, match="not on the map"):
            client.broker.dial(int(echo(b"serve")))
        assert echo() == b"ping"


def test_a_translation_that_blocks_does_not_hold_up_kill() -> None:
    entered, release = threading.Event(), threading.Event()

    def block(address: Address) -> Address:
        entered.set()
        release.wait()
        return address

    client = Client(config(tampered(plugin_to_host=lambda runner: block)))
    starter, errors = starting(client)
    assert entered.wait(WAIT)
    kill_in_time(client)
    starter.join(WAIT)
    assert isinstance(errors[0], ClientClosed)
    release.set()


def test_a_directory_has_another_path_and_nothing_else_is_reachable(
    directory: str,
) -> None:
    """A plugin must not lead the host to the sockets of others."""
    translator = DirectoryTranslator(host=directory, plugin="/sockets")
    outside = Address.unix("/var/run/docker.sock")
    os.symlink(outside.text, f"{directory}/plugin1")
    Path(directory, "plugin2").touch()
    for refused in (
        outside,
        Address.unix("/sockets/../var/run/docker.sock"),
        Address.unix("/sockets/sub/plugin1"),
        Address.unix("/sockets/.."),
        Address.unix("/sockets/plugin1"),
        Address.unix("/sockets/plugin2"),
        Address.tcp("127.0.0.1", 22),
    ):
        with pytest.raises(ValueError, match=r"is no (unix )?socket"):
            translator.plugin_to_host(refused)
    with pytest.raises(FileNotFoundError):
        translator.plugin_to_host(Address.unix("/sockets/plugin3"))
    with pytest.raises(ValueError, match="is no unix socket in"):
        translator.host_to_plugin(outside)
    inside = translator.host_to_plugin(Address.unix(f"{directory}/plugin4"))
    assert inside == Address.unix("/sockets/plugin4")
