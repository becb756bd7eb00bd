"""What channels have of their own."""

import pytest
from grpc import RpcError

from goplugin_py.net.sockets import address_of, listen_tcp
from goplugin_py.services.channel import open_channel
from goplugin_py.services.server import Server
from goplugin_py.services.transport import add_port
from tests.echo import add_echo, call


def test_a_channel_knows_nothing_of_the_failures_of_another() -> None:
    """A plugin may get the port of one that was killed; grpcio shares connections."""
    with listen_tcp(()) as free:
        address = address_of(free)
    server = Server(max_workers=1)
    add_echo(server)
    with open_channel(address.target) as earlier, open_channel(address.target) as later:
        with pytest.raises(RpcError):
            call(earlier)
        add_port(server, address)
        server.start()
        assert call(later) == b"ping"
    server.close(0)
