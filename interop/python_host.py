"""What the tests of Python hosts share: plugins to start, and looks at what is left."""

import os
import signal
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc

from goplugin_py import Client, ClientConfig, HandshakeConfig, Plugin
from interop.echo_pb2_grpc import EchoStub
from interop.fixtures import binary

# For anything that takes milliseconds on an idle machine.
WAIT = 5.0
FAKES = Path(__file__).resolve().parent / "fakes"

HANDSHAKE = HandshakeConfig(
    protocol_version=1, magic_cookie_key="ECHO_PLUGIN", magic_cookie_value="5f0c1a5e"
)
ECHO = {"echo": Plugin.from_stub(EchoStub)}


def echo_config(*command: str, **changes: Any) -> ClientConfig:
    """Configure a host of an Echo plugin; by default of the Go one on unix sockets."""
    settings: dict[str, Any] = {
        "command": command or [str(binary("echo-plugin"))],
        "handshake": HANDSHAKE,
        "start_timeout": 20.0,
        **changes,
    }
    if "versioned_plugins" not in settings:
        settings.setdefault("plugins", ECHO)
    return ClientConfig(**settings)


@contextmanager
def echo(config: ClientConfig) -> Iterator[tuple[Client, EchoStub]]:
    """Start a plugin and dispense its Echo."""
    with Client(config) as client:
        yield client, client.dispense("echo")


def fake(name: str, *arguments: str) -> list[str]:
    """Return the command of a program in `fakes`."""
    path = FAKES / name
    if path.suffix == ".py":
        # Isolated, but for the project's own path: a plugin must start fast.
        return [sys.executable, str(path), *arguments]
    return ["/bin/sh", str(path), *arguments]


def eventually(holds: Callable[[], bool]) -> bool:
    """Wait until a condition that no event announces holds; return whether it does."""
    end = time.monotonic() + WAIT
    pause = threading.Event()
    while not holds():
        if time.monotonic() > end:
            return False
        pause.wait(0.005)
    return True


def code_of(error: grpc.RpcError) -> grpc.StatusCode:
    """Return the status code that grpcio's type of an error lacks."""
    assert isinstance(error, grpc.Call)
    return error.code()


def children() -> set[int]:
    """Return the ids of this process's children, those not reaped included."""
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:  # it has just ended
                continue
            if int(fields[1]) == os.getpid():
                found.add(int(entry.name))
    return found


def stop(pid: int | None) -> None:
    """Stop a child as Ctrl-Z does, and wait until none of its threads runs."""
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    options = os.WSTOPPED | os.WNOHANG
    assert eventually(lambda: os.waitid(os.P_PID, pid, options) is not None)


def our_threads() -> list[threading.Thread]:
    """Return the threads that the package has started and that still run."""
    return [t for t in threading.enumerate() if t.name.startswith("goplugin-")]


def descriptors() -> int:
    """Return how many descriptors this process has open."""
    return len(os.listdir("/proc/self/fd"))


def mode_of(path: str | Path) -> int:
    """Return a file's permission bits."""
    return stat.S_IMODE(os.stat(path).st_mode)
