"""Plugins in the hands of a user's runner."""

from __future__ import annotations

import logging
import os
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

from goplugin_py import (
    Client,
    ClientConfig,
    CommandRunner,
    ConfigError,
    ConnectionLost,
    ExitedEarly,
    MalformedHandshake,
    PidRunner,
    RunnerSpec,
    SecureConfig,
    StartTimeout,
    UnixSocketConfig,
)
from goplugin_py.testing import FakeRunner
from tests.echo import HANDSHAKE, add_echo, call, client_config
from tests.peers import WAIT, run_python
from tests.runner.hosts import (
    ECHO,
    Brief,
    Rude,
    config,
    failed_start,
    fake_config,
)
from tests.runners import PlainRunner


@pytest.mark.parametrize("runner", [PlainRunner, CommandRunner])
@pytest.mark.parametrize("mtls", [True, False], ids=["mtls", "plain"])
@pytest.mark.parametrize("mux", [True, False], ids=["mux", "sockets"])
def test_a_plugin_runs_in_a_runner_with_broker_calls_both_ways(
    runner: Any, mtls: bool, mux: bool
) -> None:
    """go-plugin: ClientConfig.RunnerFunc."""
    configured = config(runner, auto_mtls=mtls, broker_multiplex=mux)
    with Client(configured) as client:
        echo = client.dispense("echo")
        assert echo(b"hello") == b"hello"
        service_id = client.broker.next_id()
        with client.broker.accept_and_serve(service_id, add_echo):
            assert echo(b"dial %d" % service_id) == b"from the plugin"
        with client.broker.dial(int(echo(b"serve"))) as channel:
            assert call(channel, b"from the host") == b"from the host"
    assert client.exited
    assert client.exit_status == 0


def test_a_child_process_costs_no_thread_and_no_import_for_runners() -> None:
    """Its output and its end are watched by one thread, through descriptors."""
    script = """
import sys, threading
from goplugin_py import Client
from tests.echo import client_config
with Client(client_config(auto_mtls=False)) as client:
    print(*sorted(t.name for t in threading.enumerate()), sep=",")
    print("goplugin_py.process.custom" in sys.modules)
"""
    threads_of_client, is_imported = run_python(script)[0].splitlines()
    ours = [t for t in threads_of_client.split(",") if t.startswith("goplugin-")]
    assert [name.split("-")[1] for name in ours] == ["broker", "output", "stdio"]
    assert is_imported == "False"


def test_the_client_goes_by_the_runners_id_and_has_no_process_id() -> None:
    """go-plugin: Client.ID."""
    client = Client(config(PlainRunner))
    assert client.id == ""
    with client:
        assert client.id.startswith("plain-")
        assert client.pid is None


def test_the_runner_gets_all_that_the_plugin_needs(tmp_path: Path) -> None:
    """go-plugin: the Cmd of RunnerFunc, and its directory."""
    runner = FakeRunner()

    def make(spec: RunnerSpec) -> FakeRunner:
        runner.spec = spec
        os.stat(spec.socket_directory)
        raise OSError("seen enough")

    configured = client_config(
        "/opt/plugin", "-v", runner=make, cwd=tmp_path, env={"A": "1"}, detach=True,
        stdin=subprocess.DEVNULL, inherit_env=False, broker_multiplex=True,
        unix_socket=UnixSocketConfig(directory=str(tmp_path), group=str(os.getgid())),
    )  # fmt: skip
    failed_start(configured)
    spec = runner.spec
    assert spec.command == ("/opt/plugin", "-v")
    assert (spec.cwd, spec.stdin, spec.detach) == (str(tmp_path), -3, True)
    assert spec.socket_group == str(os.getgid())
    assert os.path.dirname(spec.socket_directory) == str(tmp_path)
    assert spec.env["PLUGIN_UNIX_SOCKET_DIR"] == spec.socket_directory
    assert spec.env["PLUGIN_UNIX_SOCKET_GROUP"] == spec.socket_group
    assert spec.env["PLUGIN_CLIENT_CERT"].startswith("-----BEGIN CERTIFICATE-----\n")
    assert spec.env["PLUGIN_MULTIPLEX_GRPC"] == "true"
    assert spec.env["A"] == "1"
    assert spec.env.keys() >= {HANDSHAKE.magic_cookie_key, "PLUGIN_PROTOCOL_VERSIONS"}
    assert "PATH" not in spec.env


@pytest.mark.parametrize("group", ["", str(os.getgid())], ids=["owner", "group"])
def test_the_socket_directory_is_private_or_the_groups(group: str) -> None:
    """go-plugin: Client.Start makes it 0700, or 0770 and of the group."""
    modes = []

    def make(spec: RunnerSpec) -> FakeRunner:
        found = os.stat(spec.socket_directory)
        modes.append((oct(found.st_mode & 0o777), found.st_gid))
        raise OSError("seen enough")

    failed_start(config(make, unix_socket=UnixSocketConfig(group=group or None)))
    assert modes == [("0o770" if group else "0o700", os.getgid())]


def test_a_command_is_not_needed_where_the_runner_knows_it() -> None:
    runner = Rude()
    error = failed_start(fake_config(runner), MalformedHandshake)
    assert error.command == ()
    assert runner.killed.is_set()


def test_a_plugin_without_a_line_is_killed_in_the_end() -> None:
    runner = FakeRunner()
    configured = fake_config(runner, start_timeout=0.5)
    assert "no handshake line" in str(failed_start(configured, StartTimeout))
    assert runner.killed.is_set()


def test_what_the_plugin_logs_and_how_it_ended_is_known(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG, "goplugin")
    runner = FakeRunner()
    client = Client(fake_config(runner))
    starter = threading.Thread(target=lambda: failed_start(fake_config(runner)))
    starter.start()
    assert runner.started.wait(WAIT)
    runner.complain("[WARN] the disk is full\n")
    runner.end(3)
    starter.join(WAIT)
    assert "[WARN] the disk is full" in caplog.text
    assert not client.exited


def test_a_plugin_that_ends_early_is_reported_with_status_stderr_and_notes() -> None:
    class Talkative(FakeRunner):
        def start(self) -> None:
            super().start()
            self.complain("no space left\n")
            self.end(3)

        def diagnose(self) -> list[str]:
            return ["the image is from last year"]

    error = failed_start(fake_config(Talkative()), ExitedEarly)
    assert isinstance(error, ExitedEarly)
    assert error.status == 3
    assert "exit status 3" in str(error)
    assert error.stderr_tail == ("no space left",)
    assert error.notes == ("the image is from last year",)


def test_a_runner_that_does_not_know_the_status_is_believed() -> None:
    class Mute(Brief):
        def wait(self) -> int | None:
            super().wait()
            return None

    error = failed_start(fake_config(Mute()), ExitedEarly)
    assert "ended without a handshake line (it has ended)" in str(error)


def test_a_crash_is_seen_by_calls_and_by_the_client() -> None:
    with Client(config(PlainRunner)) as client:
        with pytest.raises(Exception, match=r"Stream removed|Socket closed|UNAVAIL"):
            client.dispense("echo")(b"exit 9")
        assert client.wait(WAIT) == 9
        with pytest.raises(ConnectionLost) as caught:
            client.ping()
        assert caught.value.status == 9


def test_start_and_wait_are_called_on_one_thread_that_lives_as_long() -> None:
    """A plugin with PR_SET_PDEATHSIG dies with the thread that started it."""
    seen: list[threading.Thread] = []

    class Watched(Brief):
        def start(self) -> None:
            super().start()
            seen.append(threading.current_thread())

        def wait(self) -> int | None:
            seen.append(threading.current_thread())
            return super().wait()

    runner = Watched()
    failed_start(fake_config(runner))
    assert seen[0] is seen[1]
    seen[0].join(WAIT)
    assert not seen[0].is_alive()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"runner": "docker"}, "runner must make a Runner when it is called, not 'doc"),
        ({"runner": PlainRunner, "command": "kv -v"}, "not a shell string"),
        (
            {"runner": PlainRunner, "secure": SecureConfig(bytes(32))},
            "secure is not possible with runner",
        ),
        ({"attached_runner": PidRunner}, "attached_runner needs reattach"),
    ],
)
def test_what_does_not_go_with_a_runner_is_refused(
    options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        ClientConfig(handshake=HANDSHAKE, plugins=ECHO, **options)


def test_a_socket_directory_that_can_not_be_is_an_error() -> None:
    place = UnixSocketConfig(directory="/nonexistent")
    with pytest.raises(ConfigError, match=r"can't make a socket directory in /nonex"):
        Client(config(PlainRunner, unix_socket=place)).start()
    place = UnixSocketConfig(group="no-such-group")
    with pytest.raises(ConfigError, match="there is no group 'no-such-group'"):
        Client(config(PlainRunner, unix_socket=place)).start()
