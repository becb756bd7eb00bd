"""Iglu's plugin in Python: a key-value store that reports its own manifest."""

from pathlib import Path

import grpc
from kv_pb2 import Empty, GetRequest, GetResponse, PutRequest
from kv_pb2_grpc import KVServicer, add_KVServicer_to_server

from goplugin_py import HandshakeConfig, Plugin, ServeConfig, serve
from goplugin_py.registry import ManifestPlugin, parse_manifest

MANIFEST = Path(__file__).with_name("plugin.yaml").read_text()
VERSION = parse_manifest(MANIFEST).version


class KV(KVServicer):
    def Put(self, request: PutRequest, context: grpc.ServicerContext) -> Empty:
        Path("kv_" + request.key).write_bytes(request.value)
        return Empty()

    def Get(self, request: GetRequest, context: grpc.ServicerContext) -> GetResponse:
        value = Path("kv_" + request.key).read_text()
        return GetResponse(value=f"{value}, says version {VERSION}".encode())


if __name__ == "__main__":
    plugins = {
        "kv": Plugin.from_servicer(add_KVServicer_to_server, KV()),
        "manifest": ManifestPlugin(MANIFEST),
    }
    handshake = HandshakeConfig(1, "BASIC_PLUGIN", "hello")
    serve(ServeConfig(handshake=handshake, plugins=plugins))
