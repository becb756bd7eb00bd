"""Plugins in care: states, restarts, reloads and the end, with real processes."""

from __future__ import annotations

import dataclasses
import itertools
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from goplugin_py import (
    Address,
    ClientClosed,
    ClientConfig,
    ConfigError,
    ConnectionLost,
    ExitedEarly,
    LaunchError,
    MalformedHandshake,
    ReattachConfig,
    SecureConfig,
    UnknownPlugin,
    cleanup_clients,
)
from goplugin_py.errors import ChecksumMismatch
from goplugin_py.supervisor import (
    Change,
    HealthPolicy,
    RestartPolicy,
    State,
    Supervised,
    Supervisor,
)
from interop.python_host import stop
from tests.clock import FakeClock
from tests.echo import COMMAND, client_config
from tests.peers import ROOT, WAIT, run_python, until

POLICY = RestartPolicy(initial_delay=1.0, jitter=0.0, limit=3, stable_after=60.0)

REATTACH = ReattachConfig("grpc", 1, Address("unix", "/tmp/none"), pid=1)


def plain(*command: str, **options: Any) -> ClientConfig:
    return client_config(*command, auto_mtls=False, **options)


def shell(script: str, **options: Any) -> ClientConfig:
    return plain("/bin/sh", "-c", script, **options)


def named(name: str) -> ClientConfig:
    """A plugin that tells its name when it is asked for it."""
    return plain(env={"PYTHONPATH": str(ROOT), "NAME": name})


def crash(plugin: Supervised, status: int = 7) -> None:
    """Make it end, and wait until that is known."""
    with pytest.raises(ConnectionLost):
        plugin.dispense("echo")(b"exit %d" % status)
    assert plugin.wait_for(State.CRASHED, WAIT)


def is_running(pid: int | None) -> bool:
    assert pid is not None
    return Path(f"/proc/{pid}").exists()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def changes() -> list[Change]:
    return []


@pytest.fixture
def supervisor(clock: FakeClock, changes: list[Change]) -> Iterator[Supervisor]:
    with Supervisor(restart=POLICY, clock=clock, on_change=changes.append) as made:
        yield made
    until(lambda: not [t for t in threading.enumerate() if "goplugin-drain" in t.name])
    assert clock.planned == []


@pytest.fixture
def plugin(supervisor: Supervisor) -> Supervised:
    added = supervisor.add("echo", plain())
    added.start()
    return added


# The regular life


def test_a_plugin_is_stopped_until_it_is_started(supervisor: Supervisor) -> None:
    plugin = supervisor.add("echo", plain())
    assert plugin.status.state is State.STOPPED
    assert plugin.status.generation == 0
    with pytest.raises(ClientClosed, match=r"echo is stopped: start\(\) it"):
        plugin.dispense("echo")


def test_a_plugin_that_runs_answers(plugin: Supervised) -> None:
    assert plugin.status.state is State.RUNNING
    assert is_running(plugin.status.pid)
    assert plugin.dispense("echo")(b"hello") == b"hello"


def test_a_second_start_does_nothing(plugin: Supervised) -> None:
    pid = plugin.status.pid
    plugin.start()
    assert plugin.status.pid == pid


def test_stop_ends_the_process_and_start_makes_another(plugin: Supervised) -> None:
    pid = plugin.status.pid
    echo = plugin.dispense("echo")
    plugin.stop()
    assert plugin.status.state is State.STOPPED
    assert not is_running(pid)
    with pytest.raises(ClientClosed):
        echo()
    plugin.start()
    assert echo(b"again") == b"again"
    assert plugin.status.generation == 2


def test_an_unknown_plugin_is_named(supervisor: Supervisor, plugin: Supervised) -> None:
    with pytest.raises(UnknownPlugin, match="'ecco', only 'echo'"):
        plugin.dispense("ecco")
    with pytest.raises(UnknownPlugin, match="'ecco'"):
        supervisor["ecco"]
    assert supervisor["echo"] is plugin
    assert dict(supervisor.plugins) == {"echo": plugin}


def test_removed_means_ended_and_forgotten(
    supervisor: Supervisor, plugin: Supervised
) -> None:
    supervisor.remove("echo")
    assert not supervisor.plugins
    with pytest.raises(ClientClosed, match="add it again"):
        plugin.start()
    with pytest.raises(ClientClosed, match="add it again"):
        plugin.reload()


def test_a_name_is_taken_once(supervisor: Supervisor, plugin: Supervised) -> None:
    with pytest.raises(ConfigError, match="already"):
        supervisor.add("echo", plain())


@pytest.mark.parametrize(
    "changes_to",
    [{"detach": True}, {"command": None, "reattach": REATTACH, "auto_mtls": False}],
    ids=["detach", "reattach"],
)
def test_a_plugin_that_others_start_or_keep_is_refused(
    supervisor: Supervisor, changes_to: dict[str, Any]
) -> None:
    with pytest.raises(ConfigError, match="not possible"):
        supervisor.add("echo", dataclasses.replace(plain(), **changes_to))


# Crashes


def test_a_crash_is_told_with_its_status_and_planned_restart(
    plugin: Supervised, clock: FakeClock
) -> None:
    crash(plugin, 7)
    status = plugin.status
    assert isinstance(status.error, ConnectionLost)
    assert (status.exit_status, status.failures, status.restart_in) == (7, 1, 1.0)
    assert "exit status 7" in str(status.error)
    assert not status.has_given_up
    assert clock.planned == [1.0]


def test_calls_while_it_is_down_fail_at_once_and_say_when_it_returns(
    plugin: Supervised,
) -> None:
    echo = plugin.dispense("echo")
    crash(plugin, 7)
    with pytest.raises(ConnectionLost, match="started again 1 s after") as caught:
        echo()
    assert caught.value.status == 7


def test_it_is_started_again_after_the_delay_and_stubs_live_on(
    plugin: Supervised, clock: FakeClock
) -> None:
    echo = plugin.dispense("echo")
    crash(plugin)
    clock.advance(0.9)
    assert clock.planned == [pytest.approx(0.1)]
    clock.advance(0.1)
    assert plugin.status.state is State.RUNNING
    assert plugin.status.generation == 2
    assert echo(b"back") == b"back"


def test_delays_grow_and_end_with_the_limit(
    plugin: Supervised, clock: FakeClock
) -> None:
    delays = []
    for _ in range(3):
        crash(plugin)
        delays.append(plugin.status.restart_in)
        clock.advance(plugin.status.restart_in or 0.0)
    crash(plugin, 9)
    assert delays == [1.0, 2.0, 4.0]
    assert plugin.status.has_given_up
    assert plugin.status.exit_status == 9
    assert clock.planned == []
    with pytest.raises(ConnectionLost, match="not started again"):
        plugin.dispense("echo")


def test_a_stable_time_forgives_earlier_failures(
    plugin: Supervised, clock: FakeClock
) -> None:
    crash(plugin)
    clock.advance(1.0)
    clock.advance(60.0)
    crash(plugin)
    assert (plugin.status.failures, plugin.status.restart_in) == (1, 1.0)


def test_a_regular_exit_nobody_asked_for_is_a_crash(plugin: Supervised) -> None:
    crash(plugin, 0)
    assert plugin.status.exit_status == 0


def test_a_signal_is_named(plugin: Supervised) -> None:
    assert plugin.status.pid is not None
    os.kill(plugin.status.pid, signal.SIGKILL)
    assert plugin.wait_for(State.CRASHED, WAIT)
    assert plugin.status.exit_status == -signal.SIGKILL
    assert "SIGKILL" in str(plugin.status.error)


def test_start_does_not_wait_for_the_planned_restart(
    plugin: Supervised, clock: FakeClock
) -> None:
    crash(plugin)
    plugin.start()
    assert plugin.status.state is State.RUNNING
    assert plugin.status.failures == 0
    assert clock.planned == []


def test_stop_cancels_the_planned_restart(plugin: Supervised, clock: FakeClock) -> None:
    crash(plugin)
    plugin.stop()
    assert plugin.status.state is State.STOPPED
    assert clock.planned == []


# Starts that fail


def test_a_plugin_that_fails_at_each_start_ends_crashed_with_its_error(
    supervisor: Supervisor, clock: FakeClock
) -> None:
    plugin = supervisor.add("bad", shell("echo 'a hint' >&2; exit 3"))
    with pytest.raises(ExitedEarly):
        plugin.start()
    starts = 1
    while not plugin.status.has_given_up:
        clock.advance(plugin.status.restart_in or 0.0)
        starts += 1
    assert starts == 1 + POLICY.limit
    assert isinstance(plugin.status.error, ExitedEarly)
    assert plugin.status.exit_status == 3
    assert "a hint" in str(plugin.status.error)
    with pytest.raises(ConnectionLost, match="a hint"):
        plugin.dispense("echo")


def test_a_start_that_works_in_the_end_is_running(
    supervisor: Supervisor, clock: FakeClock, tmp_path: Path
) -> None:
    flag = tmp_path / "ready"
    config = shell(f"test -e {flag} || exit 1; exec {' '.join(COMMAND)}")
    plugin = supervisor.add("late", config)
    with pytest.raises(ExitedEarly):
        plugin.start()
    flag.touch()
    clock.advance(1.0)
    assert plugin.status.state is State.RUNNING


@pytest.mark.parametrize(
    ("config", "kind"),
    [
        (plain(secure=SecureConfig(bytes(32))), ChecksumMismatch),
        (shell("echo nonsense; exec sleep 60"), MalformedHandshake),
    ],
    ids=["checksum", "handshake"],
)
def test_what_would_only_fail_again_is_not_started_again(
    supervisor: Supervisor,
    clock: FakeClock,
    config: ClientConfig,
    kind: type[LaunchError],
) -> None:
    plugin = supervisor.add("bad", config)
    with pytest.raises(kind):
        plugin.start()
    assert plugin.status.has_given_up
    assert isinstance(plugin.status.error, kind)
    assert clock.planned == []


@pytest.mark.parametrize("start", [Supervised.start, Supervised.reload])
def test_stop_ends_a_start_that_hangs(
    supervisor: Supervisor, tmp_path: Path, start: Callable[[Supervised], None]
) -> None:
    begun = tmp_path / "begun"
    plugin = supervisor.add("slow", shell(f"echo $$ > {begun}; exec sleep 60"))
    with ThreadPoolExecutor(1) as pool:
        starting = pool.submit(start, plugin)
        until(lambda: begun.exists() and begun.read_text().endswith("\n"))
        plugin.stop()
        assert isinstance(starting.exception(WAIT), ClientClosed)
    assert plugin.status.state is State.STOPPED
    assert not is_running(int(begun.read_text()))


def test_an_error_that_is_not_ours_is_a_launch_error_too(
    supervisor: Supervisor,
) -> None:
    """Such as options that grpcio refuses."""
    plugin = supervisor.add("echo", plain(channel_options=[("grpc.x", object())]))
    with pytest.raises(LaunchError, match="can't be started") as caught:
        plugin.start()
    assert plugin.status.error is caught.value


def test_a_start_that_fails_is_no_cause_of_itself(supervisor: Supervisor) -> None:
    plugin = supervisor.add("bad", shell("exit 3"))
    with pytest.raises(ExitedEarly) as caught:
        plugin.start()
    assert caught.value.__cause__ is not caught.value


# Reload


def test_reload_sends_new_calls_to_the_new_process(supervisor: Supervisor) -> None:
    plugin = supervisor.add("echo", named("old"))
    plugin.start()
    echo, pid = plugin.dispense("echo"), plugin.status.pid
    assert echo(b"environ NAME") == b"old"
    plugin.reload(named("new"))
    assert echo(b"environ NAME") == b"new"
    assert plugin.config.env["NAME"] == "new"
    assert plugin.status.generation == 2
    until(lambda: not is_running(pid))


def test_a_call_in_flight_ends_in_the_old_process(supervisor: Supervisor) -> None:
    plugin = supervisor.add("echo", plain(*COMMAND, env=SLOW))
    plugin.start()
    pid = plugin.status.pid
    with ThreadPoolExecutor(1) as pool, plugin.lease() as lease:
        plugin.reload(named("new"))
        assert plugin.status.pid != pid
        # The old process is kept for as long as it takes.
        assert lease.dispense("echo")(b"from the old one") == b"from the old one"
        assert is_running(pid)
        done = pool.submit(lease.dispense("echo"), b"environ NAME")
        assert done.result(WAIT) == b"slow"
    until(lambda: not is_running(pid))


SLOW = {"PYTHONPATH": str(ROOT), "NAME": "slow"}


def test_a_new_process_that_does_not_start_leaves_the_old_one(
    plugin: Supervised, changes: list[Change]
) -> None:
    before = plugin.status
    with pytest.raises(ExitedEarly):
        plugin.reload(shell("exit 1"))
    assert plugin.status == before
    assert plugin.dispense("echo")(b"still") == b"still"
    assert plugin.config.command == COMMAND


def test_calls_that_do_not_end_are_cut_after_the_drain_timeout(
    plugin: Supervised,
) -> None:
    pid = plugin.status.pid
    with ThreadPoolExecutor(1) as pool:
        hanging = hang(pool, plugin)
        plugin.reload(drain_timeout=0.05)
        error = hanging.exception(WAIT)
    assert isinstance(error, ConnectionLost)
    assert plugin.dispense("echo")(b"new") == b"new"
    until(lambda: not is_running(pid))


def test_stop_cuts_what_a_reload_still_waits_for(plugin: Supervised) -> None:
    pid = plugin.status.pid
    with ThreadPoolExecutor(1) as pool:
        hanging = hang(pool, plugin)
        plugin.reload(drain_timeout=60.0)
        plugin.stop()
        assert isinstance(hanging.exception(WAIT), ConnectionLost)
        assert not is_running(pid)


def test_reload_starts_what_has_given_up(
    supervisor: Supervisor, clock: FakeClock
) -> None:
    plugin = supervisor.add("echo", shell("echo nonsense"))
    with pytest.raises(MalformedHandshake):
        plugin.start()
    plugin.reload(plain())
    assert plugin.status.state is State.RUNNING
    assert plugin.status.failures == 0


def test_a_failed_reload_of_a_crashed_plugin_plans_one_restart(
    plugin: Supervised, clock: FakeClock
) -> None:
    crash(plugin)
    with pytest.raises(ExitedEarly):
        plugin.reload(shell("exit 1"))
    assert clock.planned == [2.0]
    clock.advance(2.0)
    assert plugin.dispense("echo")(b"old") == b"old"


def hang(pool: ThreadPoolExecutor, plugin: Supervised) -> Any:
    """Begin a call that never ends, and wait until the plugin has it."""
    generation = plugin._current
    assert generation is not None
    call = pool.submit(plugin.dispense("echo"), b"hang")
    until(lambda: generation._calls)
    plugin.dispense("echo")(b"after it")
    return call


# Health


def test_a_plugin_that_does_not_answer_is_ended_and_started_again(
    clock: FakeClock,
) -> None:
    health = HealthPolicy(interval=3600.0, timeout=0.5, failures=2)
    with Supervisor(restart=POLICY, health=health, clock=clock) as supervisor:
        plugin = supervisor.add("echo", plain())
        plugin.start()
        assert plugin.check()
        pid = plugin.status.pid
        stop(pid)
        assert [plugin.check(), plugin.status.has_given_up] == [False, False]
        assert is_running(pid)
        assert not plugin.check()
        assert plugin.status.state is State.CRASHED
        assert "does not answer" in str(plugin.status.error)
        assert not is_running(pid)
        clock.advance(1.0)
        assert plugin.check()


def test_health_is_asked_for_at_intervals(clock: FakeClock) -> None:
    health = HealthPolicy(interval=0.05, timeout=0.5, failures=1)
    with Supervisor(restart=POLICY, health=health, clock=clock) as supervisor:
        plugin = supervisor.add("echo", plain())
        plugin.start()
        stop(plugin.status.pid)
        assert plugin.wait_for(State.CRASHED, WAIT)


def test_a_plugin_that_does_not_run_is_not_healthy(supervisor: Supervisor) -> None:
    assert not supervisor.add("echo", plain()).check()


# Changes


def test_each_change_is_told_in_order(
    plugin: Supervised, clock: FakeClock, changes: list[Change]
) -> None:
    crash(plugin)
    clock.advance(1.0)
    plugin.reload()
    plugin.stop()
    told = [(change.after.state.value, change.after.generation) for change in changes]
    assert told == [
        ("running", 1),
        ("crashed", 1),
        ("running", 2),
        ("running", 3),
        ("stopped", 3),
    ]
    assert {change.plugin for change in changes} == {"echo"}
    for earlier, later in itertools.pairwise(changes):
        assert earlier.after == later.before


def test_a_callback_may_use_the_supervisor(clock: FakeClock) -> None:
    states = []

    def start_at_once(change: Change) -> None:
        states.append(change.after.state)
        if change.after.state is State.CRASHED:
            keeper[change.plugin].start()

    with Supervisor(clock=clock, on_change=start_at_once) as keeper:
        plugin = keeper.add("echo", plain())
        plugin.start()
        with pytest.raises(ConnectionLost):
            plugin.dispense("echo")(b"exit 1")
        until(lambda: states == [State.RUNNING, State.CRASHED, State.RUNNING])


def test_a_callback_that_fails_is_logged_and_stops_nothing(
    clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(change: Change) -> None:
        raise ZeroDivisionError

    with Supervisor(restart=POLICY, clock=clock, on_change=fail) as supervisor:
        plugin = supervisor.add("echo", plain())
        plugin.start()
        crash(plugin)
        clock.advance(1.0)
        assert plugin.status.state is State.RUNNING
    assert "the callback for plugin echo failed" in caplog.text
    assert "ZeroDivisionError" in caplog.text


# Threads and the end


def test_threads_that_start_a_plugin_share_one_process(supervisor: Supervisor) -> None:
    plugin = supervisor.add("echo", plain())
    with ThreadPoolExecutor(10) as pool:
        for started in [pool.submit(plugin.start) for _ in range(10)]:
            started.result(WAIT)
    assert plugin.status.generation == 1


def test_calls_of_many_threads_survive_reloads(plugin: Supervised) -> None:
    """None is lost, whichever process they go to."""
    echo, ended = plugin.dispense("echo"), threading.Event()

    def call_on() -> int:
        calls = 0
        while not ended.is_set():
            assert echo(b"%d" % calls) == b"%d" % calls
            calls += 1
        return calls

    with ThreadPoolExecutor(4) as pool:
        callers = [pool.submit(call_on) for _ in range(4)]
        try:
            for _ in range(3):
                plugin.reload()
        finally:
            ended.set()
        assert all(caller.result(WAIT) for caller in callers)
    assert plugin.status.generation == 4


@pytest.mark.parametrize(
    "end", [Supervisor.close, lambda _: cleanup_clients()], ids=["close", "cleanup"]
)
def test_close_ends_all_plugins_and_refuses_new_ones(
    supervisor: Supervisor, clock: FakeClock, end: Callable[[Supervisor], None]
) -> None:
    plugins = [supervisor.add(name, plain()) for name in ("a", "b", "c")]
    for plugin in plugins:
        plugin.start()
    pids = [plugin.status.pid for plugin in plugins]
    crash(plugins[0])
    end(supervisor)
    assert not any(map(is_running, pids))
    assert {plugin.status.state for plugin in plugins} == {State.STOPPED}
    assert clock.planned == []
    with pytest.raises(ClientClosed):
        supervisor.add("d", plain())
    with pytest.raises(ClientClosed):
        plugins[0].start()
    supervisor.close()


HOST = """
import atexit
from goplugin_py.supervisor import RestartPolicy, Supervisor
from tests.echo import client_config

policy = RestartPolicy(initial_delay=0.0, limit=1000)
supervisor = Supervisor(restart=policy)
plugin = supervisor.add("echo", client_config(auto_mtls=False))
plugin.start()
{then}
pid = plugin.status.pid
print(pid)
"""


@pytest.mark.parametrize(
    "then",
    ["", "plugin.reload()", "raise SystemExit(print(plugin.status.pid))"],
    ids=["running", "reloaded", "raising"],
)
def test_a_host_that_ends_leaves_no_plugin_and_no_noise(then: str) -> None:
    """Nothing is started again while the interpreter ends."""
    stdout, stderr = run_python(HOST.format(then=then))
    assert not is_running(int(stdout.split()[0]))
    assert stderr == ""
