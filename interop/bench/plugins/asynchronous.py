"""The service of plugins whose handlers are awaited by grpcio."""

from collections.abc import AsyncIterator
from typing import Any

from interop.echo_pb2 import Payload, StreamRequest
from interop.echo_pb2_grpc import EchoServicer


class Echo(EchoServicer):
    async def Unary(self, request: Payload, context: Any) -> Payload:
        return request

    async def ServerStream(
        self, request: StreamRequest, context: Any
    ) -> AsyncIterator[Payload]:
        data = bytes(request.size)
        for number in range(request.count):
            yield Payload(data=data, number=number)
