"""Plugins and strangers that mean no good: TLS, sockets that lie, floods."""

import base64
import datetime
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from goplugin_py import Client, ExitedEarly, LaunchError, StartTimeout, TLSRefused
from goplugin_py.wire.certificates import generate
from interop.echo_pb2 import Payload
from interop.fixtures import binary
from interop.python_host import (
    WAIT,
    children,
    echo,
    echo_config,
    eventually,
    fake,
    mode_of,
)

pytestmark = pytest.mark.usefixtures("nothing_left")

# For what has to time out; a fake in Python starts in less.
SHORT = 2.0
NETWORKS = pytest.mark.parametrize("network", ["unix", "tcp"])


# TLS


@pytest.mark.parametrize(
    "line", ["1|1|unix|/s|grpc|", "1|1|unix|/s|grpc", "1|1|tcp|127.0.0.1:9|grpc||"]
)
def test_plugin_without_a_certificate_is_refused_under_auto_mtls(line: str) -> None:
    """go-plugin starts, and fails in the user's first call; the text helps."""
    client = Client(echo_config(*fake("say.sh", line + "\\n", "", "stay")))
    with pytest.raises(TLSRefused, match="auto_mtls=False"):
        client.start()


def test_plugin_that_serves_tls_is_refused_without_auto_mtls(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """go-plugin's host dies of a nil pointer here (`loadServerCert`)."""
    script = 'PLUGIN_CLIENT_CERT="$CERTIFICATE" exec "$0"'
    certificate = generate(datetime.datetime.now(datetime.UTC)).certificate_pem
    config = echo_config(
        "/bin/sh",
        "-c",
        script,
        str(binary("echo-plugin")),
        auto_mtls=False,
        env={"CERTIFICATE": certificate},
    )
    with pytest.raises(TLSRefused, match="this host has it off"):
        Client(config).start()


@NETWORKS
@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("other", "certificate verify failed"),
        ("plain", "TLS handshake"),
        ("stranger", "TLS handshake"),
    ],
)
def test_plugin_whose_tls_is_not_what_its_line_says_is_refused(
    kind: str, words: str, network: str
) -> None:
    """Requirement: both sides verify. Another certificate; no TLS; other clients."""
    config = echo_config(*fake("listener.py", kind, network))
    with pytest.raises(TLSRefused, match=words) as caught:
        Client(config).start()
    assert caught.value.command


# Sockets that lie


@NETWORKS
@pytest.mark.parametrize("auto_mtls", [False, True], ids=["plain", "mtls"])
def test_listener_that_never_speaks_is_a_start_timeout(
    network: str, auto_mtls: bool
) -> None:
    """go-plugin's `Client` takes 20 s and its first call fails."""
    kind = "mute-mtls" if auto_mtls else "mute"
    config = echo_config(
        *fake("listener.py", kind, network), auto_mtls=auto_mtls, start_timeout=SHORT
    )
    started = time.monotonic()
    with pytest.raises(StartTimeout, match="answered no call within 2 seconds"):
        Client(config).start()
    assert time.monotonic() - started < SHORT + 1


@NETWORKS
@pytest.mark.parametrize("kind", ["hangup", "garbage", "dead"])
@pytest.mark.parametrize("auto_mtls", [False, True], ids=["plain", "mtls"])
def test_socket_without_a_plugin_behind_it_does_not_start(
    network: str, kind: str, auto_mtls: bool
) -> None:
    """Requirement: the first call is made in the start, and its failure is typed."""
    suffix = "-mtls" if auto_mtls else ""
    config = echo_config(
        *fake("listener.py", kind + suffix, network), auto_mtls=auto_mtls
    )
    started = time.monotonic()
    with pytest.raises(LaunchError) as caught:
        Client(config).start()
    assert time.monotonic() - started < WAIT
    if auto_mtls and kind == "garbage":
        assert isinstance(caught.value, TLSRefused)
    elif not (auto_mtls and isinstance(caught.value, TLSRefused)):
        assert not isinstance(caught.value, ExitedEarly)
        assert "does not answer: it is still running (" in str(caught.value)


@pytest.mark.parametrize("auto_mtls", [False, True], ids=["plain", "mtls"])
def test_crash_before_the_first_answer_tells_its_status(auto_mtls: bool) -> None:
    """Requirement: exit code and stderr, also where the line had been printed."""
    certificate = generate(datetime.datetime.now(datetime.UTC)).certificate
    field = base64.b64encode(certificate).decode().rstrip("=") if auto_mtls else ""
    line = f"1|1|unix|/nowhere/socket|grpc|{field}\\n"
    config = echo_config(
        *fake("say.sh", line, "gone\\n", "exit", "6"), auto_mtls=auto_mtls
    )
    with pytest.raises(ExitedEarly) as caught:
        Client(config).start()
    assert caught.value.status == 6
    assert caught.value.stderr_tail == ("gone",)
    assert "does not answer: exit status 6 (" in str(caught.value)


def test_line_that_names_any_file_leaves_it_alone(nothing_left: Path) -> None:
    """What a plugin says is its socket is removed only if it is one, and dead."""
    file = nothing_left / "precious"
    file.write_text("data")
    line = f"1|1|unix|{file}|grpc|\\n"
    config = echo_config(*fake("say.sh", line, "", "stay"), auto_mtls=False)
    with pytest.raises(LaunchError, match="does not answer"):
        Client(config).start()
    assert file.read_text() == "data"
    file.unlink()


def test_line_that_names_a_living_socket_leaves_it_alone(nothing_left: Path) -> None:
    """As above: somebody else listens on it, and goes on to."""
    path = nothing_left / "living"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        line = f"1|1|unix|{path}|grpc|\\n"
        config = echo_config(
            *fake("say.sh", line, "", "stay"), auto_mtls=False, start_timeout=0.5
        )
        with pytest.raises(StartTimeout):
            Client(config).start()
        assert path.is_socket()
    path.unlink()


# Strangers


STRANGER = """
import socket, sys
sock = socket.socket(socket.AF_UNIX)
sock.settimeout(5)
sock.connect(sys.argv[1])
try:
    sock.sendall(b"PRI * HTTP/2.0\\r\\n\\r\\nSM\\r\\n\\r\\n")
    answer = sock.recv(100)
except (BrokenPipeError, ConnectionResetError):
    answer = b""
print(len(answer))
"""


def test_other_process_is_refused_at_the_relays_socket(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Behind it lies an authenticated link: only this process may use it."""
    with echo(echo_config()) as (client, stub):
        path = client.target.removeprefix("unix:")
        assert mode_of(Path(path).parent) == 0o700
        stranger = subprocess.run(
            [sys.executable, "-S", "-c", STRANGER, path],
            capture_output=True,
            text=True,
            timeout=4 * WAIT,
            check=True,
        )
        assert stranger.stdout.strip() == "0"
        assert eventually(lambda: "connection from another process" in caplog.text)
        assert stub.Unary(Payload(number=1), timeout=WAIT).number == 1


def test_relays_directory_is_gone_after_kill() -> None:
    """Requirement: nothing of a link outlives it."""
    with Client(echo_config()) as client:
        directory = Path(client.target.removeprefix("unix:")).parent
        assert directory.is_dir()
    assert not directory.exists()


# Floods


def test_flood_on_stderr_before_the_line_holds_nothing_up() -> None:
    """Requirement: 10 MB without a newline on stderr: no hang, bounded memory."""
    script = "head -c 10000000 /dev/zero | tr '\\0' y >&2; exec \"$0\""
    with echo(echo_config("/bin/sh", "-c", script, str(binary("echo-plugin")))) as (
        client,
        stub,
    ):
        assert stub.Unary(Payload(number=1), timeout=WAIT).number == 1
    assert client.exit_status == 0


def test_flood_behind_the_line_in_one_write_holds_nothing_up() -> None:
    """What follows the line on stdout is no part of it, however much it is."""
    flood = "x" * 50_000
    line = f"1|7|unix|/s|grpc|\\n{flood}"
    config = echo_config(*fake("say.sh", line, "", "stay"), auto_mtls=False)
    with pytest.raises(LaunchError) as caught:
        Client(config).start()
    assert "version 7" in str(caught.value)
    assert len(vars(caught.value)["line"]) < 100


def test_flood_without_an_end_before_the_line_is_cut_off() -> None:
    """A plugin that never stops writing is killed, and its error is short."""
    config = echo_config("/bin/sh", "-c", "exec yes no-newline | tr -d '\\n'")
    started = time.monotonic()
    with pytest.raises(LaunchError) as caught:
        Client(config).start()
    assert time.monotonic() - started < WAIT
    assert len(str(caught.value)) < 4096


@pytest.fixture
def grandchild(tmp_path: Path) -> Iterator[Path]:
    """Give a file for a process id, and end that process."""
    path = tmp_path / "pid"
    yield path
    os.kill(int(path.read_text()), 9)


def test_grandchild_that_holds_the_pipes_delays_nothing(grandchild: Path) -> None:
    """go-plugin waits for the end of both pipes: 12 s for a sleeper of 12 s."""
    script = f'sleep 60 & echo $! > {grandchild}; exec "$0"'
    config = echo_config("/bin/sh", "-c", script, str(binary("echo-plugin")))
    with echo(config) as (client, stub):
        assert stub.Unary(Payload(number=1), timeout=WAIT).number == 1
        started = time.monotonic()
        client.kill()
    assert time.monotonic() - started < 1
    assert (client.exited, client.exit_status) == (True, 0)
    assert client.pid not in children()


def test_grandchild_that_holds_the_pipes_does_not_hide_a_crash(
    grandchild: Path,
) -> None:
    """As above, for a plugin that ends without a line."""
    script = f"sleep 60 & echo $! > {grandchild}; exit 5"
    config = echo_config("/bin/sh", "-c", script)
    started = time.monotonic()
    with pytest.raises(ExitedEarly) as caught:
        Client(config).start()
    assert caught.value.status == 5
    assert time.monotonic() - started < WAIT
