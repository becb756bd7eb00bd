"""How a link dials and listens: plain or with TLS, unix or TCP."""

import os
import socket
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest

from goplugin_py.errors import BrokerError, ConfigError
from goplugin_py.net.sockets import (
    address_of,
    client_context,
    listen_tcp,
    server_context,
)
from goplugin_py.services import transport as transport_module
from goplugin_py.services.channel import open_channel
from goplugin_py.services.relayed import RelayedTransport
from goplugin_py.services.server import Server
from goplugin_py.services.transport import Listening, Transport
from goplugin_py.wire.address import Address
from tests.echo import add_echo, call
from tests.peers import identity_of, until


class Links:
    """Makes transports of both sides, and ends all."""

    def __init__(self) -> None:
        self._made: list[Transport] = []

    def make(self, own: str = "", trusts: str = "", **listening: Any) -> Transport:
        place = Listening(**listening)
        if own:
            identity, peer = identity_of(own), identity_of(trusts).certificate
            transport: Transport = RelayedTransport(
                client_context=client_context(identity, peer),
                server_context=server_context(identity, peer),
                listening=place,
            )
        else:
            transport = Transport(listening=place)
        self._made.append(transport)
        return transport

    def pair(self, tls: bool, **listening: Any) -> tuple[Transport, Transport]:
        """Return a host's and a plugin's."""
        if not tls:
            return self.make(), self.make(**listening)
        return self.make("host", "plugin"), self.make("plugin", "host", **listening)

    def close(self) -> None:
        for transport in self._made:
            transport.close()
            transport.close()


@pytest.fixture
def links() -> Iterator[Links]:
    links = Links()
    yield links
    links.close()


def echo_server() -> Server:
    server = Server(max_workers=2)
    add_echo(server)
    return server


with_and_without_tls = pytest.mark.parametrize("tls", [True, False])


@with_and_without_tls
@pytest.mark.parametrize("network", ["unix", "tcp"])
def test_what_one_side_binds_the_other_can_connect_to(
    links: Links, tls: bool, network: str
) -> None:
    host, plugin = links.pair(tls, network=network)
    server = echo_server()
    binding = plugin.bind(server)
    server.start()
    assert binding.address.network == network
    connection = host.connect(binding.address)
    with open_channel(connection.target) as channel:
        assert call(channel, b"hello" * 100_000) == b"hello" * 100_000
        assert connection.failure is None
    connection.close()
    connection.close()
    server.close(0)
    binding.close()
    binding.close()


@with_and_without_tls
def test_sockets_lie_in_a_private_directory_that_is_removed(
    links: Links, tls: bool
) -> None:
    _, plugin = links.pair(tls)
    server = echo_server()
    binding = plugin.bind(server)
    directory = os.path.dirname(binding.address.text)
    assert stat.S_IMODE(os.stat(directory).st_mode) == 0o700
    server.close(0)
    binding.close()
    assert not os.path.exists(binding.address.text)
    plugin.close()
    assert not os.path.exists(directory)


@with_and_without_tls
def test_sockets_lie_where_the_host_wants_them(
    links: Links, tls: bool, directory: str
) -> None:
    _, plugin = links.pair(tls, directory=directory)
    server = echo_server()
    binding = plugin.bind(server)
    assert os.path.dirname(binding.address.text) == directory
    assert os.listdir(directory) == [os.path.basename(binding.address.text)]
    server.close(0)
    binding.close()
    assert os.listdir(directory) == []


@with_and_without_tls
def test_a_group_gets_a_socket_that_it_can_reach(
    links: Links, tls: bool, directory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """go-plugin: serverListener_unix, which uses the temporary directory."""
    monkeypatch.setenv("TMPDIR", directory)
    _, plugin = links.pair(tls, group=str(os.getgid()))
    server = echo_server()
    binding = plugin.bind(server)
    assert os.path.dirname(binding.address.text) == directory
    status = os.stat(binding.address.text)
    assert status.st_gid == os.getgid()
    assert stat.S_IMODE(status.st_mode) == 0o660
    server.close(0)
    binding.close()


@with_and_without_tls
def test_a_directory_that_does_not_exist_is_a_config_error(
    links: Links, tls: bool
) -> None:
    _, plugin = links.pair(tls, directory="/nonexistent")
    with pytest.raises((ConfigError, FileNotFoundError)):
        plugin.bind(echo_server())


@with_and_without_tls
def test_a_tcp_port_comes_from_the_range(links: Links, tls: bool) -> None:
    with listen_tcp(()) as taken, listen_tcp(()) as freed:
        ports = [address_of(each).host_port[1] for each in (taken, freed)]
        freed.close()
        _, plugin = links.pair(tls, network="tcp", ports=ports)
        server = echo_server()
        binding = plugin.bind(server)
        assert binding.address == Address.tcp("127.0.0.1", ports[1])
        with pytest.raises(ConfigError, match="no free TCP port"):
            plugin.bind(echo_server())
        server.close(0)
        binding.close()


def test_a_port_that_another_process_took_first_is_skipped(
    links: Links, monkeypatch: pytest.MonkeyPatch
) -> None:
    with listen_tcp(()) as taken, listen_tcp(()) as freed:
        ports = sorted(address_of(each).host_port[1] for each in (taken, freed))
        taken.close()
        freed.close()
        tried: list[str] = []
        add_port = transport_module.add_port

        def slower(server: grpc.Server, address: Address) -> None:
            tried.append(address.text)
            if len(tried) == 1:
                raise ConfigError("taken")
            add_port(server, address)

        monkeypatch.setattr(transport_module, "add_port", slower)
        server = echo_server()
        binding = links.make(network="tcp", ports=ports).bind(server)
        assert binding.address.host_port[1] == ports[1]
        assert len(tried) == 2
        server.close(0)
        tried.clear()
        with pytest.raises(ConfigError, match="taken"):
            links.make(network="tcp", ports=ports[:1]).bind(echo_server())


def test_a_peer_with_another_certificate_gets_nothing_but_a_reason(
    links: Links,
) -> None:
    plugin = links.make("plugin", "host")
    server = echo_server()
    binding = plugin.bind(server)
    server.start()
    connection = links.make("stranger", "plugin").connect(binding.address)
    with open_channel(connection.target) as channel:
        with pytest.raises(grpc.RpcError) as caught:
            call(channel)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        until(lambda: connection.failure)
        assert "alert" in str(connection.failure)
    connection.close()
    server.close(0)
    binding.close()


def test_closing_a_connection_ends_its_calls(links: Links) -> None:
    host, plugin = links.pair(tls=True)
    server = echo_server()
    binding = plugin.bind(server)
    server.start()
    connection = host.connect(binding.address)
    with open_channel(connection.target) as channel, ThreadPoolExecutor(1) as pool:
        assert call(channel) == b"ping"
        connection.close()
        with pytest.raises(grpc.RpcError):
            pool.submit(call, channel).result()
    server.close(0)
    binding.close()


def test_nothing_is_made_for_a_link_that_is_closed(links: Links) -> None:
    host, plugin = links.pair(tls=True)
    host.close()
    plugin.close()
    with pytest.raises(BrokerError, match="closed"):
        host.connect(Address.unix("/nonexistent"))
    with pytest.raises(BrokerError, match="closed"):
        plugin.bind(echo_server())


def test_a_plain_link_is_dialled_by_grpc_itself(links: Links, tmp_path: Path) -> None:
    connection = links.make().connect(Address.unix(str(tmp_path / "a b")))
    assert connection.target == f"unix:{tmp_path}/a%20b"
    assert connection.failure is None
    connection.close()


def test_a_socket_that_is_gone_already_is_no_error(links: Links) -> None:
    server = echo_server()
    binding = links.make().bind(server)
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(binding.address.text)
    os.unlink(binding.address.text)
    server.close(0)
    binding.close()
