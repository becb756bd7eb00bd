"""go-plugin's bidirectional example, unmodified, on either side.

The plugin keeps a counter, and lets the host add to it: it dials inside its handler.
"""

import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from goplugin_py import Client, Plugin
from interop.example_protos import HANDSHAKE, Counter, add_helper
from interop.fixtures import ROOT, binary
from interop.python_host import echo_config

pytestmark = pytest.mark.usefixtures("nothing_left")

TIMEOUT = 30.0  # seconds; a run takes half a one, more on a busy machine
PLUGIN = """
from pathlib import Path

import grpc

from goplugin_py import Plugin, ServeConfig, serve
from interop.example_protos import HANDSHAKE, counter, encode


class CounterPlugin(Plugin):
    def grpc_server(self, broker, server):
        def put(request, context):
            with broker.dial(request.add_server) as channel:
                add = channel.unary_unary(
                    "/proto.AddHelper/Sum", encode, counter.SumResponse.FromString
                )
                path = Path("kv_" + request.key)
                old = int(path.read_text()) if path.exists() else 0
                total = add(counter.SumRequest(a=old, b=request.value), timeout=20)
                path.write_text(str(total.r))
            return counter.Empty()

        def get(request, context):
            return counter.GetResponse(value=int(Path("kv_" + request.key).read_text()))

        handle = grpc.unary_unary_rpc_method_handler
        handlers = {
            "Put": handle(put, counter.PutRequest.FromString, encode),
            "Get": handle(get, counter.GetRequest.FromString, encode),
        }
        server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler("proto.Counter", handlers),)
        )


serve(ServeConfig(handshake=HANDSHAKE, plugins={"counter": CounterPlugin()}))
"""


@pytest.mark.parametrize("mtls", [False, True], ids=["plain", "mtls"])
def test_the_example_plugin_lets_a_python_host_add_over_one_socket(
    mtls: bool, tmp_path: Path
) -> None:
    """go-plugin: examples/bidirectional/plugin-go-grpc."""
    calls: list[tuple[int, int]] = []

    def add(a: int, b: int) -> int:
        calls.append((a, b))
        return a + b

    settings: dict[str, Any] = {
        "handshake": HANDSHAKE,
        "plugins": {"counter": Plugin.from_stub(Counter)},
        "cwd": tmp_path,
        "auto_mtls": mtls,
        "broker_multiplex": True,
    }
    config = echo_config(str(binary("counter-plugin")), **settings)
    with Client(config) as client:
        counter = client.dispense("counter")
        for amount in (1, 10, 100):
            service_id = client.broker.next_id()
            with client.broker.accept_and_serve(service_id, add_helper(add)):
                counter.put("total", amount, service_id)
        assert counter.get("total") == 111
    assert calls == [(0, 1), (1, 10), (11, 100)]


def test_the_example_host_adds_for_a_python_plugin(
    tmp_path: Path, nothing_left: Path
) -> None:
    """go-plugin: examples/bidirectional, `put` and `get` with a process for each."""
    (tmp_path / "plugin.py").write_text(PLUGIN)

    def host(*arguments: str) -> str:
        command = shlex.join([sys.executable, "plugin.py"])
        done = subprocess.run(
            [binary("counter-host"), *arguments],
            cwd=tmp_path,
            env=os.environ | {"COUNTER_PLUGIN": command, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    assert host("put", "total", "40") == ""
    assert host("put", "total", "2") == ""
    assert host("get", "total") == "42\n"
