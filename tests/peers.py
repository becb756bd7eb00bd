"""What several tests need of the world outside: certificates, sockets, processes."""

import contextlib
import functools
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from goplugin_py.wire.certificates import Identity, generate

WAIT = 5.0
# A script may start many plugins, one after the other, on a busy machine.
SCRIPT_WAIT = 100.0

ROOT = Path(__file__).resolve().parent.parent


@functools.cache
def identity_of(name: str) -> Identity:
    """The same certificate for the same name: making one is slow."""
    return generate(datetime.now(UTC))


@contextlib.contextmanager
def socket_directory() -> Iterator[str]:
    """A directory with a short path, which pytest's are not."""
    with tempfile.TemporaryDirectory(prefix="test-", dir="/tmp") as directory:
        yield directory


def until(condition: Callable[[], object], wait: float = WAIT) -> None:
    """Wait for what gives no notice of itself."""
    end = time.monotonic() + wait
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < end, "it did not come true"
        pause.wait(0.005)


def stop(pid: int | None) -> None:
    """Stop a child as Ctrl-Z does, and wait until none of its threads runs."""
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    options = os.WSTOPPED | os.WNOHANG
    until(lambda: os.waitid(os.P_PID, pid, options) is not None)


def children(process: int | str = "self") -> set[int]:
    """Return the ids of a process's children, those not reaped included."""
    found: set[int] = set()
    for task in Path(f"/proc/{process}/task").iterdir():
        with contextlib.suppress(OSError):  # a thread that has just ended
            found.update(map(int, (task / "children").read_text().split()))
    return found


def connect(path: str) -> socket.socket:
    """Connect to a unix socket."""
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(WAIT)
    try:
        sock.connect(path)
    except OSError:
        sock.close()
        raise
    return sock


def receive(sock: socket.socket, size: int) -> bytes:
    """Read exactly so many bytes, or up to the end."""
    data = bytearray()
    while len(data) < size:
        chunk = sock.recv(min(size - len(data), 1 << 20))
        if not chunk:
            break
        data += chunk
    return bytes(data)


def receive_all(sock: socket.socket) -> bytes:
    """Read up to the end."""
    return receive(sock, 1 << 62)


def has_ended(sock: socket.socket) -> bool:
    """Wait for the other side's end, regular or not, with nothing before it."""
    try:
        return sock.recv(1) == b""
    except ConnectionError:
        return True


def run_python(
    source: str, *arguments: str, status: int = 0, **environ: str
) -> tuple[str, str]:
    """Run a script in a process of its own; return its stdout and stderr."""
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", source, *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SCRIPT_WAIT,
        check=False,
    )
    assert ended.returncode == status, f"{ended.stdout}\n{ended.stderr}"
    return ended.stdout, ended.stderr
