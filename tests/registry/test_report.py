"""Manifests that plugins report themselves."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from google.protobuf.wrappers_pb2 import StringValue

from goplugin_py import Client, ClientConfig
from goplugin_py.errors import ManifestError
from goplugin_py.registry import Manifest, ManifestPlugin, Registry, ask_manifest
from goplugin_py.registry.report import SERVICE
from goplugin_py.services.server import Server
from tests.echo import HANDSHAKE, Behaviour, Echo, serving
from tests.peers import ROOT, WAIT, run_python

TEXT = "id: kv\nversion: 1.2.3\nauthor: itself\ncommand: [rm]\nchecksum: " + "00" * 32

PLUGIN = """
import sys
from goplugin_py import ServeConfig, serve
from goplugin_py.registry import ManifestPlugin
from tests.echo import HANDSHAKE, Echo

plugins = {"echo": Echo()}
if "silent" not in sys.argv:
    plugins["manifest"] = ManifestPlugin("id: kv\\nversion: 1.0.0\\nauthor: itself")
serve(ServeConfig(handshake=HANDSHAKE, plugins=plugins))
"""


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    folder = tmp_path / "kv"
    folder.mkdir(mode=0o755)
    (folder / "run.py").write_text(PLUGIN)
    write(folder, "")
    return Registry(tmp_path)


def write(folder: Path, argument: str) -> None:
    command = f"[{sys.executable}, ./run.py, '{argument}']"
    (folder / "plugin.yaml").write_text(f"id: kv\nversion: 1.0.0\ncommand: {command}")


def client(plugin: Manifest) -> Client:
    return Client(
        ClientConfig(
            command=plugin.command,
            handshake=HANDSHAKE,
            plugins={"echo": Echo()},
            env={"PYTHONPATH": str(ROOT)},
            auto_mtls=False,
        )
    )


def test_a_plugin_reports_who_it_is_and_is_asked_once(registry: Registry) -> None:
    plugin = registry.find("kv")
    assert registry.report(plugin) is None
    with client(plugin) as running:
        report = registry.report(plugin, running.channel)
        closed = running.channel
    assert report is not None
    assert (str(report), report.author) == ("kv 1.0.0", "itself")
    assert registry.report(plugin, closed) is report
    assert registry.report(plugin) is report
    registry.refresh()
    assert registry.report(plugin) is report


def test_a_plugin_that_has_changed_is_asked_again(
    registry: Registry, tmp_path: Path
) -> None:
    plugin = registry.find("kv")
    with client(plugin) as running:
        assert registry.report(plugin, running.channel)
    write(tmp_path / "kv", "silent")
    assert registry.refresh().changed
    assert registry.report(plugin) is None
    with client(registry.find("kv")) as running:
        assert registry.report(plugin, running.channel) is None


def test_a_plugin_that_reports_nothing_is_fine(
    registry: Registry, tmp_path: Path
) -> None:
    write(tmp_path / "kv", "silent")
    with client(registry.find("kv")) as running:
        assert ask_manifest(running.channel, WAIT) is None
        assert running.dispense("echo")() == b"ping"


# Any plugin that a host has started


@contextlib.contextmanager
def reporting(behaviour: Behaviour) -> Iterator[grpc.Channel]:
    """Serve an answer of one's own, whatever it is."""
    get: grpc.RpcMethodHandler[bytes, bytes]
    get = grpc.unary_unary_rpc_method_handler(behaviour)
    generic = grpc.method_handlers_generic_handler(SERVICE, {"Get": get})
    server = Server(max_workers=1)
    server.add_generic_rpc_handlers((generic,))
    with serving(server) as channel:
        yield channel


def text(value: str) -> Behaviour:
    answer = StringValue(value=value).SerializeToString()
    return lambda request, context: answer


def fail(request: bytes, context: grpc.ServicerContext) -> bytes:
    return context.abort(grpc.StatusCode.INTERNAL, "no idea")


def test_a_plugin_does_not_say_what_is_run_nor_its_checksum() -> None:
    """That is for the directory to say."""
    with reporting(text(TEXT)) as channel:
        report = ask_manifest(channel, WAIT)
    assert report is not None
    assert (str(report), report.author) == ("kv 1.2.3", "itself")
    assert (report.command, report.secure) == ((), None)


@pytest.mark.parametrize("value", ["", "id: kv", "x" * 100_000])
def test_a_report_that_is_no_manifest_is_a_typed_error(value: str) -> None:
    with reporting(text(value)) as channel, pytest.raises(ManifestError):
        ask_manifest(channel, WAIT)


def test_a_plugin_that_fails_to_report_is_an_error() -> None:
    with reporting(fail) as channel, pytest.raises(grpc.RpcError, match="no idea"):
        ask_manifest(channel, WAIT)


def test_an_author_learns_at_once_that_a_manifest_is_none() -> None:
    with pytest.raises(ManifestError, match="version"):
        ManifestPlugin("id: kv")


def test_looking_at_a_directory_needs_no_grpc() -> None:
    script = "import sys, goplugin_py.registry; print('grpc' in sys.modules)"
    assert run_python(script)[0] == "False\n"
