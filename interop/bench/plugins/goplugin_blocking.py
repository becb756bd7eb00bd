"""This library's blocking plugin."""

from goplugin_py import HandshakeConfig, Plugin, ServeConfig, serve
from interop.bench.plugins.blocking import Echo
from interop.echo_pb2_grpc import add_EchoServicer_to_server

serve(
    ServeConfig(
        handshake=HandshakeConfig(1, "ECHO_PLUGIN", "5f0c1a5e"),
        plugins={"echo": Plugin.from_servicer(add_EchoServicer_to_server, Echo())},
    )
)
