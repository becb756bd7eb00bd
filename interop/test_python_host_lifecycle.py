"""How Python hosts start and end Go plugins, and how they see them end."""

import concurrent.futures
import gc
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import grpc
import pytest

from goplugin_py import (
    Client,
    ClientClosed,
    ConfigError,
    ConnectionLost,
    PluginError,
    UnknownPlugin,
)
from interop.echo_pb2 import CrashRequest, Payload, SleepRequest
from interop.echo_pb2_grpc import EchoStub
from interop.fixtures import ROOT, binary
from interop.python_host import (
    WAIT,
    children,
    code_of,
    descriptors,
    echo,
    echo_config,
    eventually,
    fake,
    our_threads,
    stop,
)

pytestmark = pytest.mark.usefixtures("nothing_left")

TLS = pytest.mark.parametrize("auto_mtls", [False, True], ids=["plain", "mtls"])


# The regular end


def test_client_starts_with_its_first_use() -> None:
    """Requirement: starts on first use; before that there is no process."""
    client = Client(echo_config())
    assert (client.pid, client.id, client.exited) == (None, "", False)
    assert client.exit_status is None
    try:
        assert client.dispense("echo").Unary(Payload(number=1), timeout=WAIT).number
        assert client.pid in children()
        client.start()  # does nothing: it runs
        assert client.pid in children()
    finally:
        client.kill()
    assert client.exit_status == 0


def test_context_manager_starts_at_once_and_kills_at_the_end() -> None:
    """Requirement: the context manager starts and kills, also on an exception."""
    client = Client(echo_config())

    def fail() -> None:
        with client:
            assert client.pid in children()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert client.exit_status == 0
    assert client.pid not in children()


def test_threads_that_use_a_client_first_share_one_start() -> None:
    """Requirement: all methods are safe from any thread; one process, not twenty."""
    with Client(echo_config(auto_mtls=False)) as unused:
        pass
    client = Client(echo_config())
    try:
        with ThreadPoolExecutor(20) as pool:
            stubs = list(pool.map(client.dispense, ["echo"] * 20))
        assert [stub.Unary(Payload(number=1)).number for stub in stubs] == [1] * 20
        assert len(children() & {client.pid, unused.pid}) == 1
    finally:
        client.kill()


def test_unknown_plugin_is_named_beside_the_known_ones() -> None:
    """go-plugin: `GRPCClient.Dispense` says `unknown plugin type`; no call is made."""
    with Client(echo_config()) as client:
        with pytest.raises(UnknownPlugin, match="'ecco', only 'echo'") as caught:
            client.dispense("ecco")
        assert isinstance(caught.value, LookupError)
        client.ping()


def test_kill_is_idempotent_and_safe_from_many_threads() -> None:
    """Requirement: `kill` is idempotent, and returns when the plugin is gone."""
    client = Client(echo_config())
    client.start()
    with ThreadPoolExecutor(10) as pool:
        for done in [pool.submit(client.kill) for _ in range(10)]:
            done.result(timeout=WAIT)
            assert client.exit_status == 0
    client.kill()


def test_kill_before_the_start_prevents_it() -> None:
    """Requirement: a client is never restarted."""
    client = Client(echo_config())
    client.kill()
    with pytest.raises(ClientClosed):
        client.start()
    assert client.pid is None


USES: dict[str, Callable[[Client], object]] = {
    "start": Client.start,
    "dispense": lambda client: client.dispense("echo"),
    "ping": Client.ping,
    "channel": lambda client: client.channel,
    "broker": lambda client: client.broker,
    "with": lambda client: client.__enter__(),
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_use_after_kill_raises_client_closed(use: Callable[[Client], object]) -> None:
    """Requirement: use after close and loss of the peer are different errors."""
    with Client(echo_config()) as client:
        pass
    with pytest.raises(ClientClosed, match="make a new one"):
        use(client)


def test_facts_about_a_killed_plugin_stay_readable() -> None:
    """Requirement: what a log or a report wants outlives the plugin."""
    with Client(echo_config()) as client:
        facts = client.pid, client.address, client.target, client.negotiated_version
    assert facts == (
        client.pid,
        client.address,
        client.target,
        client.negotiated_version,
    )
    assert (client.exited, client.exit_status, client.wait(0)) == (True, 0, 0)


@TLS
def test_kill_ends_a_call_that_is_under_way(auto_mtls: bool) -> None:
    """go-plugin: a plugin's `Stop` does not drain; the caller sees a lost link."""
    with echo(echo_config(auto_mtls=auto_mtls)) as (client, stub):
        call = stub.Sleep.future(SleepRequest(seconds=60), timeout=60)
        client.ping()
        client.kill()
        error = call.exception(timeout=WAIT)
    assert isinstance(error, grpc.RpcError)
    assert code_of(error) in (
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.CANCELLED,
    )
    assert client.exit_status == 0


# The end that nobody asked for


def crash(stub: EchoStub, kind: CrashRequest.Kind.ValueType, status: int = 0) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        stub.Crash(CrashRequest(kind=kind, status=status), timeout=WAIT)
    assert code_of(caught.value) is grpc.StatusCode.UNAVAILABLE


@TLS
@pytest.mark.parametrize("name", ["echo-plugin", "tcp-plugin"])
@pytest.mark.parametrize(
    ("kind", "status"), [(CrashRequest.EXIT, 3), (CrashRequest.SIGKILL, -9)]
)
def test_crash_is_seen_by_the_call_by_ping_and_in_the_status(
    name: str, auto_mtls: bool, kind: CrashRequest.Kind.ValueType, status: int
) -> None:
    """Requirement: UNAVAILABLE for the caller, ConnectionLost with status for ping."""
    with echo(echo_config(str(binary(name)), auto_mtls=auto_mtls)) as (client, stub):
        crash(stub, kind, max(status, 0))
        with pytest.raises(ConnectionLost) as caught:
            client.ping()
        assert caught.value.status == status
        words = "killed by SIGKILL" if status < 0 else "exit status 3"
        assert words in str(caught.value)
        assert client.wait(WAIT) == status
        assert client.exited
        assert client.exit_status == status
        started = time.monotonic()
    assert time.monotonic() - started < 1  # there is nobody to wait for


@TLS
def test_call_to_a_crashed_plugin_is_unavailable(auto_mtls: bool) -> None:
    """Requirement: the user's own calls fail with gRPC's code for a lost peer."""
    with echo(echo_config(auto_mtls=auto_mtls)) as (client, stub):
        assert client.pid is not None
        os.kill(client.pid, signal.SIGKILL)
        assert client.wait(WAIT) == -signal.SIGKILL
        with pytest.raises(grpc.RpcError) as caught:
            stub.Unary(Payload(), timeout=WAIT)
    assert code_of(caught.value) is grpc.StatusCode.UNAVAILABLE


def test_ping_of_a_stopped_plugin_fails_without_a_status() -> None:
    """`Client.ping`: bounded by its timeout; the plugin may come back."""
    with Client(echo_config()) as client:
        stop(client.pid)
        started = time.monotonic()
        with pytest.raises(ConnectionLost, match="it is still running") as caught:
            client.ping(timeout=0.3)
        assert time.monotonic() - started < 1
        assert caught.value.status is None
        assert client.pid is not None
        os.kill(client.pid, signal.SIGCONT)
        client.ping()


def test_wait_returns_none_while_the_plugin_runs() -> None:
    """`Client.wait`: None if it still runs after `timeout` seconds."""
    with Client(echo_config()) as client:
        assert client.wait(timeout=0.01) is None
        assert not client.exited


def test_waiting_thread_is_woken_by_the_end() -> None:
    """`Client.wait`: without a time limit it returns when the plugin ends."""
    with ThreadPoolExecutor(1) as pool, Client(echo_config()) as client:
        waiting = pool.submit(client.wait)
        assert client.pid is not None
        os.kill(client.pid, signal.SIGTERM)
        assert waiting.result(timeout=WAIT) == -signal.SIGTERM


# The end by force


@TLS
@pytest.mark.parametrize("grace", [0, 0.3])
def test_stopped_plugin_is_killed_within_its_grace_and_a_second(
    auto_mtls: bool, grace: float
) -> None:
    """Requirement: `kill` is bounded even then; go-plugin's hangs for ever."""
    with Client(echo_config(auto_mtls=auto_mtls)) as client:
        stop(client.pid)
        started = time.monotonic()
        client.kill(grace)
        assert time.monotonic() - started < grace + 1
    assert client.exit_status == -signal.SIGKILL


def test_kill_timeout_of_the_configuration_is_the_default_grace(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """`ClientConfig.kill_timeout`; the log tells about the force."""
    with Client(echo_config(kill_timeout=0.3)) as client:
        stop(client.pid)
        started = time.monotonic()
    assert 0.3 <= time.monotonic() - started < 1.3
    assert client.exit_status == -signal.SIGKILL
    assert "plugin echo-plugin did not end gracefully" in caplog.text


def kill_in_its_start(client: Client, is_starting: Callable[[], object]) -> None:
    with ThreadPoolExecutor(1) as pool:
        starting = pool.submit(client.start)
        is_starting()
        started = time.monotonic()
        client.kill(grace=0.5)
        assert time.monotonic() - started < 1.5
        with pytest.raises(ClientClosed, match="while it started"):
            starting.result(timeout=WAIT)


@pytest.mark.parametrize(
    "command",
    [("say.sh", "", "", "stay"), ("listener.py", "mute")],
    ids=["silent", "mute"],
)
def test_kill_ends_a_start_that_hangs(command: tuple[str, ...]) -> None:
    """Requirement: `kill` from another thread, within grace and a second."""
    config = echo_config(*fake(*command), auto_mtls=False, start_timeout=60)
    before = children()
    kill_in_its_start(Client(config), lambda: eventually(lambda: children() > before))


def test_kill_ends_a_first_call_to_a_socket_that_outlives_the_plugin() -> None:
    """As above; this listener is not closed by the end of the process."""
    with socket.create_server(("127.0.0.1", 0)) as listener, ExitStack() as stack:
        listener.settimeout(WAIT)
        line = f"1|1|tcp|127.0.0.1:{listener.getsockname()[1]}|grpc|\\n"
        command = fake("say.sh", line, "", "stay")
        config = echo_config(*command, auto_mtls=False, start_timeout=60)
        kill_in_its_start(
            Client(config), lambda: stack.enter_context(listener.accept()[0])
        )


def test_kill_at_any_moment_of_a_start_ends_it(nothing_left: Path) -> None:
    """Requirement: a fault at every step of a start; `kill` is one at any moment."""
    for moment in range(20):
        client = Client(echo_config())
        with ThreadPoolExecutor(1) as pool:
            starting = pool.submit(client.start)
            concurrent.futures.wait([starting], moment * 0.003)
            client.kill()
            error = starting.exception(WAIT)
        assert error is None or isinstance(error, ClientClosed)
        assert client.pid is None or client.pid not in children()
    # Before its line a plugin has told nobody which socket is its own.
    for socket_path in nothing_left.glob("plugin*"):
        socket_path.unlink()


# What is left


def test_clients_that_come_and_go_leave_no_descriptor() -> None:
    """Requirement: many starts and kills: no process, descriptor, thread or socket."""

    def cycle() -> None:
        for auto_mtls in (False, True):
            with echo(echo_config(auto_mtls=auto_mtls)) as (_, stub):
                stub.Unary(Payload(), timeout=WAIT)

    cycle()  # grpcio opens some of its own, once
    assert eventually(lambda: not our_threads())
    before = descriptors()
    for _ in range(10):
        cycle()
    gc.collect()
    assert eventually(lambda: descriptors() <= before), os.listdir("/proc/self/fd")


def test_forgotten_client_takes_its_plugin_along() -> None:
    """Requirement: a client that nobody holds any more must not leave a process."""
    client = Client(echo_config(auto_mtls=False))
    client.start()
    pid = client.pid
    del client
    gc.collect()
    assert eventually(lambda: pid not in children())


SCRIPT = """
import sys
from interop.python_host import echo_config
from goplugin_py import Client
client = Client(echo_config())
client.start()
print(client.pid, flush=True)
"""


def test_host_that_ends_without_kill_takes_its_plugin_along() -> None:
    """Requirement: nothing of a host outlives its interpreter."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=4 * WAIT,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    pid = int(done.stdout)
    assert eventually(lambda: not Path(f"/proc/{pid}").exists())


# Configuration that can't work


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"command": "echo-plugin --flag"}, "not a shell string"),
        ({"command": []}, "must be a list"),
        ({"command": ["a\0b"]}, "must hold strings"),
        ({"plugins": None}, "exactly one of plugins"),
        ({"versioned_plugins": {}, "plugins": None}, "must not be empty"),
        ({"plugins": {"echo": EchoStub}}, "must be a Plugin"),
        ({"start_timeout": 0}, "start_timeout"),
        ({"kill_timeout": -1}, "kill_timeout"),
        ({"min_port": 2, "max_port": 1}, "not a range of ports"),
        ({"env": {"A=B": "c"}}, "not an environment variable"),
    ],
)
def test_configuration_that_cannot_work_is_refused_when_it_is_made(
    changes: dict[str, object], words: str
) -> None:
    """Requirement: ConfigError, raised before anything is started."""
    with pytest.raises(ConfigError, match=words) as caught:
        echo_config(**changes)
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, PluginError)
