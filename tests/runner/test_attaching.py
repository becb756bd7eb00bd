"""Plugins that a user's runner has found."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from goplugin_py import (
    Address,
    Client,
    ClientClosed,
    ClientConfig,
    ConfigError,
    PidRunner,
    ProcessNotFound,
    ReattachConfig,
    ReattachError,
)
from goplugin_py.process.runner import SameAddresses
from tests.echo import HANDSHAKE, add_echo, call, client_config
from tests.peers import WAIT, stop
from tests.runner.hosts import (
    ECHO,
    kill_in_time,
    starting,
)


class Elsewhere(SameAddresses):
    """An attached runner that a test watches."""

    def __init__(self, pid: int, **changes: Any) -> None:
        self.id = f"elsewhere-{pid}"
        self.runner = PidRunner(pid)
        self.translated: list[Address] = []
        self.__dict__.update(changes)

    def wait(self) -> int | None:
        self.runner.wait()
        return 42

    def kill(self) -> None:
        self.runner.kill()

    def plugin_to_host(self, address: Address) -> Address:
        self.translated.append(address)
        return address

    host_to_plugin = plugin_to_host


@pytest.fixture
def running() -> Iterator[tuple[Client, ReattachConfig]]:
    """A plugin that is not this client's, and where it is."""
    with Client(client_config(auto_mtls=False, detach=True)) as client:
        yield client, client.reattach_config()


def attached(reattach: ReattachConfig, find: Any, **options: Any) -> Client:
    return Client(
        ClientConfig(
            reattach=reattach,
            attached_runner=find,
            handshake=HANDSHAKE,
            plugins=ECHO,
            **options,
        )
    )


def test_an_attached_runner_watches_translates_and_names(
    running: tuple[Client, ReattachConfig],
) -> None:
    """go-plugin: ReattachConfig.ReattachFunc."""
    first, reattach = running
    runner = Elsewhere(reattach.pid)
    with attached(reattach, lambda config: runner) as client:
        assert (client.id, client.pid) == (runner.id, None)
        echo = client.dispense("echo")
        with client.broker.dial(int(echo(b"serve"))) as channel:
            assert call(channel) == b"ping"
        service_id = client.broker.next_id()
        with client.broker.accept_and_serve(service_id, add_echo):
            assert echo(b"dial %d" % service_id) == b"from the plugin"
        assert len(runner.translated) == 2
        assert client.reattach_config().pid == 0
    assert client.exited
    assert client.exit_status == 42
    assert first.wait(WAIT) is not None


def test_an_attached_runner_ends_what_does_not_end_by_itself(
    running: tuple[Client, ReattachConfig],
) -> None:
    first, reattach = running
    with attached(reattach, lambda config: Elsewhere(config.pid)) as client:
        stop(reattach.pid)
        kill_in_time(client)
        assert client.exited
    assert first.wait(WAIT) == -signal.SIGKILL


def test_no_process_id_is_needed_with_an_attached_runner(
    running: tuple[Client, ReattachConfig],
) -> None:
    """go-plugin: "At least one of Pid or ReattachFunc must be set"."""
    _, found = running
    reattach = ReattachConfig("grpc", 1, found.address, 0)
    with pytest.raises(ConfigError, match="no process id: give attached_runner"):
        attached(reattach, None)
    with attached(reattach, lambda config: Elsewhere(found.pid)) as client:
        assert client.dispense("echo")() == b"ping"


def test_a_tests_plugin_is_spared_by_an_attached_runner_too(
    running: tuple[Client, ReattachConfig],
) -> None:
    first, found = running
    reattach = ReattachConfig("grpc", 1, found.address, 0, test=True)
    with attached(reattach, lambda config: Elsewhere(found.pid)) as client:
        client.ping()
    assert not client.exited
    first.ping()
    first.kill()


def lost(config: ReattachConfig) -> Any:
    raise KeyError("container-7")


def gone(config: ReattachConfig) -> Any:
    raise ProcessNotFound("there is no container 7")


@pytest.mark.parametrize(
    ("find", "error", "message"),
    [
        (lost, ReattachError, r"did not find the plugin \(KeyError: 'container-7'\)"),
        (gone, ProcessNotFound, "there is no container 7"),
        (lambda config: 7, ReattachError, "7 is no runner: it has no method wait"),
    ],
    ids=["raises", "says so", "nonsense"],
)
def test_a_plugin_that_is_not_found_is_an_error(
    find: Any, error: type[Exception], message: str
) -> None:
    reattach = ReattachConfig("grpc", 1, Address.unix("/nonexistent/p"), 1)
    with pytest.raises(error, match=message):
        attached(reattach, find).start()


def test_kill_does_not_wait_for_a_search_that_blocks() -> None:
    entered, release = threading.Event(), threading.Event()

    def find(config: ReattachConfig) -> Any:
        entered.set()
        release.wait()

    reattach = ReattachConfig("grpc", 1, Address.unix("/nonexistent/p"), 1)
    client = attached(reattach, find)
    starter, errors = starting(client)
    assert entered.wait(WAIT)
    kill_in_time(client)
    starter.join(WAIT)
    assert isinstance(errors[0], ClientClosed)
    release.set()


def test_an_attached_runner_that_fails_at_all_it_does_is_logged(
    running: tuple[Client, ReattachConfig], caplog: pytest.LogCaptureFixture
) -> None:
    first, reattach = running

    def fail() -> None:
        raise PermissionError("not yours")

    runner = Elsewhere(reattach.pid, kill=fail)
    client = attached(reattach, lambda config: runner)
    client.start()
    stop(reattach.pid)
    kill_in_time(client)
    assert not client.exited
    assert "the runner can't kill plugin elsewhere-" in caplog.text
    assert "its runner does not say that it has ended" in caplog.text
    first.kill(0)


def test_an_attached_runner_that_loses_sight_is_logged_and_the_plugin_ended(
    running: tuple[Client, ReattachConfig], caplog: pytest.LogCaptureFixture
) -> None:
    first, reattach = running
    runner = Elsewhere(reattach.pid, wait=lambda: 1 // 0)
    with attached(reattach, lambda config: runner) as client:
        assert client.wait(WAIT) is None
        assert not client.exited
        client.ping()
    assert "the runner lost sight of plugin elsewhere-" in caplog.text
    assert first.wait(WAIT) is not None
