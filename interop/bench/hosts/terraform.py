"""Hosts of Terraform providers, and values without any.

terraform.py raw|plain|mtls|values SCHEMA_PROVIDER SCHEMA_FILE TIME_PROVIDER
"""

import sys
from collections.abc import Callable
from contextlib import ExitStack
from time import perf_counter, process_time
from typing import Any

import grpc
import msgpack

from goplugin_py.terraform import HANDSHAKE, Provider, cty, tfplugin6
from goplugin_py.terraform.cty import BOOL, NUMBER, STRING, List, Map, Object
from interop.bench.hosts.bare import UNLIMITED, started
from interop.bench.hosts.blocking import carry_out, seconds

COOKIE = {
    HANDSHAKE.magic_cookie_key: HANDSHAKE.magic_cookie_value,
    "PLUGIN_PROTOCOL_VERSIONS": "6",
}

# An instance as a state has it, of which 9000 make a megabyte.
INSTANCE = Object(
    {
        "enabled": BOOL,
        "id": STRING,
        "name": STRING,
        "ports": List(NUMBER),
        "size": NUMBER,
        "tags": Map(STRING),
    }
)
COUNT = 9000


def instance(number: int) -> dict[str, Any]:
    return {
        "enabled": number % 2 == 0,
        "id": f"i-{number:08}",
        "name": f"an instance of the usual kind {number}",
        "ports": [80, 443, number],
        "size": number,
        "tags": {"env": f"stage-{number}", "team": "x"},
    }


class Values:
    """Encodes and decodes, in seconds of processor time."""

    def __init__(self) -> None:
        self._kind = List(INSTANCE)
        self._value = list(map(instance, range(COUNT)))
        self._data = cty.encode(self._value, self._kind)

    def encode(self, count: int) -> list[float]:
        return _each(count, lambda: cty.encode(self._value, self._kind))

    def decode(self, count: int) -> list[float]:
        return _each(count, lambda: cty.decode(self._data, self._kind))

    def pack(self, count: int) -> list[float]:
        return _each(count, lambda: msgpack.packb(self._value))

    def unpack(self, count: int) -> list[float]:
        return _each(count, lambda: msgpack.unpackb(self._data))


def _each(count: int, call: Callable[[], object]) -> list[float]:
    times = []
    for _ in range(count):
        start = process_time()
        call()
        times.append(process_time() - start)
    return times


class Raw:
    """grpcio without any library: the call, and the message that comes of it."""

    def __init__(self, channel: grpc.Channel) -> None:
        stub: Any = tfplugin6.ProviderStub(channel)
        self._call = stub.GetProviderSchema

    def schema(self, count: int) -> list[float]:
        request = tfplugin6.GetProviderSchema.Request()
        return [seconds(self._call, request) for _ in range(count)]


class Host:
    """This library."""

    def __init__(self, wide: Provider, time: Provider) -> None:
        self._wide = wide
        self._sleep = time.resource("time_sleep")

    def schema(self, count: int) -> list[float]:
        """Read it anew, and one of the types in it."""
        times = []
        for _ in range(count):
            again = Provider(self._wide.client)
            start = perf_counter()
            assert again.schema.resources["wide_resource_0"].version == 1
            times.append(perf_counter() - start)
        return times

    def plan(self, count: int) -> list[float]:
        config = {"create_duration": "1s"}
        return [seconds(self._sleep.plan, config) for _ in range(count)]


def main(link: str, wide: str, schema: str, time: str) -> None:
    with ExitStack() as stack:
        commands: object
        pid: int | None = 0
        if link == "values":
            commands = Values()
        elif link == "raw":
            pid, target = stack.enter_context(started([wide, schema], COOKIE))
            channel = grpc.insecure_channel(target, options=UNLIMITED)
            commands = Raw(stack.enter_context(channel))
        else:
            options: Any = {"auto_mtls": link == "mtls"}
            provider = stack.enter_context(Provider.launch(wide, schema, **options))
            other = stack.enter_context(Provider.launch(time, **options))
            other.configure({})
            pid, commands = provider.client.pid, Host(provider, other)
        print("ready", pid, flush=True)
        carry_out(commands)


main(*sys.argv[1:])
