"""A filter that compresses: see `compress.py`, its host."""

import zlib
from collections.abc import Iterable, Iterator

import grpc
from streams_pb2 import Chunk, ReadRequest, RunReply, RunRequest
from streams_pb2_grpc import (
    FilterServicer,
    SinkStub,
    SourceStub,
    add_FilterServicer_to_server,
)

from goplugin_py import Broker, HandshakeConfig, Plugin, ServeConfig, serve

GZIP = 16 + zlib.MAX_WBITS


class Filter(FilterServicer):
    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    def Run(self, request: RunRequest, context: grpc.ServicerContext) -> RunReply:
        with (
            self._broker.dial(request.source) as source,
            self._broker.dial(request.sink) as sink,
        ):
            counter = Counter(SourceStub(source).Read(ReadRequest()))
            SinkStub(sink).Write(compress(counter))
            return RunReply(bytes_read=counter.total)


class Counter:
    """Passes chunks on and counts their bytes."""

    def __init__(self, chunks: Iterable[Chunk]) -> None:
        self._chunks = chunks
        self.total = 0

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._chunks:
            self.total += len(chunk.data)
            yield chunk.data


def compress(pieces: Iterable[bytes]) -> Iterator[Chunk]:
    """Compress as the pieces come."""
    compressor = zlib.compressobj(wbits=GZIP)
    for piece in pieces:
        yield Chunk(data=compressor.compress(piece))
    yield Chunk(data=compressor.flush())


class FilterPlugin(Plugin):
    """The plugin's half."""

    def grpc_server(self, broker: Broker, server: grpc.Server) -> None:
        add_FilterServicer_to_server(Filter(broker), server)


if __name__ == "__main__":
    handshake = HandshakeConfig(1, "STREAMS_PLUGIN", "filter")
    serve(ServeConfig(handshake=handshake, plugins={"filter": FilterPlugin()}))
