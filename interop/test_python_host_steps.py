"""A fault at each step of a start: an error, and nothing left behind."""

import errno
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NoReturn

import pytest

from goplugin_py import Client, LaunchError
from interop.echo_pb2 import Payload
from interop.python_host import WAIT, children, echo, echo_config


@pytest.fixture(autouse=True)
def _told_sockets_are_gone(nothing_left: Path) -> Iterator[None]:
    """A plugin that ends before its line has told nobody where its socket is."""
    yield
    for socket_path in nothing_left.glob("plugin*"):
        socket_path.unlink()


def out_of_descriptors(*args: object, **kwargs: object) -> NoReturn:
    """Stand in for any call that needs a descriptor."""
    raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))


@pytest.mark.parametrize(
    "step",
    [
        "goplugin_py.process.local.subprocess.Popen",
        "goplugin_py.process.local.os.pidfd_open",
        "goplugin_py.process.output.selectors.DefaultSelector",
        "goplugin_py.launch.sockets.client_context",
        "goplugin_py.services.transport.private_directory",
        "goplugin_py.services.relayed.listen_unix",
        "goplugin_py.net.loop.socket.socketpair",
        "goplugin_py.link.open_channel",
    ],
)
def test_lack_of_descriptors_at_any_step_is_a_launch_error(
    step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requirement: a fault at every start step leaves no process, thread or file."""
    client = Client(echo_config())
    before = children()
    with monkeypatch.context() as patch:
        patch.setattr(step, out_of_descriptors)
        with pytest.raises(LaunchError, match="Too many open files"):
            client.start()
    assert children() <= before
    client.ping()  # the next start has all it needs
    client.kill()
    assert client.exit_status == 0


@pytest.mark.parametrize("role", ["output", "loop", "broker", "stdio"])
def test_lack_of_threads_at_any_step_leaves_nothing(
    role: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As above, for the threads of a client."""
    start: Callable[[threading.Thread], None] = threading.Thread.start

    def fail(thread: threading.Thread) -> None:
        if thread.name.startswith(f"goplugin-{role}"):
            raise RuntimeError("can't start new thread")
        start(thread)

    client = Client(echo_config())
    before = children()
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", fail)
        with pytest.raises(RuntimeError, match="can't start new thread"):
            client.start()
    assert children() <= before
    client.ping()
    client.kill()
    assert client.exit_status == 0


def test_plugins_start_beside_busy_links_and_threads() -> None:
    """Requirement: no hang of fork beside gRPC's threads; 20 starts, 10 at a time."""
    done = threading.Event()

    def keep_busy(number: int) -> int:
        calls = 0
        with echo(echo_config(auto_mtls=number % 2 == 0)) as (_, stub):
            while not done.is_set():
                assert stub.Unary(Payload(number=number), timeout=4 * WAIT).number
                calls += 1
        return calls

    def come_and_go(number: int) -> int | None:
        with echo(echo_config(auto_mtls=number % 2 == 0)) as (client, stub):
            sent = Payload(data=b"x" * 1000, number=number)
            assert stub.Unary(sent, timeout=4 * WAIT) == sent
        return client.exit_status

    with ThreadPoolExecutor(4) as busy, ThreadPoolExecutor(10) as pool:
        links = [busy.submit(keep_busy, number) for number in (1, 2, 3, 4)]
        try:
            assert list(pool.map(come_and_go, range(20))) == [0] * 20
        finally:
            done.set()
        assert all(link.result(timeout=4 * WAIT) for link in links)
