"""The services of go-plugin's examples, which all use the same package and names.

Each has its messages in a pool of its own. The wire carries no names of messages, so
they stand here without the nesting that some have.
"""

from collections.abc import Callable, Iterator
from typing import Any

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from goplugin_py import HandshakeConfig

HANDSHAKE = HandshakeConfig(
    protocol_version=1, magic_cookie_key="BASIC_PLUGIN", magic_cookie_value="hello"
)

_TYPES = descriptor_pb2.FieldDescriptorProto


def messages(**definitions: str) -> Any:
    """Define messages, each by its fields as `name:type`, numbered from 1.

    Returns:
        An object with the message classes as attributes.
    """
    file = descriptor_pb2.FileDescriptorProto(
        name="example.proto", package="proto", syntax="proto3"
    )
    for name, fields in definitions.items():
        message = file.message_type.add(name=name)
        for number, field in enumerate(fields.split(), 1):
            field_name, _, kind = field.partition(":")
            message.field.add(
                name=field_name,
                number=number,
                type=_TYPES.Type.Value(f"TYPE_{kind.upper()}"),
                label=_TYPES.LABEL_OPTIONAL,
            )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return type(
        "Messages",
        (),
        {
            name: message_factory.GetMessageClass(
                pool.FindMessageTypeByName(f"proto.{name}")
            )
            for name in definitions
        },
    )


kv = messages(
    GetRequest="key:string",
    GetResponse="value:bytes",
    PutRequest="key:string value:bytes",
    Empty="",
)
counter = messages(
    GetRequest="key:string",
    GetResponse="value:int64",
    PutRequest="add_server:uint32 key:string value:int64",
    Empty="",
    SumRequest="a:int64 b:int64",
    SumResponse="r:int64",
)
streaming = messages(
    ConfigureRequest="path:string chunk_size:int64",
    ReadRequest="",
    ReadChunk="data:bytes",
    WriteChunk="data:bytes",
    Empty="",
)


def encode(message: Any) -> bytes:
    """Serialise any message."""
    data: bytes = message.SerializeToString()
    return data


class KV:
    """go-plugin: `examples/grpc/shared`, `GRPCClient`."""

    def __init__(self, channel: grpc.Channel) -> None:
        self.Get = channel.unary_unary(
            "/proto.KV/Get", encode, kv.GetResponse.FromString
        )
        self.Put = channel.unary_unary("/proto.KV/Put", encode, kv.Empty.FromString)

    def put(self, key: str, value: bytes) -> None:
        """Store a value; the plugin writes it to the file `kv_<key>`."""
        self.Put(kv.PutRequest(key=key, value=value), timeout=5)

    def get(self, key: str) -> bytes:
        """Return a stored value."""
        value: bytes = self.Get(kv.GetRequest(key=key), timeout=5).value
        return value


class Counter:
    """go-plugin: `examples/bidirectional/shared`, `GRPCClient`."""

    def __init__(self, channel: grpc.Channel) -> None:
        self.Get = channel.unary_unary(
            "/proto.Counter/Get", encode, counter.GetResponse.FromString
        )
        self.Put = channel.unary_unary(
            "/proto.Counter/Put", encode, counter.Empty.FromString
        )

    def put(self, key: str, value: int, add_server: int) -> None:
        """Add to a value, by means of the host's AddHelper."""
        request = counter.PutRequest(key=key, value=value, add_server=add_server)
        self.Put(request, timeout=20)

    def get(self, key: str) -> int:
        """Return a stored value."""
        value: int = self.Get(counter.GetRequest(key=key), timeout=5).value
        return value


def add_helper(add: Callable[[int, int], int]) -> Callable[[grpc.Server], None]:
    """Return what registers an AddHelper on a server."""

    def answer(request: Any, _context: grpc.ServicerContext) -> Any:
        return counter.SumResponse(r=add(request.a, request.b))

    def register(server: grpc.Server) -> None:
        handler = grpc.unary_unary_rpc_method_handler(
            answer, counter.SumRequest.FromString, encode
        )
        server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler("proto.AddHelper", {"Sum": handler}),)
        )

    return register


class Streamer:
    """go-plugin: `examples/streaming/plugin`."""

    def __init__(self, channel: grpc.Channel) -> None:
        path = "/proto.StreamerService/"
        self.Configure = channel.unary_unary(
            path + "Configure", encode, streaming.Empty.FromString
        )
        self.Read = channel.unary_stream(
            path + "Read", encode, streaming.ReadChunk.FromString
        )
        self.Write = channel.stream_unary(
            path + "Write", encode, streaming.Empty.FromString
        )

    def configure(self, path: str, chunk_size: int) -> None:
        """Name the file, and the size of what is read of it at once."""
        request = streaming.ConfigureRequest(path=path, chunk_size=chunk_size)
        self.Configure(request, timeout=5)

    def read(self) -> Iterator[bytes]:
        """Stream the file."""
        for chunk in self.Read(streaming.ReadRequest(), timeout=20):
            yield chunk.data

    def write(self, chunks: list[bytes]) -> None:
        """Fill the file."""
        requests = (streaming.WriteChunk(data=chunk) for chunk in chunks)
        self.Write(requests, timeout=20)
