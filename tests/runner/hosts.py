"""What the tests of runners share: hosts with runners that are good or bad."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from typing import Any

import pytest

from goplugin_py import (
    Client,
    ClientConfig,
    LaunchError,
)
from goplugin_py.testing import FakeRunner
from tests.echo import HANDSHAKE, Echo, client_config
from tests.peers import WAIT

# kill() must return within its grace and this (its contract), and a busy machine's own.
KILL_SLACK = 1.0
BUSY = 1.0
SHORT = 0.1
ECHO = {"echo": Echo()}
OWN_THREADS = ("goplugin-runner", "goplugin-call", "goplugin-kill", "goplugin-std")


def threads() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name.startswith(OWN_THREADS)]


def pipes() -> int:
    """Return how many ends of pipes are open."""
    count = 0
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            count += os.readlink(f"/proc/self/fd/{name}").startswith("pipe:")
    return count


def config(runner: Any, **options: Any) -> ClientConfig:
    """Configure a host of the echo plugin, run by a runner."""
    return client_config(runner=runner, **options)


def fake_config(runner: FakeRunner, **options: Any) -> ClientConfig:
    options = {"start_timeout": WAIT, "auto_mtls": False, "plugins": ECHO, **options}
    return ClientConfig(handshake=HANDSHAKE, runner=lambda spec: runner, **options)


class Brief(FakeRunner):
    """Ends at once."""

    def start(self) -> None:
        super().start()
        self.end(3)


class Rude(FakeRunner):
    """Prints what no plugin prints."""

    def start(self) -> None:
        super().start()
        self.print("good morning\n")


def failed_start(
    configured: ClientConfig, error: type[Exception] = LaunchError
) -> LaunchError:
    with pytest.raises(error) as caught:
        Client(configured).start()
    assert isinstance(caught.value, LaunchError)
    return caught.value


def starting(client: Client) -> tuple[threading.Thread, list[Exception]]:
    """Start on a thread of its own; return what it raised."""
    errors: list[Exception] = []

    def run() -> None:
        try:
            client.start()
        except Exception as exc:
            errors.append(exc)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, errors


def kill_in_time(client: Client, grace: float = 0.0) -> None:
    begin = time.monotonic()
    client.kill(grace)
    assert time.monotonic() - begin < grace + KILL_SLACK + BUSY
