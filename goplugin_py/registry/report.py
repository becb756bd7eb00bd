"""A manifest that a plugin reports itself: an optional convention of one rpc.

    package goplugin;
    service Manifest {
      rpc Get(google.protobuf.Empty) returns (google.protobuf.StringValue);
    }

The answer is the text of a manifest file. Plugins that don't have the service answer
with UNIMPLEMENTED, as to any unknown call.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import grpc
from google.protobuf.wrappers_pb2 import StringValue

from goplugin_py.plugin import Plugin
from goplugin_py.registry.manifest import Manifest, parse_manifest

if TYPE_CHECKING:
    from goplugin_py.services.broker import Broker

SERVICE = "goplugin.Manifest"


class ManifestPlugin(Plugin):
    """Lets a plugin report its manifest, beside what it is there for.

    `plugins={"kv": ..., "manifest": ManifestPlugin(text)}` on the plugin's side.
    """

    def __init__(self, text: str) -> None:
        """Check the text.

        Raises:
            ManifestError: It is not that of a manifest.
        """
        parse_manifest(text)
        self._answer = StringValue(value=text).SerializeToString()

    def grpc_server(self, broker: Broker, server: grpc.Server) -> None:
        """Register the service."""
        get: grpc.RpcMethodHandler[bytes, bytes]
        get = grpc.unary_unary_rpc_method_handler(self._get)
        generic = grpc.method_handlers_generic_handler(SERVICE, {"Get": get})
        server.add_generic_rpc_handlers((generic,))

    def _get(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        return self._answer


def ask_manifest(channel: grpc.Channel, timeout: float) -> Manifest | None:
    """Ask a plugin for its manifest; return None if it does not report one.

    Raises:
        ManifestError: What it reports is no manifest.
        grpc.RpcError: The call failed.
    """
    get = channel.unary_unary(
        f"/{SERVICE}/Get",
        request_serializer=bytes,
        response_deserializer=StringValue.FromString,
    )
    try:
        answer = get(b"", timeout=timeout)
    except grpc.RpcError as exc:
        if exc.code() is grpc.StatusCode.UNIMPLEMENTED:
            return None
        raise
    # What to run, and by which checksum, is not for the plugin to say.
    return dataclasses.replace(parse_manifest(answer.value), command=(), secure=None)
