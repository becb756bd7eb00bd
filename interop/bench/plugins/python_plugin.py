"""python-plugin's plugin, with the base that grpclib's generator would give."""

from typing import Any

from grpclib.const import Cardinality, Handler
from pyplugin import HandshakeConfig, Plugin, ServeConfig, serve

from interop.echo_pb2 import Payload, StreamRequest


class Echo:
    async def unary(self, stream: Any) -> None:
        await stream.send_message(await stream.recv_message())

    async def server_stream(self, stream: Any) -> None:
        request = await stream.recv_message()
        data = bytes(request.size)
        for number in range(request.count):
            await stream.send_message(Payload(data=data, number=number))

    def __mapping__(self) -> dict[str, Handler]:
        return {
            "/echo.Echo/Unary": Handler(
                self.unary, Cardinality.UNARY_UNARY, Payload, Payload
            ),
            "/echo.Echo/ServerStream": Handler(
                self.server_stream, Cardinality.UNARY_STREAM, StreamRequest, Payload
            ),
        }


class EchoPlugin(Plugin):
    def servicers(self, broker: Any) -> list[Any]:
        return [Echo()]

    def stub(self, broker: Any, channel: Any) -> Any:
        raise NotImplementedError


serve(
    ServeConfig(
        handshake_config=HandshakeConfig(1, "ECHO_PLUGIN", "5f0c1a5e"),
        plugins={"echo": EchoPlugin()},
    )
)
