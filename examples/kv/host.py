from kv_pb2 import GetRequest, PutRequest
from kv_pb2_grpc import KVStub

from goplugin_py import Client, ClientConfig, HandshakeConfig, Plugin

config = ClientConfig(
    command=["./kv-plugin"],
    handshake=HandshakeConfig(1, "BASIC_PLUGIN", "hello"),
    plugins={"kv": Plugin.from_stub(KVStub)},
)
with Client(config) as client:
    kv = client.dispense("kv")
    kv.Put(PutRequest(key="greeting", value=b"hello"))
    print(kv.Get(GetRequest(key="greeting")).value.decode())
