"""Python hosts are told when a Go plugin has ended, and how."""

import os
import queue
import signal

import grpc
import pytest

from goplugin_py import Client, ClientConfig, ExitedEarly, ExitStatus
from interop.echo_pb2 import CrashRequest
from interop.python_host import (
    ECHO,
    HANDSHAKE,
    WAIT,
    echo,
    echo_config,
    eventually,
    fake,
)

pytestmark = pytest.mark.usefixtures("nothing_left")


class Told:
    """What `on_exit` was called with."""

    def __init__(self) -> None:
        self._statuses: queue.Queue[ExitStatus | None] = queue.Queue()
        self.on_exit = self._statuses.put

    def status(self) -> ExitStatus:
        """Wait for the call; there must have been one alone."""
        status = self._statuses.get(timeout=WAIT)
        assert self._statuses.empty()
        assert status is not None
        return status


def test_on_exit_is_called_once_with_the_status_of_a_crash() -> None:
    """`ClientConfig.on_exit`; go-plugin has only `Client.Exited` to ask."""
    told = Told()
    with echo(echo_config(on_exit=told.on_exit)) as (client, stub):
        with pytest.raises(grpc.RpcError):
            stub.Crash(CrashRequest(kind=CrashRequest.EXIT, status=3), timeout=WAIT)
        assert told.status() == 3
        assert client.exited


def test_on_exit_is_called_when_the_plugin_is_killed_or_ends() -> None:
    """As above; the signal has a name."""
    told = Told()
    with Client(echo_config(on_exit=told.on_exit)) as client:
        os.kill(client.pid or 0, signal.SIGKILL)
        status = told.status()
        assert (status.text, status.signal) == ("killed by SIGKILL", signal.SIGKILL)
        assert client.exit_status == status
    with Client(echo_config(on_exit=told.on_exit)):
        pass
    assert told.status() == 0


def test_on_exit_may_use_the_client() -> None:
    """A host may start the next plugin there, or tidy up."""
    done: queue.Queue[ExitStatus | None] = queue.Queue()

    def tidy_up(status: ExitStatus | None) -> None:
        client.kill()
        done.put(client.wait(WAIT))

    client = Client(echo_config(on_exit=tidy_up))
    client.start()
    os.kill(client.pid or 0, signal.SIGTERM)
    assert done.get(timeout=WAIT) == -signal.SIGTERM


def test_on_exit_of_an_attached_plugin_knows_no_status() -> None:
    """Only the host that started it learns that."""
    statuses: queue.Queue[ExitStatus | None] = queue.Queue()
    with Client(echo_config(auto_mtls=False)) as first:
        attached = ClientConfig(
            reattach=first.reattach_config(),
            handshake=HANDSHAKE,
            plugins=ECHO,
            on_exit=statuses.put,
        )
        with Client(attached):
            os.kill(first.pid or 0, signal.SIGKILL)
            assert statuses.get(timeout=WAIT) is None
    assert statuses.empty()


def test_on_exit_that_fails_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """What it raises reaches nobody else."""

    def fail(status: ExitStatus | None) -> None:
        raise ValueError("a mistake")

    with Client(echo_config(on_exit=fail)):
        pass
    assert eventually(lambda: "on_exit of plugin echo-plugin failed" in caplog.text)
    assert eventually(lambda: "a mistake" in caplog.text)


def test_on_exit_is_not_called_for_a_start_that_failed() -> None:
    """That is told by an exception."""
    told = Told()
    with pytest.raises(ExitedEarly):
        Client(echo_config(*fake("say.sh"), on_exit=told.on_exit)).start()
    with pytest.raises(queue.Empty):
        told._statuses.get_nowait()


def test_lack_of_threads_for_on_exit_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A plugin of whose end nobody would be told does not start."""

    def refuse(*args: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("goplugin_py.client.call_at_exit", refuse)
    client = Client(echo_config(on_exit=print))
    with pytest.raises(RuntimeError):
        client.start()
    assert client.pid is None
