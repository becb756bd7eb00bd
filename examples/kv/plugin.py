from pathlib import Path

from kv_pb2 import Empty, GetResponse
from kv_pb2_grpc import KVServicer, add_KVServicer_to_server

from goplugin_py import HandshakeConfig, Plugin, ServeConfig, serve


class KV(KVServicer):
    def Put(self, request, context):
        Path("kv_" + request.key).write_bytes(request.value)
        return Empty()

    def Get(self, request, context):
        return GetResponse(value=Path("kv_" + request.key).read_bytes())


kv = {"kv": Plugin.from_servicer(add_KVServicer_to_server, KV())}
serve(ServeConfig(handshake=HandshakeConfig(1, "BASIC_PLUGIN", "hello"), plugins=kv))
