"""Whether anybody is connected to a socket, as the system tells it."""

import socket
from collections.abc import Iterator

import pytest

from goplugin_py.net import connected
from goplugin_py.net.connected import has_connections
from goplugin_py.net.sockets import address_of, listen_tcp, listen_unix
from goplugin_py.wire.address import Address
from tests.peers import WAIT, until


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


def test_a_connection_counts_from_its_beginning_to_its_end(
    listener: socket.socket,
) -> None:
    address = address_of(listener)
    assert has_connections(address) is False
    with dial(address):
        assert has_connections(address) is True
        accepted, _ = listener.accept()
        assert has_connections(address) is True
    accepted.close()
    until(lambda: has_connections(address) is False)


def test_a_connection_to_another_socket_does_not_count(
    listener: socket.socket, directory: str
) -> None:
    with listen_unix(directory) as unix, listen_tcp(()) as tcp:
        for other in (unix, tcp):
            with dial(address_of(other)), other.accept()[0]:
                assert has_connections(address_of(listener)) is False


def test_a_path_may_have_spaces(directory: str) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(f"{directory}/a  b")
        sock.listen()
        address = address_of(sock)
        assert has_connections(address) is False
        with dial(address):
            assert has_connections(address) is True


def test_nothing_is_known_where_the_system_does_not_tell(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """macOS has no /proc."""

    def fail(*_: object) -> None:
        raise FileNotFoundError

    monkeypatch.setattr(connected, "_rows", fail)
    assert has_connections(address_of(listener)) is None
