"""Plugins in the hands of a user's runner, which may be a bad one."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from goplugin_py import (
    Address,
    BrokerError,
    Client,
    ClientClosed,
    ClientConfig,
    CommandRunner,
    ConfigError,
    ConnectionLost,
    DirectoryTranslator,
    ExitedEarly,
    LaunchError,
    MalformedHandshake,
    PidRunner,
    ProcessNotFound,
    ReattachConfig,
    ReattachError,
    RunnerSpec,
    SecureConfig,
    StartTimeout,
    UnixSocketConfig,
    aio,
)
from goplugin_py.process.pump import Pump
from goplugin_py.process.runner import SameAddresses
from goplugin_py.testing import FakeRunner
from tests.echo import HANDSHAKE, SERVICE, Echo, add_echo, call, client_config
from tests.peers import WAIT, run_python, socket_directory, until
from tests.runners import PlainRunner, Tampered, tampered

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


@pytest.fixture(autouse=True)
def nothing_left(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No thread, no pipe and no socket directory stays behind."""
    with socket_directory() as base:
        monkeypatch.setattr("tempfile.tempdir", base)
        before = pipes()
        yield
        until(lambda: not threads())
        until(lambda: pipes() <= before)
        assert os.listdir(base) == []


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


# What works


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


# Addresses


class Moved(CommandRunner):
    """The plugin's directory has another name for the plugin: a link to it."""

    named: ClassVar[list[Address]] = []

    def __init__(self, spec: RunnerSpec) -> None:
        self.link = f"{spec.socket_directory}-inside"
        os.symlink(spec.socket_directory, self.link)
        super().__init__(spec, sockets_at=self.link)

    def plugin_to_host(self, address: Address) -> Address:
        self.named.append(address)
        return super().plugin_to_host(address)

    def wait(self) -> int:
        try:
            return super().wait()
        finally:
            os.unlink(self.link)


@pytest.mark.parametrize("mtls", [True, False], ids=["mtls", "plain"])
def test_addresses_are_translated_both_ways(mtls: bool) -> None:
    """go-plugin: PluginToHost and HostToPlugin, for the line and for the broker."""
    with Client(config(Moved, auto_mtls=mtls)) as client:
        echo = client.dispense("echo")
        inside, name = os.path.split(Moved.named[-1].text)
        assert inside.endswith("-inside")
        assert client.address.text == f"{inside.removesuffix('-inside')}/{name}"
        service_id = client.broker.next_id()
        with client.broker.accept_and_serve(service_id, add_echo):
            assert echo(b"dial %d" % service_id) == b"from the plugin"
        with client.broker.dial(int(echo(b"serve"))) as channel:
            assert call(channel) == b"ping"
        assert os.path.dirname(Moved.named[-1].text) == inside


def test_addresses_are_translated_for_event_loops_too() -> None:
    register: Any = add_echo  # whose handlers either kind of server takes

    async def calls() -> list[bytes]:
        async with aio.Client(config(Moved)) as client:
            echo: Any = client.channel.unary_unary(f"/{SERVICE}/Call")
            service_id = client.broker.next_id()
            async with await client.broker.accept_and_serve(service_id, register):
                answers = [await echo(b"dial %d" % service_id, timeout=WAIT)]
            dialled = int(await echo(b"serve", timeout=WAIT))
            async with await client.broker.dial(dialled) as channel:
                peer: Any = channel.unary_unary(f"/{SERVICE}/Call")
                return [*answers, await peer(b"ping", timeout=WAIT)]

    assert asyncio.run(calls()) == [b"from the plugin", b"ping"]


def refuse(address: Address) -> Address:
    raise LookupError("not on the map")


@pytest.mark.parametrize(
    ("translate", "message"),
    [
        (refuse, r"can't translate unix:\S+ \(LookupError: not on the map\)"),
        (lambda address: address.text, r"to '/\S+, which is no Address"),
        (lambda address: None, "to None, which is no Address"),
    ],
    ids=["raises", "a text", "nothing"],
)
def test_an_address_that_can_not_be_translated_ends_the_start(
    translate: Callable[[Address], Any], message: str
) -> None:
    runner = tampered(plugin_to_host=lambda runner: translate)
    error = failed_start(config(runner))
    assert error.__str__().startswith("the plugin can't be reached: the runner")
    with pytest.raises(LaunchError, match=message):
        raise error


def test_a_broker_address_that_can_not_be_translated_is_the_brokers_error() -> None:
    plugins_main: list[Address] = []

    def once(address: Address) -> Address:
        if plugins_main:
            raise LookupError("not on the map")
        plugins_main.append(address)
        return address

    runner = tampered(
        plugin_to_host=lambda runner: once, host_to_plugin=lambda runner: refuse
    )
    with Client(config(runner)) as client:
        echo = client.dispense("echo")
        with pytest.raises(BrokerError, match="not on the map"):
            client.broker.accept_and_serve(client.broker.next_id(), add_echo)
        with pytest.raises(BrokerError, match="not on the map"):
            client.broker.dial(int(echo(b"serve")))
        assert echo() == b"ping"


def test_a_translation_that_blocks_does_not_hold_up_kill() -> None:
    entered, release = threading.Event(), threading.Event()

    def block(address: Address) -> Address:
        entered.set()
        release.wait()
        return address

    client = Client(config(tampered(plugin_to_host=lambda runner: block)))
    starter, errors = starting(client)
    assert entered.wait(WAIT)
    kill_in_time(client)
    starter.join(WAIT)
    assert isinstance(errors[0], ClientClosed)
    release.set()


# Runners that do not do their duty


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


def fail(spec: RunnerSpec) -> Any:
    raise OSError("the engine is not running")


@pytest.mark.parametrize(
    ("runner", "message"),
    [
        (fail, r"can't start the plugin \(OSError: the engine is not running\)"),
        (lambda spec: None, "None is no runner: it has no method start"),
        (
            tampered(start=lambda runner: lambda: exec("raise SystemExit(3)")),
            r"can't start the plugin \(SystemExit: 3\)",
        ),
        (
            tampered(kill=lambda runner: None),
            "is no runner: it has no method kill",
        ),
    ],
    ids=["raises", "makes nothing", "exits", "lacks a method"],
)
def test_a_runner_that_can_not_start_is_a_launch_error(
    runner: Any, message: str
) -> None:
    error = failed_start(config(runner))
    with pytest.raises(LaunchError, match=message):
        raise error
    assert error.command


def test_a_typed_error_of_the_runners_is_passed_on() -> None:
    def make(spec: RunnerSpec) -> Any:
        raise ConfigError("there is no image 'plugin:latest'")

    with pytest.raises(ConfigError, match="plugin:latest"):
        Client(config(make)).start()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"id": lambda runner: ""}, "id must be a str that is not empty, not ''"),
        ({"id": lambda runner: 7}, "id must be a str that is not empty, not 7"),
        ({"name": lambda runner: None}, "name must be a str"),
        ({"stdout": lambda runner: None}, "'NoneType' object has no attribute 'read'"),
        ({"stderr": lambda runner: 3}, "'int' object has no attribute 'read'"),
    ],
    ids=["no id", "a number for an id", "no name", "no stdout", "a descriptor"],
)
def test_a_started_runner_without_the_rest_is_a_launch_error(
    changes: dict[str, Any], message: str
) -> None:
    made: list[Tampered] = []
    error = failed_start(config(remembering(made, **changes)))
    assert "the runner started the plugin and is unusable" in str(error)
    assert message in str(error)
    assert made[0].process.wait(WAIT) == -signal.SIGKILL
    close_pipes(made[0])


def remembering(made: list[Tampered], **changes: Any) -> Callable[[RunnerSpec], Any]:
    def make(spec: RunnerSpec) -> Any:
        made.append(tampered(**changes)(spec))
        return made[-1]

    return make


def close_pipes(runner: Tampered) -> None:
    with runner.process:
        pass


class Texts:
    """A stream of the wrong kind."""

    def read(self, size: int) -> str:
        return "1|1|unix|/tmp/p|grpc|\n"

    def close(self) -> None: ...


def test_a_stream_of_text_is_named_as_the_reason() -> None:
    made: list[Tampered] = []
    make = remembering(made, stdout=lambda runner: Texts())
    error = failed_start(config(make), ExitedEarly)
    assert "the runner's stdout can't be read (TypeError" in str(error)
    close_pipes(made[0])


def test_a_lack_of_descriptors_after_the_start_ends_the_plugin(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[Tampered] = []
    pumps: list[Pump] = []

    def pump(stream: Any, name: str) -> Pump:
        if pumps:
            raise OSError(errno.EMFILE, "Too many open files")
        pumps.append(Pump(stream, name))
        return pumps[0]

    monkeypatch.setattr("goplugin_py.process.custom.Pump", pump)
    error = failed_start(config(remembering(made)))
    assert "unusable (OSError: [Errno 24] Too many open files)" in str(error)
    assert made[0].process.wait(WAIT) == -signal.SIGKILL
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(pumps[0].outlet)
    close_pipes(made[0])


def test_a_start_that_blocks_is_given_up_and_what_it_starts_later_is_killed() -> None:
    release = threading.Event()

    class Slow(FakeRunner):
        def start(self) -> None:
            release.wait()
            super().start()

    runner = Slow()
    error = failed_start(fake_config(runner, start_timeout=SHORT), StartTimeout)
    assert "the runner did not start the plugin within 0.1 seconds" in str(error)
    assert not runner.killed.is_set()
    release.set()
    assert runner.killed.wait(WAIT)


def test_kill_does_not_wait_for_a_start_that_blocks() -> None:
    entered, release = threading.Event(), threading.Event()

    class Slow(FakeRunner):
        def start(self) -> None:
            entered.set()
            release.wait()
            super().start()

    runner = Slow()
    client = Client(fake_config(runner))
    starter, errors = starting(client)
    assert entered.wait(WAIT)
    kill_in_time(client)
    starter.join(WAIT)
    assert isinstance(errors[0], ClientClosed)
    release.set()
    assert runner.killed.wait(WAIT)


def test_ctrl_c_ends_a_start_that_blocks_and_what_it_starts_later() -> None:
    release = threading.Event()

    class Slow(FakeRunner):
        def start(self) -> None:
            os.kill(os.getpid(), signal.SIGINT)
            release.wait()
            super().start()

    runner = Slow()
    with pytest.raises(KeyboardInterrupt):
        Client(fake_config(runner)).start()
    release.set()
    assert runner.killed.wait(WAIT)


def test_a_plugin_does_not_outlive_an_interpreter_that_ends_without_kill() -> None:
    script = """
from goplugin_py import Client, CommandRunner
from tests.echo import client_config
client = Client(client_config(runner=CommandRunner))
client.start()
print(client.id, end="")
"""
    pid, _ = run_python(script)
    until(lambda: not os.path.exists(f"/proc/{pid}"))


@pytest.mark.parametrize(
    ("diagnose", "note"),
    [
        (lambda: 1 / 0, "no diagnosis (ZeroDivisionError: division by zero)"),
        (lambda: "one sentence", "one sentence"),
        (lambda: 7, "no diagnosis (TypeError: 'int' object is not iterable)"),
    ],
    ids=["raises", "a text", "a number"],
)
def test_a_diagnosis_that_fails_does_not_hide_the_error(
    diagnose: Callable[[], Any], note: str
) -> None:
    runner = Brief()
    runner.diagnose = diagnose  # type: ignore[method-assign]
    error = failed_start(fake_config(runner), ExitedEarly)
    assert len(error.notes) == 1
    assert error.notes[0].endswith(note)


def test_a_diagnosis_that_blocks_is_done_without() -> None:
    release = threading.Event()
    runner = Brief()
    runner.diagnose = lambda: [str(release.wait())]  # type: ignore[method-assign]
    error = failed_start(fake_config(runner), ExitedEarly)
    assert "no diagnosis (NoAnswer: no answer within 0.5 seconds)" in error.notes[0]
    release.set()


def test_a_kill_that_fails_is_logged_and_noted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Invincible(Rude):
        def kill(self) -> None:
            raise PermissionError("not yours")

    runner = Invincible()
    error = failed_start(fake_config(runner), MalformedHandshake)
    assert "can't kill the plugin, which may go on (PermissionError" in error.notes[-1]
    assert "the runner can't kill plugin fake: PermissionError('not yours')" in (
        caplog.text
    )
    assert "its runner does not say that it has ended" in caplog.text
    runner.end()


@pytest.mark.parametrize("blocks", [True, False], ids=["blocks", "does nothing"])
def test_a_client_whose_runner_can_not_kill_lets_go_in_time(
    blocks: bool, caplog: pytest.LogCaptureFixture
) -> None:
    release = threading.Event()
    made: list[Tampered] = []
    make = remembering(
        made, kill=lambda runner: release.wait if blocks else lambda: None
    )
    client = Client(config(make))
    client.start()
    os.kill(made[0].process.pid, signal.SIGSTOP)  # it does not end by itself
    kill_in_time(client)
    assert not client.exited
    assert client.wait(0) is None
    assert "its runner does not say that it has ended" in caplog.text
    release.set()
    made[0].process.kill()
    until(lambda: client.exited)
    assert client.exit_status == -signal.SIGKILL


def test_a_wait_that_raises_ends_the_plugin(caplog: pytest.LogCaptureFixture) -> None:
    runner = FakeRunner()
    runner.wait = lambda: 1 // 0  # type: ignore[method-assign]
    error = failed_start(fake_config(runner), ExitedEarly)
    assert "(it has ended)" in str(error)
    assert runner.killed.is_set()
    assert "the runner lost sight of plugin fake: ZeroDivisionError" in caplog.text


@pytest.mark.parametrize("status", ["0", True, 1.5, object()])
def test_a_status_that_is_none_is_unknown(
    status: Any, caplog: pytest.LogCaptureFixture
) -> None:
    class Odd(FakeRunner):
        def wait(self) -> Any:
            super().wait()
            return status

    runner = Odd()
    runner_started(runner)
    assert f"has a status {status!r}" in caplog.text


def runner_started(runner: FakeRunner) -> None:
    """Start to the end of a plugin without a line."""
    thread, errors = starting(Client(fake_config(runner)))
    assert runner.started.wait(WAIT)
    runner.end(5)
    thread.join(WAIT)
    assert isinstance(errors[0], ExitedEarly)
    assert errors[0].status is None


def test_a_wait_that_returns_too_early_is_the_end() -> None:
    made: list[Tampered] = []
    make = remembering(made, wait=lambda runner: lambda: 0)
    failed_start(client_config("sleep", "60", runner=make), ExitedEarly)
    made[0].process.kill()
    close_pipes(made[0])


def test_a_stream_that_a_grandchild_holds_does_not_delay_the_end() -> None:
    script = "sleep 60 & echo $! >&2; exit 3"
    configured = client_config("/bin/sh", "-c", script, runner=PlainRunner)
    error = failed_start(configured, ExitedEarly)
    os.kill(int(error.stderr_tail[0]), signal.SIGKILL)
    assert isinstance(error, ExitedEarly)
    assert error.status == 3


def test_a_hundred_kibibytes_before_the_end_are_all_logged() -> None:
    script = (
        'i=0; while [ $i -lt 1000 ]; do printf "%0100d\\n" $i >&2; i=$((i+1)); done'
    )
    lines: list[str] = []

    class Counting(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    logger = logging.getLogger("test.runner")
    logger.setLevel(logging.DEBUG)
    logger.addHandler(Counting())
    configured = client_config(
        "/bin/sh", "-c", script, runner=PlainRunner, logger=logger
    )
    failed_start(configured, ExitedEarly)
    assert [int(line) for line in lines] == list(range(1000))


# Configurations


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


# Attaching


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
        os.kill(reattach.pid, signal.SIGSTOP)
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
    os.kill(reattach.pid, signal.SIGSTOP)
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


def test_a_directory_has_another_path_and_nothing_else_is_reachable(
    directory: str,
) -> None:
    """A plugin must not lead the host to the sockets of others."""
    translator = DirectoryTranslator(host=directory, plugin="/sockets")
    outside = Address.unix("/var/run/docker.sock")
    os.symlink(outside.text, f"{directory}/plugin1")
    Path(directory, "plugin2").touch()
    for refused in (
        outside,
        Address.unix("/sockets/../var/run/docker.sock"),
        Address.unix("/sockets/sub/plugin1"),
        Address.unix("/sockets/.."),
        Address.unix("/sockets/plugin1"),
        Address.unix("/sockets/plugin2"),
        Address.tcp("127.0.0.1", 22),
    ):
        with pytest.raises(ValueError, match=r"is no (unix )?socket"):
            translator.plugin_to_host(refused)
    with pytest.raises(FileNotFoundError):
        translator.plugin_to_host(Address.unix("/sockets/plugin3"))
    with pytest.raises(ValueError, match="is no unix socket in"):
        translator.host_to_plugin(outside)
    inside = translator.host_to_plugin(Address.unix(f"{directory}/plugin4"))
    assert inside == Address.unix("/sockets/plugin4")
