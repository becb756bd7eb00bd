"""The service of plugins whose handlers block."""

from collections.abc import Iterator

import grpc

from interop.echo_pb2 import Payload, StreamRequest
from interop.echo_pb2_grpc import EchoServicer


class Echo(EchoServicer):
    def Unary(self, request: Payload, context: grpc.ServicerContext) -> Payload:
        return request

    def ServerStream(
        self, request: StreamRequest, context: grpc.ServicerContext
    ) -> Iterator[Payload]:
        data = bytes(request.size)
        for number in range(request.count):
            yield Payload(data=data, number=number)
