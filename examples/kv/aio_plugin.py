import asyncio
from pathlib import Path

from kv_pb2 import Empty, GetResponse
from kv_pb2_grpc import KVServicer, add_KVServicer_to_server

from goplugin_py import HandshakeConfig, Plugin, ServeConfig, aio


class KV(KVServicer):
    def __init__(self):
        self.turn = asyncio.Lock()

    async def Put(self, request, context):
        async with self.turn:
            await asyncio.to_thread(self.path(request).write_bytes, request.value)
        return Empty()

    def Get(self, request, context):  # a plain function runs on a thread
        return GetResponse(value=self.path(request).read_bytes())

    def path(self, request):
        return Path("kv_" + request.key)


kv = {"kv": Plugin.from_servicer(add_KVServicer_to_server, KV())}
handshake = HandshakeConfig(1, "BASIC_PLUGIN", "hello")
asyncio.run(aio.serve(ServeConfig(handshake=handshake, plugins=kv)))
