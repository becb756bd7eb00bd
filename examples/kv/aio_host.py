import asyncio

from kv_pb2 import GetRequest, PutRequest
from kv_pb2_grpc import KVStub

from goplugin_py import ClientConfig, HandshakeConfig, Plugin, aio

config = ClientConfig(
    command=["./kv-plugin"],
    handshake=HandshakeConfig(1, "BASIC_PLUGIN", "hello"),
    plugins={"kv": Plugin.from_stub(KVStub)},
)


async def main() -> None:
    async with aio.Client(config) as client:
        kv = await client.dispense("kv")
        keys = ["one", "two", "three"]
        puts = [kv.Put(PutRequest(key=key, value=key.encode())) for key in keys]
        await asyncio.gather(*puts)
        for key in keys:
            print((await kv.Get(GetRequest(key=key))).value.decode())


asyncio.run(main())
