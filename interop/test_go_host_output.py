"""What a Python plugin prints and logs, as a real go-plugin host receives it."""

from pathlib import Path

import pytest

from interop.go_host import LINKS, Link, Report, run

MIB = 1 << 20


@pytest.mark.parametrize("link", LINKS, ids=str)
@pytest.mark.parametrize("printed", ["print", "print-fd"])
def test_output_arrives_whole_by_the_stdio_service(link: Link, printed: str) -> None:
    """1 MiB to stdout and to stderr, by `print` or to the descriptors 1 and 2."""
    report = run(printed, flags=link.flags, env=link.env)
    report.assert_healthy()
    for stream in ("stdout", "stderr"):
        assert report[printed].detail[stream]["bytes"] == MIB


@pytest.mark.parametrize("writer", ["libc", "child"])
def test_foreign_output_arrives_whole_by_the_stdio_service(writer: str) -> None:
    """A C library's fwrite and a child process's output are the plugin's too."""
    report = run("print", env={"ECHO_PRINT": writer})
    report.assert_healthy()


@pytest.mark.parametrize("link", LINKS, ids=str)
def test_output_from_just_before_the_end_arrives(link: Link) -> None:
    """The answer to Shutdown waits for it; a Go host hangs up after that."""
    report = run("print-late", flags=link.flags, env=link.env)
    report.assert_healthy()
    assert report["kill"].detail["late_bytes"] == MIB


@pytest.mark.parametrize("library", ["logging", "structlog"])
def test_log_records_keep_level_name_and_pairs(library: str) -> None:
    """go-plugin: Client.logStderr parses them; each level, and names of loggers."""
    report = run("log", env={"ECHO_LOG": library})
    report.assert_healthy()
    assert len(report["log"].detail) == len(
        [(level, module) for level in range(5) for module in range(2)]
    )


def test_handler_on_stderr_keeps_writing_to_the_log() -> None:
    """`logging.basicConfig` before `serve`: go-plugin reads the level of the text."""
    report = run("deadline", "print", env={"ECHO_LOG": "basicConfig"})
    assert not report.failures  # so nothing got mixed into what is printed
    assert report.find("[DEBUG] sleeping")["@level"] == "debug"
    assert "[DEBUG] sleeping" in report.stray_lines


def only_error(report: Report) -> dict[str, str]:
    """Return the only error that the plugin logged."""
    [found] = [entry for entry in report.log if entry["@level"] == "error"]
    assert "timestamp" in found  # it came as a record, not as text
    return found


@pytest.mark.parametrize(
    ("effect", "message"),
    [
        ("raise-in-thread", "uncaught exception in a thread"),
        ("raise-in-del", "exception ignored"),
    ],
)
def test_uncaught_exceptions_reach_the_log(effect: str, message: str) -> None:
    """As records at level error with the traceback, not as lines of text."""
    report = run("unary", env={"ECHO_UNARY": effect})
    report.assert_healthy()
    error = only_error(report)
    assert error["@message"].lower().startswith(message)
    assert error["error"] == "RuntimeError: a bug in the plugin"
    assert "in _fail\n" in error["stacktrace"]


def test_traceback_of_a_fatal_signal_reaches_the_log(short_tmp: Path) -> None:
    """faulthandler writes to the original stderr, which the host reads as text."""
    report = run("crash-panic", env={"TMPDIR": str(short_tmp)})
    assert report["crash-panic"].ok, report.failures
    assert "Fatal Python error: Aborted" in report.messages
    assert any("in Crash" in message for message in report.messages)


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
    report = run(scenario, env={"TMPDIR": str(short_tmp)})
    assert report[scenario].ok, report.failures
    assert report[scenario].detail["exit"].startswith(exit_text)


def test_healthy_plugin_writes_nothing_but_records_to_stderr() -> None:
    """grpc, absl and Python keep quiet, whatever the host does."""
    report = run(
        *("unary", "server-stream", "client-stream", "bidi", "concurrent"),
        *("fail", "deadline", "cancel", "metadata", "print", "print-fd", "log"),
        *("ping", "health", "reflection", "hold", "sleep-on"),
        flags=["-mtls"],
    )
    report.assert_healthy()
    assert len(report.stderr.splitlines()) >= len(report["log"].detail)
