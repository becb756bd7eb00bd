"""go-plugin's own example hosts with the Python plugin from `examples`."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from interop.fixtures import ROOT, binary

# A Python process starts for each command.
RUN_TIMEOUT = 30.0

KV = ROOT / "examples" / "kv"
# A plugin with more than one version, as go-plugin's negotiated example has.
NEGOTIATED_PLUGIN = """
from kv_pb2_grpc import KVServicer, add_KVServicer_to_server
from kv_pb2 import Empty, GetResponse
from goplugin_py import HandshakeConfig, Plugin, ServeConfig, serve


class KV(KVServicer):
    def Get(self, request, context):
        return GetResponse(value=b"from version 3")


serve(
    ServeConfig(
        handshake=HandshakeConfig(1, "BASIC_PLUGIN", "hello"),
        versioned_plugins={
            1: {},
            3: {"kv": Plugin.from_servicer(add_KVServicer_to_server, KV())},
        },
    )
)
"""


def run_host(name: str, *arguments: str, cwd: Path) -> str:
    """Run one command of an example's host; return what it prints."""
    env = {
        "KV_PLUGIN": shlex.join([sys.executable, str(KV / "plugin.py")]),
        "KV_PROTO": "grpc",
        "PYTHONPATH": f"{KV}:{ROOT}",
    }
    done = subprocess.run(
        [binary(name), *arguments],
        cwd=cwd,
        env=os.environ | env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        text=True,
        timeout=RUN_TIMEOUT,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("host", ["kv-host", "kv-host-mtls"])
def test_kv_example_keeps_what_a_go_host_puts(
    host: str, nothing_left: Path, tmp_path: Path
) -> None:
    """go-plugin: examples/grpc, with its `put` and `get` and a process for each."""
    assert run_host(host, "put", "greeting", "hällo wörld", cwd=tmp_path) == ""
    assert "hällo wörld" in run_host(host, "get", "greeting", cwd=tmp_path)
    assert (tmp_path / "kv_greeting").exists()


def test_negotiated_example_finds_version_3(tmp_path: Path) -> None:
    """go-plugin: examples/negotiated offers version 3 and runs ./kv-plugin."""
    plugin = tmp_path / "kv-plugin"
    plugin.write_text(f"#!{sys.executable}{NEGOTIATED_PLUGIN}")
    plugin.chmod(0o755)
    output = run_host("negotiated-host", "get", "any", cwd=tmp_path)
    assert "from version 3" in output
