"""Plugins that outlive their host or never had one, with Go on either side."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from goplugin_py import Client, ClientConfig, Plugin, ProcessNotFound, ReattachConfig
from goplugin_py.terraform import HANDSHAKE as TERRAFORM
from goplugin_py.terraform import tfplugin5
from interop.echo_pb2 import LogRequest, Payload
from interop.echo_plugin import COMMAND as PYTHON_PLUGIN
from interop.fixtures import ROOT, binary
from interop.go_host import run
from interop.python_host import ECHO, HANDSHAKE, WAIT, echo_config, eventually, stop

pytestmark = pytest.mark.usefixtures("nothing_left")

OLDER = ("echo-plugin-1.4.3", "echo-plugin-1.6.3")
PLUGINS = pytest.mark.parametrize(
    "plugin", ["echo-plugin", "tcp-plugin", *OLDER, "python"]
)
HOSTS = pytest.mark.parametrize(
    "host", ["echo-host", "echo-host-1.4.3", "echo-host-1.6.3"]
)


def command_of(plugin: str) -> Sequence[str]:
    return PYTHON_PLUGIN if plugin == "python" else [str(binary(plugin))]


# A host that tells where its plugin is, and ends without killing it.
HOST = """
import sys
from goplugin_py import Client
from interop.python_host import echo_config
client = Client(echo_config(*sys.argv[1:], auto_mtls=False, detach=True))
print(client.reattach_config().to_json(), flush=True)
sys.stdin.read()
"""

# A plugin that no host starts.
DEBUGGED = """
import dataclasses
from goplugin_py import ServeTestConfig, serve
from interop.echo_plugin import make_config
def tell(config):
    print(config.to_json(), flush=True)
serve(dataclasses.replace(make_config(), test=ServeTestConfig(on_ready=tell)))
"""


@contextlib.contextmanager
def spawned(*command: str, **environ: str) -> Iterator[subprocess.Popen[str]]:
    """Run a process with pipes for stdin and stdout; end it at the latest now."""
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, **environ},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def told(process: subprocess.Popen[str]) -> ReattachConfig:
    """Read the configuration that a process prints."""
    assert process.stdout is not None
    return ReattachConfig.from_json(process.stdout.readline())


def left_behind(command: Sequence[str], *, by: str) -> ReattachConfig:
    """Let a host start a plugin and end: by itself, or by a signal."""
    with spawned(sys.executable, "-c", HOST, *command) as host:
        config = told(host)
        if by == "SIGKILL":
            host.kill()
        host.communicate(timeout=WAIT)
        return config


def attached(config: ReattachConfig, **options: Any) -> Client:
    options = {"handshake": HANDSHAKE, "plugins": ECHO, **options}
    return Client(ClientConfig(reattach=config, **options))


def is_running(pid: int) -> bool:
    """Whether a process that may be an orphan is there, and no zombie."""
    with contextlib.suppress(OSError):
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    return False


# Python hosts


@PLUGINS
@pytest.mark.parametrize("by", ["itself", "SIGKILL"])
def test_plugin_outlives_its_host_and_serves_the_next(plugin: str, by: str) -> None:
    """Requirement: host upgrade; a detached plugin is there for the next host."""
    config = left_behind(command_of(plugin), by=by)
    client = attached(config)
    try:
        # A Go program that logs into a broken pipe would die of SIGPIPE.
        for _ in range(2):
            client.dispense("echo").Log(LogRequest(level="info", message="who hears?"))
        assert client.dispense("echo").Unary(Payload(number=7)).number == 7
        assert client.pid == config.pid
    finally:
        client.kill()
    assert (client.exited, client.exit_status) == (True, None)
    assert eventually(lambda: not is_running(config.pid))
    if config.address.network == "unix":
        assert not Path(config.address.text).exists()


@pytest.mark.parametrize("plugin", ["echo-plugin", "tcp-plugin", *OLDER])
def test_plugin_that_does_not_end_for_its_next_host_is_killed(
    plugin: str,
) -> None:
    """go-plugin: Client.Kill, also of a runner that was attached to."""
    with Client(echo_config(*command_of(plugin), auto_mtls=False)) as first:
        second = attached(first.reattach_config())
        second.start()
        stop(first.pid)
        second.kill(0.1)
        assert second.exited
        assert first.wait(WAIT) == -signal.SIGKILL


def test_stale_configuration_of_a_go_plugin_is_refused() -> None:
    """go-plugin: `reattachment process not found`."""
    with Client(echo_config(auto_mtls=False)) as client:
        config = client.reattach_config()
        assert config.address.network == "unix"
    with pytest.raises(ProcessNotFound):
        attached(config).start()


def test_python_host_reattaches_to_a_provider_that_is_debugged(
    nothing_left: Path,
) -> None:
    """terraform-plugin-go: tf5server.Serve with -debug; the host's kill spares it."""
    provider = str(binary("terraform-provider-time"))
    with spawned(provider, "-debug") as process:
        assert process.stdout is not None
        lines = iter(process.stdout.readline, "")
        found = next(
            m
            for line in lines
            if (m := re.search("TF_REATTACH_PROVIDERS='(.*)'", line))
        )
        [(name, value)] = json.loads(found[1]).items()
        assert name == "registry.terraform.io/hashicorp/time"
        config = ReattachConfig.from_json(json.dumps(value))
        assert (config.pid, config.test) == (process.pid, True)
        sets = {5: {"provider": Plugin.from_stub(tfplugin5.ProviderStub)}}
        for _ in range(2):
            with attached(
                config, handshake=TERRAFORM, plugins=None, versioned_plugins=sets
            ) as client:
                assert client.negotiated_version == 5
                schema = client.dispense("provider").GetSchema(
                    tfplugin5.GetProviderSchema.Request()
                )
                assert "time_static" in schema.resource_schemas
            assert not client.exited
        assert process.poll() is None
        process.send_signal(signal.SIGINT)  # the provider's own way to end
        assert process.wait(WAIT) == 0


# Go hosts


@contextlib.contextmanager
def debugged(network: str) -> Iterator[tuple[subprocess.Popen[str], ReattachConfig]]:
    """Run a Python plugin in test mode, as in a debugger."""
    with spawned(sys.executable, "-c", DEBUGGED, ECHO_NETWORK=network) as process:
        yield process, told(process)


@HOSTS
@pytest.mark.parametrize("network", ["unix", "tcp"])
def test_go_host_reattaches_to_a_python_plugin_in_test_mode(
    network: str, host: str
) -> None:
    """go-plugin: ReattachConfig.Test; hosts come and go, Ctrl-C ends the plugin."""
    with debugged(network) as (process, config):
        assert (config.pid, config.test) == (process.pid, True)
        for _ in range(2):
            report = run(
                *("unary", "server-stream", "client-stream", "bidi", "ping", "health"),
                flags=[f"-reattach={config.to_json()}"],
                command=(),
                host=host,
            )
            report.assert_healthy()
            kill = report["kill"].detail
            assert (kill["network"], kill["negotiated_version"]) == (network, 1)
            assert not kill["exited"]
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert process.wait(WAIT) != 0  # a KeyboardInterrupt, as in any program
        if network == "unix":
            assert not Path(config.address.text).exists()


@HOSTS
def test_go_host_takes_over_a_python_plugin_and_ends_it(host: str) -> None:
    """go-plugin: without Test, Client.Kill asks for the end and waits for it."""
    config = left_behind(PYTHON_PLUGIN, by="itself")
    flags = [f"-reattach={config.to_json()}"]
    report = run("unary", "ping", flags=flags, command=(), host=host)
    assert report["unary"].ok
    assert report["ping"].ok
    # The Go host looks once a second, and gives two: whether it sees the end in time
    # or sends a signal to nobody is a matter of milliseconds.
    assert eventually(lambda: not is_running(config.pid))
