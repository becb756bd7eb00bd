"""Whether anybody is connected to a socket of this process."""

import os
import socket
from collections.abc import Iterator

import pytest

from goplugin_py.net import connected
from goplugin_py.net.connected import has_connections
from goplugin_py.net.sockets import address_of, listen_tcp, listen_unix
from goplugin_py.wire.address import Address
from tests.peers import WAIT


@pytest.fixture(params=["unix", "tcp"])
def listener(request: pytest.FixtureRequest, directory: str) -> Iterator[socket.socket]:
    unix = request.param == "unix"
    with listen_unix(directory) if unix else listen_tcp(()) as sock:
        sock.settimeout(WAIT)
        yield sock


def dial(address: Address) -> socket.socket:
    unix = address.network == "unix"
    sock = socket.socket(socket.AF_UNIX if unix else socket.AF_INET)
    sock.connect(address.text if unix else address.host_port)
    return sock


def test_a_connection_counts_from_its_accept_to_its_end(
    listener: socket.socket,
) -> None:
    address = address_of(listener)
    assert has_connections(address) is False
    with dial(address):
        accepted, _ = listener.accept()
        assert has_connections(address) is True
    accepted.close()
    assert has_connections(address) is False


def test_a_connection_to_another_socket_does_not_count(
    listener: socket.socket, directory: str
) -> None:
    with listen_unix(directory) as unix, listen_tcp(()) as tcp:
        for other in (unix, tcp):
            with dial(address_of(other)), other.accept()[0]:
                assert has_connections(address_of(listener)) is False


def test_looking_closes_nothing(listener: socket.socket) -> None:
    read, write = os.pipe()
    with dial(address_of(listener)) as near, listener.accept()[0] as far:
        assert has_connections(address_of(listener)) is True
        near.sendall(b"ping")
        assert far.recv(4) == b"ping"
    os.write(write, b"x")
    assert os.read(read, 1) == b"x"
    os.close(read)
    os.close(write)


def test_sockets_of_other_kinds_do_not_count(listener: socket.socket) -> None:
    """Nor any that have no name."""
    address = address_of(listener)
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams,
        socket.socket(socket.AF_UNIX),
        socket.socket(socket.AF_INET6),
    ):
        if address.network == "tcp":
            datagrams.bind(address.host_port)
        assert has_connections(address) is False


def test_nothing_is_known_where_the_system_does_not_tell(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connected, "_DESCRIPTORS", "/nonexistent")
    assert has_connections(address_of(listener)) is None


def test_sockets_of_others_stay_blocking(listener: socket.socket) -> None:
    """Python makes a socket that it is given non-blocking if there is a time limit."""
    near, far = socket.socketpair()
    with near, far:
        socket.setdefaulttimeout(WAIT)
        try:
            assert has_connections(address_of(listener)) is None
        finally:
            socket.setdefaulttimeout(None)
        assert has_connections(address_of(listener)) is False
        assert os.get_blocking(near.fileno())
