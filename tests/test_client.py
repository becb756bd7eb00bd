"""A host and a plugin, both in Python: start, use, failures and end."""

from __future__ import annotations

import io
import logging
import os
import signal
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest

from goplugin_py import (
    BrokerTimeout,
    Client,
    ClientClosed,
    ConnectionLost,
    CoreVersionMismatch,
    ExitedEarly,
    LaunchError,
    MalformedHandshake,
    NetRPCUnsupported,
    StartTimeout,
    TLSRefused,
    UnknownPlugin,
    VersionMismatch,
    probe,
)
from goplugin_py.wire.address import Address
from tests.echo import COMMAND, add_echo, call, client_config
from tests.peers import ROOT, WAIT, run_python, stop, until

# kill() must return within its grace and this (its contract).
KILL_SLACK = 1.0
SHORT = 0.1


def shell(script: str, **options: Any) -> Client:
    """A client of a shell script that plays a plugin."""
    options = {"auto_mtls": False, "start_timeout": WAIT, **options}
    return Client(client_config("/bin/sh", "-c", script, **options))


def is_running(pid: int | None) -> bool:
    assert pid is not None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture(
    params=[(True, False), (False, False), (True, True), (False, True)],
    ids=["tls", "plain", "multiplex-tls", "multiplex"],
)
def client(request: pytest.FixtureRequest) -> Iterator[Client]:
    """A started client on each kind of link."""
    auto_mtls, multiplex = request.param
    config = client_config(auto_mtls=auto_mtls, broker_multiplex=multiplex)
    with Client(config) as client:
        yield client


@pytest.fixture
def plain() -> Iterator[Client]:
    with Client(client_config(auto_mtls=False)) as client:
        yield client


# Use


def test_a_dispensed_plugin_does_what_the_plugin_does(client: Client) -> None:
    echo = client.dispense("echo")
    assert echo(b"hello") == b"hello"
    assert client.dispense("echo")(b"x" * 1_000_000) == b"x" * 1_000_000
    assert call(client.channel) == b"ping"
    client.ping()
    assert client.negotiated_version == 1
    assert client.address.network == "unix"
    assert client.id == str(client.pid)
    assert not client.exited
    assert client.exit_status is None


def test_the_broker_works_in_both_directions(client: Client) -> None:
    echo = client.dispense("echo")
    service_id = client.broker.next_id()
    with client.broker.accept_and_serve(service_id, add_echo):
        assert echo(b"dial %d" % service_id) == b"from the plugin"
    with client.broker.dial(int(echo(b"serve"))) as channel:
        assert call(channel, b"from the host") == b"from the host"
    with pytest.raises(BrokerTimeout):
        client.broker.dial(4711, timeout=SHORT)


def test_a_plain_plugin_is_dialled_directly_and_tls_by_a_relay(plain: Client) -> None:
    assert plain.target == plain.address.target
    with Client(client_config()) as secure:
        assert secure.target != secure.address.target


def test_a_name_that_no_plugin_has_is_told_with_those_that_are(plain: Client) -> None:
    with pytest.raises(UnknownPlugin, match="no plugin 'kv', only 'echo'"):
        plain.dispense("kv")


def test_output_and_log_go_where_the_host_wants_them() -> None:
    stdout, stderr = io.BytesIO(), io.BytesIO()
    records: list[logging.LogRecord] = []

    class Recorder(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(record)

    logger = logging.Manager(logging.RootLogger(0)).getLogger("host")
    logger.addHandler(Recorder())
    config = client_config(sync_stdout=stdout, sync_stderr=stderr, logger=logger)
    with Client(config) as client:
        echo = client.dispense("echo")
        echo(b"print out\n")
        echo(b"complain err\n")
        echo(b"log careful")
        until(lambda: any(each.getMessage() == "careful" for each in records))
    assert stdout.getvalue() == b"out\n"
    assert stderr.getvalue() == b"err\n"
    (record,) = [each for each in records if each.getMessage() == "careful"]
    assert record.levelno == logging.WARNING


def test_many_threads_share_one_start() -> None:
    client = Client(client_config())
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: client.dispense("echo")(), range(8)))
    assert answers == [b"ping"] * 8
    client.kill()


def test_a_client_starts_on_first_use_and_knows_nothing_before() -> None:
    client = Client(client_config(auto_mtls=False))
    assert (client.pid, client.id, client.exited, client.exit_status) == (
        *(None, ""),
        *(False, None),
    )
    assert client.negotiated_version == 1
    client.kill()


# Environment


def test_explicit_variables_win_over_inherited_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLOUR", "red")
    monkeypatch.setenv("SHAPE", "round")
    env = {"PYTHONPATH": str(ROOT), "COLOUR": "green"}
    with Client(client_config(auto_mtls=False, env=env)) as client:
        echo = client.dispense("echo")
        assert echo(b"environ COLOUR") == b"green"
        assert echo(b"environ SHAPE") == b"round"
    with Client(client_config(auto_mtls=False, env=env, inherit_env=False)) as client:
        assert client.dispense("echo")(b"environ SHAPE") == b""


# Ends


def test_kill_ends_the_plugin_gracefully(client: Client) -> None:
    client.kill()
    assert client.exited
    assert client.exit_status == 0
    assert client.wait(0) == 0
    assert not is_running(client.pid)


def test_kill_may_be_called_again_and_by_many(plain: Client) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: plain.kill(), range(8)))
    plain.kill()
    assert plain.exited


@pytest.mark.parametrize(
    "use",
    [
        Client.start,
        Client.ping,
        lambda client: client.dispense("echo"),
        lambda client: client.channel,
        lambda client: client.broker,
    ],
)
def test_a_killed_client_is_closed(
    plain: Client, use: Callable[[Client], object]
) -> None:
    plain.kill()
    with pytest.raises(ClientClosed, match="make a new one"):
        use(plain)
    assert plain.address.network == "unix"  # what is known stays known


def test_a_client_that_never_started_can_be_killed() -> None:
    client = Client(client_config())
    client.kill()
    assert not client.exited
    with pytest.raises(ClientClosed):
        client.start()


@pytest.mark.parametrize("grace", [0.0, 0.3])
def test_a_plugin_that_is_stopped_is_killed_within_its_grace_and_a_second(
    grace: float,
) -> None:
    client = Client(client_config())
    client.start()
    stop(client.pid)
    start = time.monotonic()
    client.kill(grace)
    assert time.monotonic() - start < grace + KILL_SLACK
    assert client.exit_status == -signal.SIGKILL


def test_a_call_that_hangs_does_not_delay_the_kill(client: Client) -> None:
    echo = client.dispense("echo")
    with ThreadPoolExecutor(1) as pool:
        hanging = pool.submit(echo, b"hang")
        start = time.monotonic()
        client.kill()
        assert time.monotonic() - start < 2.0 + KILL_SLACK
        assert isinstance(hanging.exception(WAIT), grpc.RpcError)


def test_a_crash_is_told_by_the_call_by_ping_and_by_the_status(client: Client) -> None:
    echo = client.dispense("echo")
    with pytest.raises(grpc.RpcError):
        echo(b"exit 7")
    assert client.wait(WAIT) == 7
    with pytest.raises(ConnectionLost, match="exit status 7") as caught:
        client.ping()
    assert caught.value.status == 7
    assert client.exit_status == 7


def test_wait_gives_up_while_the_plugin_runs(plain: Client) -> None:
    assert plain.wait(0.01) is None


def test_output_printed_just_before_the_end_is_not_lost() -> None:
    stdout = io.BytesIO()
    with Client(client_config(sync_stdout=stdout)) as client:
        client.dispense("echo")(b"print " + b"x" * 100_000)
    assert len(stdout.getvalue()) == 100_000


# Kill during a start


def killed_while_starting(client: Client) -> Exception:
    """Start on a thread, kill once the process is there; return what start raised."""
    with ThreadPoolExecutor(1) as pool:
        starting = pool.submit(client.start)
        until(lambda: client._launch._process)  # type: ignore[union-attr]
        start = time.monotonic()
        client.kill()
        assert time.monotonic() - start < 2.0 + KILL_SLACK
        failure = starting.exception(WAIT)
    assert isinstance(failure, Exception)
    return failure


@pytest.mark.parametrize(
    "script",
    [
        "exec sleep 60",
        "echo 1; exec sleep 60",
        "printf '1|1|unix'; exec sleep 60",
        "trap '' TERM; sleep 60 & wait",
    ],
)
def test_kill_ends_a_start_that_hangs(script: str) -> None:
    client = shell(script, start_timeout=60.0)
    failure = killed_while_starting(client)
    assert isinstance(failure, ClientClosed | MalformedHandshake)
    assert not is_running(client._launch._process.runner.pid)  # type: ignore[union-attr]


def test_kill_ends_a_start_whose_plugin_does_not_answer(directory: str) -> None:
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(f"{directory}/silent")
        silent.listen()
        line = f"1|1|unix|{directory}/silent|grpc|"
        client = shell(f"echo '{line}'; exec sleep 60", start_timeout=60.0)
        with ThreadPoolExecutor(1) as pool:
            starting = pool.submit(client.start)
            silent.settimeout(WAIT)
            silent.accept()[0].close()
            client.kill()
            assert isinstance(starting.exception(WAIT), ClientClosed)


# Failed starts


@pytest.mark.parametrize(
    ("script", "kind", "words"),
    [
        ("exit 3", ExitedEarly, "exit status 3"),
        ("kill -9 $$", ExitedEarly, "killed by SIGKILL"),
        ("exec >&-; exec sleep 60", ExitedEarly, "closed its stdout"),
        ("echo hello", MalformedHandshake, "hello"),
        ("echo", MalformedHandshake, "an empty line"),
        ("head -c 70000 /dev/zero", MalformedHandshake, "without a newline"),
        ("echo '2|1|unix|/p|grpc'", CoreVersionMismatch, "version 2"),
        ("echo '1|9|unix|/p|grpc'", VersionMismatch, "offers: 1"),
        ("echo '1|1|unix|/p'", NetRPCUnsupported, "net/rpc"),
        ("echo '1|1|udp|/p|grpc'", MalformedHandshake, "neither unix nor tcp"),
        ("echo '1|1|tcp|no.invalid:1|grpc'", LaunchError, "can't be resolved"),
    ],
)
def test_a_failed_start_says_what_happened_and_leaves_no_process(
    script: str, kind: type[LaunchError], words: str
) -> None:
    client = shell(f"echo 'a hint' >&2; {script}")
    with pytest.raises(kind, match=words) as caught:
        client.start()
    assert "a hint" in str(caught.value)
    assert caught.value.stderr_tail == ("a hint",)
    assert caught.value.command[0] == "/bin/sh"
    assert not is_running(client._launch._process.runner.pid)  # type: ignore[union-attr]
    client.kill()


def test_silence_is_a_start_timeout() -> None:
    with pytest.raises(StartTimeout, match=r"no handshake line within 0\.1 seconds"):
        shell("exec sleep 60", start_timeout=SHORT).start()


def test_the_start_timeout_counts_from_the_start() -> None:
    client = shell("exec sleep 60", start_timeout=SHORT)
    assert client._launch._deadline.remaining() is None  # type: ignore[union-attr]
    with pytest.raises(StartTimeout):
        client.start()
    assert client._launch._deadline.expired  # type: ignore[union-attr]


def test_a_plugin_without_a_certificate_is_refused_by_default(directory: str) -> None:
    client = shell("echo '1|1|unix|/p|grpc|'; exec sleep 60", auto_mtls=True)
    with pytest.raises(TLSRefused, match="auto_mtls=False"):
        client.start()


def test_a_plugin_with_a_certificate_is_refused_without_tls() -> None:
    line = "1|1|unix|/p|grpc|" + "A" * 100
    with pytest.raises(TLSRefused, match="this host has it off"):
        shell(f"echo '{line}'; exec sleep 60").start()


def test_a_certificate_that_is_none_is_malformed() -> None:
    line = "1|1|unix|/p|grpc|" + "A" * 100
    with pytest.raises(MalformedHandshake, match="not one"):
        shell(f"echo '{line}'; exec sleep 60", auto_mtls=True).start()


def test_a_context_that_can_not_dial_is_refused_at_once(directory: str) -> None:
    """It is a server's."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    config = client_config(tls=context, start_timeout=WAIT)
    with pytest.raises(TLSRefused, match="PROTOCOL_TLS_SERVER"):
        Client(config).start()


def test_a_missing_program_is_named() -> None:
    with pytest.raises(LaunchError, match="can't run '/nonexistent'"):
        Client(client_config("/nonexistent")).start()


def test_a_start_that_failed_may_be_tried_again(tmp_path: Path) -> None:
    flag = tmp_path / "ready"
    program = f"test -e {flag} || exit 1; exec {' '.join(COMMAND)}"
    client = shell(program)
    with pytest.raises(ExitedEarly):
        client.start()
    flag.touch()
    with client:
        assert client.dispense("echo")() == b"ping"


def test_probe_reads_the_line_and_leaves_no_process(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    script = f"echo $$ > {pid}; echo '1|7|tcp|127.0.0.1:1|grpc|'; exec sleep 60"
    handshake = probe(["/bin/sh", "-c", script])
    assert handshake.app_version == 7
    assert handshake.address == Address("tcp", "127.0.0.1:1")
    assert not is_running(int(pid.read_text()))
    with pytest.raises(ExitedEarly):
        probe(["true"])


# What is left

# Measuring coverage makes a start twice as long, and here there are many.
UNMEASURED: dict[str, Any] = {
    "COVERAGE_PROCESS_CONFIG": "",
    "COVERAGE_PROCESS_START": "",
}

LEAKS = """
import gc, os, sys, tempfile, threading
from pathlib import Path
from goplugin_py import Client
from tests.echo import client_config

cycles, multiplex = int(sys.argv[1]), sys.argv[2] == "multiplex"

# It keeps some for a while; our own loop's go with its thread.
GRPCS_OWN = ("anon_inode:[eventpoll]", "anon_inode:[eventfd]")

def left():
    gc.collect()
    fds = []
    for fd in os.listdir("/proc/self/fd"):
        try:
            kind = os.readlink(f"/proc/self/fd/{fd}")
        except FileNotFoundError:
            continue
        if kind not in GRPCS_OWN:
            fds.append(kind if kind.startswith("anon") else kind.split(":")[0])
    threads = [t.name for t in threading.enumerate() if t.name.startswith("goplugin")]
    children = Path("/proc/self/task", str(os.getpid()), "children").read_text().split()
    return sorted(fds), threads, children, os.listdir(tempfile.gettempdir())

def cycle():
    with Client(client_config(broker_multiplex=multiplex)) as client:
        assert client.dispense("echo")() == b"ping"

def settled(expected=None):
    for _ in range(500):  # the loop's thread ends a moment later
        state = left()
        if not any(state[1:]) and expected in (None, state):
            return state
        threading.Event().wait(0.01)
    return state

cycle()
cycle()
before = settled()
for _ in range(cycles):
    cycle()
after = settled(before)
assert before[1:] == ([], [], []), before
assert after == before, (before, after)
"""


@pytest.mark.parametrize("kind", ["sockets", "multiplex"])
def test_plugins_that_come_and_go_leave_nothing_behind(
    directory: str, kind: str
) -> None:
    """No descriptor, thread, process or file."""
    cycles = "20" if kind == "sockets" else "5"
    run_python(LEAKS, cycles, kind, TMPDIR=directory, **UNMEASURED)


FAILURES = LEAKS.replace(
    """    with Client(client_config(broker_multiplex=multiplex)) as client:
        assert client.dispense("echo")() == b"ping"
""",
    """    line = "1|1|unix|/nonexistent|grpc|"
    for script in ("exit 1", f"echo '{line}'; exec sleep 60", "echo x; exec sleep 60"):
        for auto_mtls in (True, False):
            config = client_config("/bin/sh", "-c", script, auto_mtls=auto_mtls)
            try:
                Client(config).start()
            except LaunchError:
                continue
            raise AssertionError(script)
""",
).replace("import Client\n", "import Client, LaunchError\n")


def test_starts_that_fail_leave_nothing_behind(directory: str) -> None:
    """No descriptor, thread, process or file."""
    run_python(FAILURES, "5", "sockets", TMPDIR=directory, **UNMEASURED)


ORPHAN = """
import os, sys
from goplugin_py import Client
from tests.echo import client_config

client = Client(client_config(broker_multiplex="multiplex" in sys.argv))
client.start()
print(client.pid, os.path.dirname(client.target.removeprefix("unix:")))
if "forget" in sys.argv:
    del client
    import gc
    gc.collect()
    sys.stdin.read()
"""


@pytest.mark.parametrize("how", ["exit", "forget", "multiplex"])
def test_a_host_that_does_not_kill_leaves_no_plugin_and_no_files_of_its_own(
    how: str,
) -> None:
    """The client's finalizer does it, at the latest when the interpreter ends."""
    pid, own = run_python(ORPHAN, how)[0].split()
    assert not is_running(int(pid))
    assert not os.path.exists(own)


@pytest.mark.parametrize("auto_mtls", [False, True], ids=["plain", "mtls"])
def test_a_plugin_that_is_killed_leaves_no_directory(
    auto_mtls: bool, directory: str
) -> None:
    """Its socket is in a private one, which it can't remove any more."""
    env = {"PYTHONPATH": str(ROOT), "TMPDIR": directory}
    with Client(client_config(auto_mtls=auto_mtls, env=env)) as client:
        assert os.listdir(directory)
        os.kill(client.pid or 0, signal.SIGKILL)
        assert client.wait(WAIT) == -signal.SIGKILL
    assert os.listdir(directory) == []


def test_threads_of_a_client_say_whose_they_are(plain: Client) -> None:
    name = os.path.basename(sys.executable)
    names = {thread.name for thread in threading.enumerate()}
    assert {f"goplugin-output-{name}", f"goplugin-stdio-{name}"} <= names
