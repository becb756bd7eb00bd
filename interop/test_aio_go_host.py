"""A real go-plugin host runs the Echo plugin that is written for asyncio."""

import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from interop.echo_plugin_aio import COMMAND
from interop.fixtures import ROOT, binary
from interop.go_host import LINKS, Link, Report, run

MIB = 1 << 20
KV = ROOT / "examples" / "kv"
RUN_TIMEOUT = 30.0

links = pytest.mark.parametrize("link", LINKS, ids=str)
loops = pytest.mark.parametrize("loop", ["asyncio", "uvloop"])


def run_aio(*scenarios: str, link: Link = LINKS[0], **env: str) -> Report:
    return run(*scenarios, command=COMMAND, flags=link.flags, env={**link.env, **env})


@links
@loops
def test_go_host_runs_every_scenario_of_calls(link: Link, loop: str) -> None:
    """As with the plugin that blocks: calls, streams, status, metadata, services."""
    report = run_aio(
        *("unary", "server-stream", "client-stream", "bidi", "concurrent"),
        *("fail", "metadata", "deadline", "cancel", "ping", "health", "reflection"),
        *("hold", "env", "unary"),
        link=link,
        ECHO_LOOP=loop,
    )
    report.assert_healthy()
    assert report["kill"].detail["network"] == link.network
    assert report["kill"].detail["seconds"] < 2


@links
def test_go_host_sends_and_receives_64_mib(link: Link) -> None:
    """go-plugin: dialGRPCConn allows 2 GiB, and no default of grpcio's stops it."""
    report = run_aio("big", link=link)
    report.assert_healthy()


@links
@pytest.mark.parametrize("printed", ["print", "print-fd", "print-late"])
def test_output_arrives_whole_by_the_stdio_service(link: Link, printed: str) -> None:
    """1 MiB each way; the answer to Shutdown waits for what comes late."""
    report = run_aio(printed, link=link)
    report.assert_healthy()


@pytest.mark.parametrize("library", ["logging", "structlog"])
def test_log_records_keep_level_name_and_pairs(library: str) -> None:
    """go-plugin: Client.logStderr parses them."""
    run_aio("log", ECHO_LOG=library).assert_healthy()


def test_exception_in_a_method_is_an_error_of_that_call_alone() -> None:
    """The call ends as Unknown, the log tells why as a record, the plugin lives on."""
    report = run_aio("unary", "ping", "bidi", ECHO_UNARY="raise")
    assert set(report.failures) == {"unary"}
    assert "code = Unknown" in report["unary"].error
    [logged] = [e for e in report.log if "Traceback" in e.get("stacktrace", "")]
    assert logged["@level"] == "error"
    assert "RuntimeError: a bug in the plugin" in logged["stacktrace"]
    assert not report.stray_lines


@pytest.mark.parametrize("effect", ["raise-in-thread", "raise-in-del", "spawn"])
def test_what_a_plugin_does_besides_is_no_harm(effect: str) -> None:
    """Uncaught exceptions are records; children have signals and pipes of their own."""
    run_aio("unary", ECHO_UNARY=effect).assert_healthy()


def test_a_plugin_may_fork_where_grpc_lets_go_of_the_child() -> None:
    """Else grpcio goes on in it, and about one child in ten crashes (grpcio 1.85)."""
    report = run_aio("unary", ECHO_UNARY="fork", GRPC_ENABLE_FORK_SUPPORT="0")
    report.assert_healthy()


@loops
def test_terminated_plugin_leaves_nothing_behind(loop: str, nothing_left: Path) -> None:
    """SIGTERM ends it as Shutdown does, and shows in the exit status."""
    report = run_aio("unary", ECHO_UNARY=signal.SIGTERM.name, ECHO_LOOP=loop)
    assert report["kill"].detail["exited"]
    assert not report["kill"].detail["forced"]
    assert report.find("plugin process exited")["error"] == "signal: terminated"


@loops
def test_interrupt_is_left_to_the_host(loop: str) -> None:
    """go-plugin: Serve swallows SIGINT, which a terminal sends to both."""
    report = run_aio("unary", "bidi", ECHO_UNARY=signal.SIGINT.name, ECHO_LOOP=loop)
    report.assert_healthy()


@loops
def test_handler_that_goes_on_does_not_delay_the_exit(loop: str) -> None:
    """A call that ignores its cancellation; go-plugin kills two seconds after."""
    report = run_aio("sleep-on", ECHO_SLEEP="stubborn", ECHO_LOOP=loop)
    assert not report.failures
    assert not report["kill"].detail["forced"]
    assert report["kill"].detail["seconds"] < 2


@pytest.mark.parametrize(
    ("scenario", "exit_text"),
    [
        ("crash-exit", "exit status 7"),
        ("crash-kill", "signal: killed"),
        ("crash-panic", "signal: aborted"),
    ],
)
def test_go_host_notices_how_a_plugin_died(
    scenario: str, exit_text: str, short_tmp: Path
) -> None:
    """The call fails as Unavailable, and go-plugin logs the exit."""
    report = run_aio(scenario, TMPDIR=str(short_tmp))
    assert report[scenario].ok, report.failures
    assert report[scenario].detail["exit"].startswith(exit_text)


def test_go_host_asks_for_multiplexing_and_versions() -> None:
    """go-plugin: GRPCBrokerMultiplex, VersionedPlugins."""
    report = run(
        "unary",
        "big",
        command=COMMAND,
        flags=["-mux", "-mtls", "-versions=2,3"],
        env={"ECHO_VERSIONS": "1,2,3"},
    )
    report.assert_healthy()
    assert report["kill"].detail["negotiated_version"] == 3


def test_plugin_of_asyncio_writes_nothing_but_records_to_stderr() -> None:
    """grpc, asyncio and Python keep quiet, with all warnings on."""
    report = run_aio(
        *("unary", "server-stream", "client-stream", "bidi", "concurrent", "fail"),
        *("deadline", "cancel", "metadata", "print", "log", "hold", "sleep-on"),
        link=LINKS[2],
        PYTHONWARNINGS="always",
        PYTHONASYNCIODEBUG="1",
    )
    assert not report.failures
    assert not report.stray_lines


@pytest.mark.parametrize("host", ["kv-host", "kv-host-mtls"])
def test_go_plugins_own_example_host_takes_it(
    host: str, nothing_left: Path, tmp_path: Path
) -> None:
    """go-plugin: examples/grpc; a coroutine function and a plain one."""
    env = {
        "KV_PLUGIN": shlex.join([sys.executable, str(KV / "aio_plugin.py")]),
        "KV_PROTO": "grpc",
        "PYTHONPATH": f"{KV}:{ROOT}",
    }

    def run_host(*arguments: str) -> str:
        return subprocess.run(
            [binary(host), *arguments],
            cwd=tmp_path,
            env=os.environ | env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=True,
            text=True,
            timeout=RUN_TIMEOUT,
        ).stdout

    run_host("put", "greeting", "hällo wörld")
    assert run_host("get", "greeting") == "hällo wörld\n"


def test_example_host_calls_go_plugins_own_example_plugin(tmp_path: Path) -> None:
    """go-plugin: examples/grpc/plugin-go-grpc, with mutual TLS."""
    (tmp_path / "kv-plugin").symlink_to(binary("kv-plugin"))
    done = subprocess.run(
        [sys.executable, str(KV / "aio_host.py")],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{KV}:{ROOT}"},
        capture_output=True,
        check=True,
        text=True,
        timeout=RUN_TIMEOUT,
    )
    values = [line for line in done.stdout.splitlines() if "Written" not in line]
    assert [value for value in values if value] == ["one", "two", "three"]
    assert done.stderr == ""
