"""Measure this library against raw grpcio, side by side in one run: `make bench`.

Both call the same Go echo plugin, raw grpcio in plain text on its socket and this
library in plain text and with AutoMTLS. The rows take turns, so that a change in the
machine's speed hits all alike, and each ratio is taken pair by pair. Start-up compares
a Python plugin's spawn-to-handshake time with the bare imports that it can't avoid.
"""

import contextlib
import datetime
import os
import platform
import statistics
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import grpc

from goplugin_py import Client, ClientConfig, HandshakeConfig, Plugin
from goplugin_py.wire.certificates import generate
from goplugin_py.wire.yamux import Session, StreamOpened
from interop import echo_pb2, echo_pb2_grpc
from interop.callback_pb2 import AcceptRequest
from interop.callback_pb2_grpc import ActorStub
from interop.callback_sides import GO, PYTHON, Link, linked
from interop.fixtures import binary

ROUNDS = 11
KV = Path(__file__).parent.parent / "examples" / "kv"
UNLIMITED = [
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
]
SMALL = echo_pb2.Payload(data=b"x" * 64)
LARGE = echo_pb2.Payload(data=b"x" * (4 << 20))

SECURE = "this library, AutoMTLS"
MULTIPLEXED = "this library, AutoMTLS, multiplexed"

Measure = Callable[[], float]


def median_call(
    stub: echo_pb2_grpc.EchoStub, payload: echo_pb2.Payload, n: int
) -> float:
    """Return the median time of a call in milliseconds."""
    times = []
    for _ in range(n):
        start = time.perf_counter()
        stub.Unary(payload)
        times.append((time.perf_counter() - start) * 1000)
    return statistics.median(times)


def stream(stub: echo_pb2_grpc.EchoStub, size: int, count: int) -> float:
    """Return the time of a server stream in milliseconds."""
    start = time.perf_counter()
    received = sum(
        1 for _ in stub.ServerStream(echo_pb2.StreamRequest(count=count, size=size))
    )
    assert received == count
    return (time.perf_counter() - start) * 1000


CALLS: dict[str, Callable[[echo_pb2_grpc.EchoStub], float]] = {
    "unary call, 64 bytes": lambda stub: median_call(stub, SMALL, 300),
    "unary call, 4 MiB echo": lambda stub: median_call(stub, LARGE, 5),
    "server stream, 20,000 of 100 bytes": lambda stub: stream(stub, 100, 20_000),
    "server stream, 64 of 1 MiB": lambda stub: stream(stub, 1 << 20, 64),
}


@contextlib.contextmanager
def stubs() -> Iterator[dict[str, echo_pb2_grpc.EchoStub]]:
    """Yield a stub for each way to reach the echo plugin."""

    def config(**changes: Any) -> ClientConfig:
        return ClientConfig(
            command=[str(binary("echo-plugin"))],
            handshake=HandshakeConfig(1, "ECHO_PLUGIN", "5f0c1a5e"),
            plugins={"echo": Plugin.from_stub(echo_pb2_grpc.EchoStub)},
            **changes,
        )

    with (
        Client(config(auto_mtls=False)) as plain,
        Client(config()) as secure,
        Client(config(broker_multiplex=True)) as multiplexed,
        grpc.insecure_channel(plain.address.target, options=UNLIMITED) as raw,
    ):
        yield {
            "raw grpcio, plain": echo_pb2_grpc.EchoStub(raw),
            "this library, plain": plain.dispense("echo"),
            SECURE: secure.dispense("echo"),
            MULTIPLEXED: multiplexed.dispense("echo"),
        }


@contextlib.contextmanager
def dials() -> Iterator[dict[str, Measure]]:
    """Yield a plain call, and a brokered dial with multiplexing, to a Go plugin."""
    link = Link(PYTHON, GO, mux=True)
    with linked(link) as pair:
        client = pair.client
        assert client is not None
        actor = ActorStub(client.channel)

        def call() -> float:
            return timed(lambda: actor.Accept(AcceptRequest()))

        def dial() -> float:
            (service_id,) = pair.plugin.accept(count=1)
            channels: list[grpc.Channel] = []
            elapsed = timed(lambda: channels.append(client.broker.dial(service_id)))
            channels[0].close()
            pair.plugin.stop(service_id)
            return elapsed

        yield {"a unary call": call, "a brokered dial": dial}


def timed(call: Callable[[], object]) -> float:
    """Return the time of a call in milliseconds."""
    start = time.perf_counter()
    call()
    return (time.perf_counter() - start) * 1000


def python(*arguments: str | Path, until_line: bool = False, **env: str) -> float:
    """Return the time in milliseconds of a Python process, or of its first line."""
    start = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(KV), **env},
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline() if until_line else b""
        if until_line:
            process.kill()
        else:
            process.wait()
        elapsed = (time.perf_counter() - start) * 1000
    assert line.startswith(b"1|") == until_line
    return elapsed


def start_ups() -> dict[str, Measure]:
    """Return the ways to start, by name; the first is the floor."""
    identity = generate(datetime.datetime.now(datetime.UTC))
    hosted = {"BASIC_PLUGIN": "hello", "PLUGIN_PROTOCOL_VERSIONS": "1"}
    secure = {**hosted, "PLUGIN_CLIENT_CERT": identity.certificate_pem}
    plugin = KV / "plugin.py"
    return {
        "import grpc and its stubs": lambda: python("-c", "import kv_pb2_grpc"),
        "hello plugin, plain": lambda: python(plugin, until_line=True, **hosted),
        "hello plugin, AutoMTLS": lambda: python(plugin, until_line=True, **secure),
    }


def compare(title: str, measures: dict[str, Measure]) -> None:
    """Take turns, and print a row for each with its ratio to the first."""
    for measure in measures.values():
        measure()
    results: dict[str, list[float]] = {name: [] for name in measures}
    for _ in range(ROUNDS):
        for name, measure in measures.items():
            results[name].append(measure())
    floor = next(iter(results.values()))
    for name, times in results.items():
        ratios = sorted(t / f for t, f in zip(times, floor, strict=True))
        low, middle, high = ratios[1], statistics.median(ratios), ratios[-2]
        print(
            f"| {title} | {name} | {statistics.median(times):.3f} | "
            f"{middle:.2f} | {low:.2f} to {high:.2f} |"
        )


def memory_of_idle_streams(count: int) -> float:
    """Return the MiB that multiplexed streams take in one of two sessions."""
    near, far = (Session(is_client=is_client, now=0) for is_client in (True, False))
    streams = []
    tracemalloc.start()
    for _ in range(count):
        streams.append(near.open_stream(0))
        far.receive_data(near.data_to_send(), 0)
        for event in far.events():
            assert isinstance(event, StreamOpened)
            event.stream.accept()
        near.receive_data(far.data_to_send(), 0)
        near.events()
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert near.stream_count == far.stream_count == count
    return size / 2 / (1 << 20)


def main() -> None:
    print(
        f"Python {platform.python_version()}, grpcio {grpc.__version__}, "
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {ROUNDS} rounds\n"
    )
    print("| what | how | ms | ratio | spread |\n|---|---|--:|--:|---|")
    with stubs() as by_name:
        for title, call in CALLS.items():
            names = [name for name in by_name if name != MULTIPLEXED]
            compare(title, {name: partial(call, by_name[name]) for name in names})
            ends = (SECURE, MULTIPLEXED)
            compare(title, {name: partial(call, by_name[name]) for name in ends})
    with dials() as measures:
        compare("broker, plain and multiplexed", measures)
    compare("start", start_ups())
    print(f"\n1,000 idle multiplexed streams: {memory_of_idle_streams(1000):.2f} MiB")


if __name__ == "__main__":
    main()
