"""The plugin's side: variables, the line, Shutdown, and what a process does for it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from goplugin_py import ConfigError, PluginServer, ServeConfig
from goplugin_py._pb.controller_pb2 import Empty
from goplugin_py._pb.controller_pb2_grpc import GRPCControllerStub
from goplugin_py.net.sockets import (
    address_of,
    client_context,
    listen_tcp,
    server_context,
)
from goplugin_py.services.channel import check_health, open_channel
from goplugin_py.services.relayed import RelayedTransport
from goplugin_py.services.transport import Transport
from goplugin_py.wire.environ import VOCABULARY
from goplugin_py.wire.handshake import Handshake
from tests.echo import COMMAND, HANDSHAKE, Echo, call, method, serve_config
from tests.peers import ROOT, WAIT, children, identity_of, run_python

COOKIE = dict([HANDSHAKE.cookie])


@pytest.fixture(autouse=True)
def no_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests may run below a host of their own."""
    for name in VOCABULARY:
        monkeypatch.delenv(name, raising=False)


@contextlib.contextmanager
def served(
    config: ServeConfig, host: Transport | None = None
) -> Iterator[tuple[PluginServer, Handshake, grpc.Channel]]:
    """Start a server; give it with its handshake and a channel to it."""
    server = PluginServer(config)
    host = host or Transport()
    try:
        handshake = server.start()
        connection = host.connect(handshake.address)
        with open_channel(connection.target) as channel:
            yield server, handshake, channel
        connection.close()
    finally:
        server.stop()
        host.close()


# PluginServer


def test_a_server_serves_and_says_where() -> None:
    with served(serve_config()) as (_, handshake, channel):
        assert call(channel, b"hello") == b"hello"
        check_health(channel, WAIT)
        assert handshake.format() == f"1|1|unix|{handshake.address.text}|grpc|"


def test_a_server_waits_for_its_hosts_shutdown() -> None:
    with served(serve_config()) as (server, _, channel):
        assert not server.wait(0.01)
        GRPCControllerStub(channel).Shutdown(Empty(), timeout=WAIT)
        assert server.wait(WAIT)


def test_stopping_removes_the_socket_and_may_be_repeated() -> None:
    server = PluginServer(serve_config())
    server.stop()  # before it began
    handshake = server.start()
    directory = os.path.dirname(handshake.address.text)
    assert os.listdir(directory)
    server.stop()
    server.stop()
    assert server.wait(0)
    assert not os.path.exists(directory)


def test_a_server_is_a_context_manager() -> None:
    with PluginServer(serve_config()) as server:
        assert not server.wait(0)
    assert server.wait(0)


def test_a_call_that_does_not_end_is_cancelled_and_left_behind() -> None:
    started, go_on = threading.Event(), threading.Event()

    def hang(request: bytes, context: grpc.ServicerContext) -> bytes:
        started.set()
        go_on.wait(2 * WAIT)
        return request

    with served(serve_config(hang)) as (server, _, channel):
        future = method(channel).future(b"")
        assert started.wait(WAIT)
        server.stop(0)
        assert future.exception(WAIT) is not None
    go_on.set()


def test_a_plugin_that_can_not_register_leaves_nothing(
    directory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken(Echo):
        def grpc_server(self, broker: object, server: object) -> None:
            raise RuntimeError("a bug")

    monkeypatch.setenv("PLUGIN_UNIX_SOCKET_DIR", directory)
    server = PluginServer(serve_config(plugins={"echo": Broken()}))
    with pytest.raises(RuntimeError, match="a bug"):
        server.start()
    server.stop()
    assert os.listdir(directory) == []


# What the host's variables change


@pytest.mark.parametrize(
    ("offered", "version"), [("", 2), ("2,3", 3), ("1,2", 2), ("9", 2), ("x,3", 3)]
)
def test_the_highest_version_in_common_is_served(
    offered: str,
    version: int,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """go-plugin: protocolVersion."""
    monkeypatch.setenv("PLUGIN_PROTOCOL_VERSIONS", offered)

    def sign(number: int) -> Echo:
        return Echo(lambda request, _: b"%d" % number)

    versions = {n: {"echo": sign(n)} for n in (2, 3)}
    config = serve_config(plugins=None, versioned_plugins=versions)
    with served(config) as (_, handshake, channel):
        assert handshake.app_version == version
        assert call(channel) == b"%d" % version
    assert ("invalid plugin version 'x'" in caplog.text) == ("x" in offered)


def test_a_hosts_certificate_turns_mutual_tls_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """go-plugin: Serve with PLUGIN_CLIENT_CERT."""
    identity = identity_of("host")
    monkeypatch.setenv("PLUGIN_CLIENT_CERT", identity.certificate_pem)
    server = PluginServer(serve_config())
    handshake = server.start()
    assert handshake.certificate
    for own, is_welcome in (("host", True), ("stranger", False)):
        context = client_context(identity_of(own), handshake.certificate)
        host = RelayedTransport(client_context=context)
        connection = host.connect(handshake.address)
        with open_channel(connection.target) as channel:
            if is_welcome:
                assert call(channel) == b"ping"
            else:
                with pytest.raises(grpc.RpcError):
                    call(channel)
        connection.close()
        host.close()
    server.stop()


@pytest.mark.parametrize(
    "certificate",
    ["junk", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"],
)
def test_a_certificate_that_is_none_is_a_config_error(
    certificate: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLUGIN_CLIENT_CERT", certificate)
    with pytest.raises(ConfigError, match="PLUGIN_CLIENT_CERT is no certificate"):
        PluginServer(serve_config()).start()


def test_a_context_of_the_plugins_own_wins_over_the_hosts_wish(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """go-plugin: ServeConfig.TLSProvider."""
    monkeypatch.setenv("PLUGIN_CLIENT_CERT", identity_of("stranger").certificate_pem)
    plugin, host = identity_of("plugin"), identity_of("host")
    config = serve_config(tls=lambda: server_context(plugin, host.certificate))
    context = client_context(host, plugin.certificate)
    transport = RelayedTransport(client_context=context)
    with served(config, transport) as (_, handshake, channel):
        assert handshake.certificate == b""
        assert call(channel) == b"ping"


def test_a_tcp_port_comes_from_the_hosts_range(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with listen_tcp(()) as free:
        port = str(address_of(free).host_port[1])
    monkeypatch.setenv("PLUGIN_MIN_PORT", port)
    monkeypatch.setenv("PLUGIN_MAX_PORT", port)
    config = serve_config(network="tcp")
    with served(config) as (_, handshake, channel):
        assert handshake.address.text == f"127.0.0.1:{port}"
        assert call(channel) == b"ping"
        with pytest.raises(ConfigError, match=f"no free TCP port .* {port}"):
            PluginServer(config).start()


@pytest.mark.parametrize("first", ["x", "9", "-1"])
def test_a_bad_range_of_ports_matters_only_for_tcp(
    first: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """go-plugin: serverListener_tcp."""
    monkeypatch.setenv("PLUGIN_MIN_PORT", first)
    monkeypatch.setenv("PLUGIN_MAX_PORT", "8")
    with pytest.raises(ConfigError, match="PLUGIN_MIN_PORT"):
        PluginServer(serve_config(network="tcp")).start()
    with served(serve_config()) as (_, _, channel):
        assert call(channel) == b"ping"


def test_the_socket_is_made_where_the_host_says(
    directory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLUGIN_UNIX_SOCKET_DIR", directory)
    monkeypatch.setenv("PLUGIN_UNIX_SOCKET_GROUP", str(os.getgid()))
    with served(serve_config()) as (_, handshake, channel):
        assert os.path.dirname(handshake.address.text) == directory
        assert os.stat(handshake.address.text).st_mode & 0o777 == 0o660
        assert call(channel) == b"ping"
    assert os.listdir(directory) == []


@pytest.mark.parametrize(
    ("asked", "answer"), [("true", True), ("false", False), ("junk", False)]
)
def test_a_host_that_asks_for_multiplexing_is_answered(
    asked: str, answer: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """go-plugin: Serve prints a seventh field only then."""
    monkeypatch.setenv("PLUGIN_MULTIPLEX_GRPC", asked)
    server = PluginServer(serve_config())
    assert server.start().multiplex is answer
    server.stop()


# serve


class Started:
    """A plugin process, as a host sees it."""

    def __init__(self, *command: str, **environ: str) -> None:
        self.process = subprocess.Popen(
            command or COMMAND,
            env={**os.environ, **COOKIE, "PYTHONPATH": str(ROOT), **environ},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.timer = threading.Timer(2 * WAIT, self.process.kill)
        self.timer.start()

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().decode()

    def end(self) -> tuple[int, str, str]:
        """Wait; return the status and what is left of stdout and stderr."""
        stdout, stderr = self.process.communicate()
        self.timer.cancel()
        return self.process.returncode, stdout.decode(), stderr.decode()


@contextlib.contextmanager
def started(*command: str, **environ: str) -> Iterator[Started]:
    plugin = Started(*command, **environ)
    try:
        yield plugin
    finally:
        plugin.process.kill()
        plugin.end()


def test_a_person_who_runs_a_plugin_is_told_what_it_is() -> None:
    """go-plugin: Serve."""
    for value in ("", "wrong"):
        with started(**{HANDSHAKE.magic_cookie_key: value}) as plugin:
            status, stdout, stderr = plugin.end()
        assert status == 1
        assert stdout == ""
        assert "This program is a plugin" in stderr
        assert HANDSHAKE.magic_cookie_key in stderr


def test_the_line_is_all_that_stdout_ever_sees() -> None:
    with started() as plugin:
        handshake = Handshake.parse(plugin.line())
        with open_channel(handshake.address.target) as channel:
            call(channel, b"print to the stdio service\n")
            GRPCControllerStub(channel).Shutdown(Empty(), timeout=WAIT)
        assert plugin.end()[:2] == (0, "")
    assert not os.path.exists(os.path.dirname(handshake.address.text))


def test_sigterm_ends_a_plugin_as_shutdown_does() -> None:
    with started() as plugin:
        handshake = Handshake.parse(plugin.line())
        plugin.process.terminate()
        assert plugin.end()[0] == -signal.SIGTERM
    assert not os.path.exists(os.path.dirname(handshake.address.text))


def test_sigint_is_left_to_the_host() -> None:
    """go-plugin: Serve ignores it."""
    with started() as plugin:
        handshake = Handshake.parse(plugin.line())
        plugin.process.send_signal(signal.SIGINT)
        with open_channel(handshake.address.target) as channel:
            assert call(channel) == b"ping"
            GRPCControllerStub(channel).Shutdown(Empty(), timeout=WAIT)
        assert plugin.end()[0] == 0


def test_a_plugin_that_can_not_serve_says_why_and_fails() -> None:
    with started(PLUGIN_UNIX_SOCKET_DIR="/nonexistent") as plugin:
        status, stdout, stderr = plugin.end()
    assert status == 1
    assert stdout == ""
    assert "can't serve: there is no socket directory /nonexistent" in stderr


def test_log_records_and_tracebacks_go_to_the_real_stderr() -> None:
    with started() as plugin:
        handshake = Handshake.parse(plugin.line())
        with open_channel(handshake.address.target) as channel:
            call(channel, b"log a warning")
            GRPCControllerStub(channel).Shutdown(Empty(), timeout=WAIT)
        _, _, stderr = plugin.end()
    assert '"@message":"a warning"' in stderr
    assert '"@level":"warn"' in stderr


RESTORED = """
import faulthandler, logging, os, signal, sys, threading
from tests.echo import serve_config
from goplugin_py import serve
from goplugin_py import serving

os.environ["TEST_PLUGIN"] = "5f0c1a5e"
logging.basicConfig(format="text:%(message)s")
before = (
    sys.excepthook, threading.excepthook, sys.unraisablehook,
    signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM),
    faulthandler.is_enabled(), os.fstat(1).st_ino, os.fstat(2).st_ino,
)

def wait(self, timeout=None):
    logging.warning("a record")
    print("swallowed")
    raised = threading.Thread(target=lambda: 1 / 0)
    raised.start()
    raised.join()
    sys.excepthook(KeyError, KeyError("uncaught"), None)

    class Unraisable:
        def __del__(self):
            raise ValueError("in a finalizer")

    Unraisable()
    return True

serving.PluginServer.wait = wait
serve(serve_config())
after = (
    sys.excepthook, threading.excepthook, sys.unraisablehook,
    signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM),
    faulthandler.is_enabled(), os.fstat(1).st_ino, os.fstat(2).st_ino,
)
assert before == after, (before, after)
print("printed again")
"""


def test_serve_leaves_the_process_as_it_found_it() -> None:
    stdout, stderr = run_python(RESTORED)
    line, *rest = stdout.splitlines()
    assert line.startswith("1|1|unix|")
    assert rest == ["printed again"]
    for words in (
        "text:a record",
        "uncaught exception in a thread",
        "ZeroDivisionError",
        "KeyError: 'uncaught'",
        "in a finalizer",
    ):
        assert words in stderr


def test_a_childs_output_goes_to_the_host_and_does_not_hold_it_up(
    tmp_path: Path,
) -> None:
    """A child must not keep the real stdout open, or the host would wait for it."""
    script = tmp_path / "plugin.py"
    script.write_text(
        "import subprocess, sys\n"
        "from goplugin_py import serve\n"
        "from tests.echo import serve_config\n"
        "def spawn(request, context):\n"
        "    subprocess.Popen(['sleep', '60'])\n"
        "    return request\n"
        "serve(serve_config(spawn))\n"
    )
    with started(sys.executable, str(script)) as plugin:
        handshake = Handshake.parse(plugin.line())
        with open_channel(handshake.address.target) as channel:
            call(channel)
            (child,) = children(plugin.process.pid)
            GRPCControllerStub(channel).Shutdown(Empty(), timeout=WAIT)
        assert plugin.end()[0] == 0  # both pipes have ended
        os.kill(child, signal.SIGKILL)


ENVIRON_OF_CHILDREN = """
import subprocess, sys
from goplugin_py import serve
from tests.echo import serve_config

def environ_of_a_child(request, context):
    return subprocess.run(["env", "-0"], capture_output=True, check=True).stdout

serve(serve_config(environ_of_a_child, keep_environ=bool(sys.argv[1:])))
"""


@pytest.mark.parametrize("is_kept", [False, True], ids=["forgotten", "kept"])
def test_what_the_host_said_is_not_inherited_by_the_plugins_children(
    is_kept: bool, tmp_path: Path
) -> None:
    """go-plugin leaves it there, and a child that is a host hands it on."""
    script = tmp_path / "plugin.py"
    script.write_text(ENVIRON_OF_CHILDREN)
    said = {"PLUGIN_PROTOCOL_VERSIONS": "1", "PLUGIN_MIN_PORT": "10000", **COOKIE}
    arguments = ["keep"] if is_kept else []
    with started(sys.executable, str(script), *arguments, **said) as plugin:
        handshake = Handshake.parse(plugin.line())
        with open_channel(handshake.address.target) as channel:
            items = call(channel).decode().split("\0")
            GRPCControllerStub(channel).Shutdown(Empty(), timeout=WAIT)
        assert plugin.end()[0] == 0
    inherited = {item for item in items if item.startswith(("PLUGIN_", "TEST_PLUGIN"))}
    everything = {f"{name}={value}" for name, value in said.items()}
    assert inherited == (everything if is_kept else set())
