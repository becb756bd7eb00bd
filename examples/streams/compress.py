"""Lend two open files to a plugin: one that it reads, one that it writes.

    python examples/streams/compress.py SOURCE TARGET PLUGIN...

PLUGIN is the command of a filter, such as `python examples/streams/gzip_plugin.py`.
The plugin opens no file. It calls back for the content, on connections of its own, and
sends what it makes of it in the same way; neither side holds a file in memory.
"""

import sys
from collections.abc import Iterator
from functools import partial
from typing import BinaryIO

import grpc
from streams_pb2 import Chunk, ReadRequest, RunRequest, WriteReply
from streams_pb2_grpc import (
    FilterStub,
    SinkServicer,
    SourceServicer,
    add_SinkServicer_to_server,
    add_SourceServicer_to_server,
)

from goplugin_py import Broker, Client, ClientConfig, HandshakeConfig, Plugin

CHUNK = 64 * 1024
HANDSHAKE = HandshakeConfig(1, "STREAMS_PLUGIN", "filter")


class Source(SourceServicer):
    """A file that the plugin reads."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def Read(
        self, request: ReadRequest, context: grpc.ServicerContext
    ) -> Iterator[Chunk]:
        while data := self._file.read(CHUNK):
            yield Chunk(data=data)


class Sink(SinkServicer):
    """A file that the plugin writes."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def Write(
        self, chunks: Iterator[Chunk], context: grpc.ServicerContext
    ) -> WriteReply:
        for chunk in chunks:
            self._file.write(chunk.data)
        return WriteReply()


class Filter:
    """What `dispense` returns: the plugin, with files for arguments."""

    def __init__(self, broker: Broker, stub: FilterStub) -> None:
        self._broker = broker
        self._stub = stub

    def run(self, source: BinaryIO, sink: BinaryIO) -> int:
        """Send what the plugin makes of one file to the other; return bytes read."""
        ids = self._broker.next_id(), self._broker.next_id()
        readable = partial(add_SourceServicer_to_server, Source(source))
        writable = partial(add_SinkServicer_to_server, Sink(sink))
        with (
            self._broker.accept_and_serve(ids[0], readable),
            self._broker.accept_and_serve(ids[1], writable),
        ):
            return self._stub.Run(RunRequest(source=ids[0], sink=ids[1])).bytes_read


class FilterPlugin(Plugin):
    """The host's half of the plugin."""

    def grpc_client(self, broker: Broker, channel: grpc.Channel) -> Filter:
        return Filter(broker, FilterStub(channel))


def main(source: str, target: str, *command: str) -> None:
    plugins = {"filter": FilterPlugin()}
    config = ClientConfig(command=command, handshake=HANDSHAKE, plugins=plugins)
    with (
        open(source, "rb") as readable,
        open(target, "wb") as writable,
        Client(config) as client,
    ):
        read = client.dispense("filter").run(readable, writable)
        print(f"{read} bytes, compressed to {writable.tell()}")


if __name__ == "__main__":
    main(*sys.argv[1:])
