"""Go plugins in a supervisor's care: crashes, restarts, reloads, and who they are."""

from __future__ import annotations

import contextlib
import hashlib
import random
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest

from goplugin_py import (
    Client,
    ClientClosed,
    ClientConfig,
    ConnectionLost,
    HandshakeConfig,
    LaunchError,
    Plugin,
    UnixSocketConfig,
)
from goplugin_py.errors import ChecksumMismatch, MalformedHandshake
from goplugin_py.registry import Registry
from goplugin_py.supervisor import (
    HealthPolicy,
    RestartPolicy,
    State,
    Supervised,
    Supervisor,
)
from goplugin_py.terraform import HANDSHAKE, tfplugin5
from interop.echo_pb2 import CrashRequest, Payload, SleepRequest, StreamRequest
from interop.echo_pb2_grpc import EchoStub
from interop.echo_plugin import COMMAND as PYTHON_ECHO
from interop.fixtures import binary
from interop.python_host import WAIT, children, echo_config, eventually, stop
from tests.clock import FakeClock
from tests.peers import socket_directory

pytestmark = pytest.mark.usefixtures("nothing_left")

POLICY = RestartPolicy(initial_delay=1.0, jitter=0.0, limit=2)
KINDS = pytest.mark.parametrize(
    ("kind", "status"),
    [
        (CrashRequest.EXIT, 7),
        (CrashRequest.PANIC, 2),
        (CrashRequest.SIGKILL, -signal.SIGKILL),
    ],
    ids=["exit", "panic", "signal"],
)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def supervisor(clock: FakeClock) -> Iterator[Supervisor]:
    with Supervisor(restart=POLICY, clock=clock) as made:
        yield made


@pytest.fixture(
    params=[
        {"auto_mtls": False},
        {"auto_mtls": True},
        {"auto_mtls": True, "broker_multiplex": True},
    ],
    ids=["plain", "mtls", "multiplex"],
)
def plugin(request: pytest.FixtureRequest, supervisor: Supervisor) -> Supervised:
    added = supervisor.add("echo", echo_config(**request.param))
    added.start()
    return added


# Crashes


def unary(echo: EchoStub, crash: Callable[[], None]) -> None:
    sleeping = echo.Sleep.future(SleepRequest(seconds=60))
    crash()
    sleeping.result(timeout=WAIT)


def responses(echo: EchoStub, crash: Callable[[], None]) -> None:
    stream = echo.ServerStream(StreamRequest(count=100_000, size=10_000))
    next(stream)
    crash()
    for _ in stream:
        pass


def requests(echo: EchoStub, crash: Callable[[], None]) -> None:
    ended = threading.Event()

    def endless() -> Iterator[Payload]:
        yield Payload(number=1)
        ended.wait(WAIT)

    summary = echo.ClientStream.future(endless())
    crash()
    try:
        summary.result(timeout=WAIT)
    finally:
        ended.set()


@KINDS
@pytest.mark.parametrize("in_flight", [unary, responses, requests])
def test_calls_in_flight_learn_how_a_go_plugin_crashed(
    plugin: Supervised,
    in_flight: Callable[[EchoStub, Callable[[], None]], None],
    kind: CrashRequest.Kind.ValueType,
    status: int,
) -> None:
    """Requirement: `ConnectionLost` with the exit status, whichever call it is."""
    echo = plugin.dispense("echo")

    def crash() -> None:
        with pytest.raises(ConnectionLost) as crashing:
            echo.Crash(CrashRequest(kind=kind, status=7))
        assert crashing.value.status == status

    with pytest.raises(ConnectionLost) as caught:
        in_flight(echo, crash)
    assert caught.value.status == status
    assert isinstance(caught.value, grpc.RpcError)
    assert plugin.wait_for(State.CRASHED, WAIT)
    assert plugin.status.exit_status == status


def test_a_go_plugin_that_crashed_is_started_again_under_the_same_stub(
    plugin: Supervised, clock: FakeClock
) -> None:
    echo = plugin.dispense("echo")
    for delay in (1.0, 2.0):
        with pytest.raises(ConnectionLost):
            echo.Crash(CrashRequest(kind=CrashRequest.PANIC))
        assert plugin.wait_for(State.CRASHED, WAIT)
        assert clock.planned == [delay]
        clock.advance(delay)
        assert echo.Unary(Payload(number=3), timeout=WAIT).number == 3
    assert plugin.status.generation == 3
    with pytest.raises(ConnectionLost):
        echo.Crash(CrashRequest(kind=CrashRequest.PANIC))
    assert eventually(lambda: plugin.status.has_given_up)


def test_a_go_plugin_that_hangs_is_ended_and_started_again(clock: FakeClock) -> None:
    health = HealthPolicy(interval=3600.0, timeout=0.5, failures=1)
    with Supervisor(restart=POLICY, health=health, clock=clock) as supervisor:
        plugin = supervisor.add("echo", echo_config())
        plugin.start()
        assert plugin.check()
        pid = plugin.status.pid
        stop(pid)
        assert not plugin.check()
        assert pid not in children()
        clock.advance(1.0)
        assert plugin.check()


# Reload


def test_reload_loses_no_call_of_a_go_plugin(plugin: Supervised) -> None:
    """Requirement: the old process ends its calls, the new one takes all others."""
    echo, ended = plugin.dispense("echo"), threading.Event()

    def call_on() -> int:
        calls = 0
        while not ended.is_set():
            calls += 1
            assert echo.Unary(Payload(number=calls), timeout=WAIT).number == calls
        return calls

    first = plugin.status.pid
    with ThreadPoolExecutor(3) as pool:
        stream = echo.ServerStream(StreamRequest(count=2_000, size=10_000))
        next(stream)
        callers = [pool.submit(call_on) for _ in range(3)]
        try:
            plugin.reload(echo_config(auto_mtls=False, env={"ECHO": "new"}))
            plugin.reload()
            assert first in children()  # it has the stream still
            assert len(list(stream)) == 1_999
        finally:
            ended.set()
        assert all(caller.result(WAIT) for caller in callers)
    assert eventually(lambda: first not in children())
    assert plugin.status.generation == 3


def test_a_go_plugin_is_replaced_by_a_python_plugin_under_the_same_stub(
    supervisor: Supervisor,
) -> None:
    """Both serve the same protocol."""
    plugin = supervisor.add("echo", echo_config())
    plugin.start()
    echo = plugin.dispense("echo")
    assert echo.Unary(Payload(number=1), timeout=WAIT).number == 1
    plugin.reload(echo_config(*PYTHON_ECHO))
    assert echo.Unary(Payload(number=2), timeout=WAIT).number == 2


def test_a_new_binary_that_is_broken_leaves_the_go_plugin_running(
    plugin: Supervised,
) -> None:
    pid = plugin.status.pid
    with pytest.raises(MalformedHandshake):
        plugin.reload(echo_config("/bin/echo", "I am no plugin"))
    assert plugin.status.pid == pid
    assert plugin.dispense("echo").Unary(Payload(number=1), timeout=WAIT).number == 1


# Registry


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    path = tmp_path / "plugins"
    path.mkdir(mode=0o755)
    return path


def place(name: str, path: Path) -> str:
    """Copy a Go program; return its checksum."""
    path.parent.mkdir(exist_ok=True)
    shutil.copy(binary(name), path)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_terraform_provider_is_found_by_its_name_and_started(directory: Path) -> None:
    place("terraform-provider-time", directory / "terraform-provider-time_v0.14.2")
    registry = Registry(directory, files="terraform-provider-{name}_v{version}")
    provider = registry.find("time", "~> 0.14")
    config = ClientConfig(
        command=provider.command,
        handshake=HANDSHAKE,
        versioned_plugins={5: {"provider": Plugin.from_stub(tfplugin5.ProviderStub)}},
    )
    with Client(config) as client:
        assert client.negotiated_version == 5


def test_a_go_plugin_reports_its_manifest(directory: Path) -> None:
    """The convention of `goplugin.Manifest`, served by grpc-go."""
    checksum = place("manifest-plugin", directory / "m" / "plugin")
    (directory / "m" / "plugin.yaml").write_text(
        f"id: manifest\nversion: 1.2.3\ncommand: [./plugin]\nchecksum: {checksum}\n"
    )
    registry = Registry(directory)
    plugin = registry.find("manifest")
    config = ClientConfig(
        command=plugin.command,
        secure=plugin.secure,
        handshake=HandshakeConfig(1, "MANIFEST_PLUGIN", "1"),
        plugins={},
    )
    with Client(config) as client:
        report = registry.report(plugin, client.channel)
    assert report is not None
    assert str(report) == "manifest 1.2.3"
    assert (report.name, report.author, report.protocol_versions) == (
        "A plugin in Go",
        "The goplugin_py authors",
        (1,),
    )
    assert registry.report(plugin) is report


def test_a_go_plugin_that_knows_nothing_of_manifests_reports_none(
    directory: Path,
) -> None:
    place("echo-plugin", directory / "echo_v1.0.0")
    registry = Registry(directory, files="{name}_v{version}")
    plugin = registry.find("echo")
    with Client(echo_config(*plugin.command)) as client:
        assert registry.report(plugin, client.channel) is None


def test_a_tampered_go_plugin_is_not_started_and_not_tried_again(
    directory: Path, supervisor: Supervisor
) -> None:
    checksum = place("echo-plugin", directory / "e" / "plugin")
    (directory / "e" / "plugin.yaml").write_text(
        f"id: echo\nversion: 1.0.0\ncommand: [./plugin]\nchecksum: {checksum}\n"
    )
    found = Registry(directory).find("echo")
    plugin = supervisor.add("echo", echo_config(*found.command, secure=found.secure))
    plugin.start()
    with (directory / "e" / "plugin").open("ab") as program:
        program.write(b"tampered")
    with pytest.raises(ChecksumMismatch):
        plugin.reload()
    assert plugin.dispense("echo").Unary(Payload(number=1), timeout=WAIT).number == 1
    plugin.stop()
    with pytest.raises(ChecksumMismatch):
        plugin.start()
    assert plugin.status.has_given_up


# All at once


def test_any_mix_of_commands_from_many_threads_ends_in_order() -> None:
    """Nothing hangs, nothing but typed errors is raised, and nothing is left."""
    policy = RestartPolicy(initial_delay=0.0, limit=1000)
    with socket_directory() as sockets, Supervisor(restart=policy) as supervisor:
        # A Go plugin leaves its socket when it is killed before it has said where it
        # listens, as a stop in the middle of a start may do.
        unix_socket = UnixSocketConfig(directory=sockets)
        plugin = supervisor.add("echo", echo_config(unix_socket=unix_socket))
        plugin.start()
        with ThreadPoolExecutor(4) as pool:
            for worker in [pool.submit(mix, plugin, seed) for seed in range(4)]:
                worker.result(10 * WAIT)
        plugin.reload()
        assert plugin.dispense("echo").Unary(Payload(number=1)).number == 1


def mix(plugin: Supervised, seed: int) -> None:
    """Do things at random, the same ones for the same seed."""
    chance = random.Random(seed)
    for _ in range(15):
        with contextlib.suppress(ConnectionLost, ClientClosed, LaunchError):
            chance.choice(COMMANDS)(plugin)


def call(plugin: Supervised) -> None:
    assert plugin.dispense("echo").Unary(Payload(number=5), timeout=WAIT).number == 5


def call_in_a_lease(plugin: Supervised) -> None:
    with plugin.lease() as lease:
        assert lease.dispense("echo").Unary(Payload(number=6)).number == 6


def crash(plugin: Supervised) -> None:
    plugin.dispense("echo").Crash(CrashRequest(kind=CrashRequest.PANIC))


def reload(plugin: Supervised) -> None:
    plugin.reload(drain_timeout=WAIT)


def reload_what_is_broken(plugin: Supervised) -> None:
    plugin.reload(echo_config("/bin/false"))


COMMANDS: list[Callable[[Supervised], None]] = [
    *([call] * 3),
    call_in_a_lease,
    crash,
    reload,
    reload_what_is_broken,
    Supervised.start,
    Supervised.stop,
]
