"""Calls from a real go-plugin host to a Python plugin, over every kind of link."""

import pytest

from interop.go_host import LINKS, Link, run

links = pytest.mark.parametrize("link", LINKS, ids=str)


@links
def test_go_host_calls_methods_of_every_kind(link: Link) -> None:
    """The four kinds of rpc, and 50 callers at once (proto/echo.proto)."""
    report = run(
        "unary",
        "server-stream",
        "client-stream",
        "bidi",
        "concurrent",
        flags=link.flags,
        env=link.env,
    )
    report.assert_healthy()
    assert report["kill"].detail["network"] == link.network
    assert report["kill"].detail["protocol"] == "grpc"


@links
def test_go_host_sends_and_receives_64_mib(link: Link) -> None:
    """go-plugin: dialGRPCConn allows 2 GiB, and no default of grpcio's stops it."""
    report = run("big", flags=link.flags, env=link.env)
    report.assert_healthy()
    assert report["big"].detail["bytes"] == 64 << 20


@links
def test_go_host_sees_status_details_and_metadata(link: Link) -> None:
    """All 16 codes, odd messages, a typed detail; headers and trailers."""
    report = run("fail", "metadata", flags=link.flags, env=link.env)
    report.assert_healthy()


@links
def test_go_host_ends_calls_by_deadline_and_by_cancelling(link: Link) -> None:
    """The handlers end with their calls, and the connection lives on."""
    report = run("deadline", "cancel", "unary", flags=link.flags, env=link.env)
    report.assert_healthy()


@links
def test_go_host_finds_health_and_reflection(link: Link) -> None:
    """go-plugin: GRPCServer.Init registers both; Ping is a health check."""
    report = run("ping", "health", "reflection", flags=link.flags, env=link.env)
    report.assert_healthy()
    health = report["health"].detail
    assert (health["plugin"], health[""]) == ("SERVING", "SERVING")
    assert "unknown service" in health["no.such.Service"]
    for version in ("v1", "v1alpha"):
        services = report["reflection"].detail[version]["services"]
        assert f"grpc.reflection.{version}.ServerReflection" in services


def test_exception_in_a_method_is_an_error_of_that_call_alone() -> None:
    """The call ends as Unknown, the log tells why, and the plugin lives on."""
    report = run("unary", "ping", "bidi", env={"ECHO_UNARY": "raise"})
    assert set(report.failures) == {"unary"}
    assert "code = Unknown" in report["unary"].error
    assert "a bug in the plugin" in report["unary"].error
    [logged] = [e for e in report.log if "Traceback" in e.get("stacktrace", "")]
    assert logged["@level"] == "error"
    assert "RuntimeError: a bug in the plugin" in logged["stacktrace"]
    assert not report.stray_lines


@links
def test_busy_single_worker_delays_no_control_call(link: Link) -> None:
    """A stream holds the only worker, and health and Shutdown are answered."""
    report = run(
        *("hold", "unary", "ping", "health", "reflection"),
        flags=[*link.flags, "-timeout=2s"],
        env={**link.env, "ECHO_MAX_WORKERS": "1"},
    )
    # That the worker is busy shows in the call that has to wait for it.
    assert set(report.failures) == {"unary"}
    assert "DeadlineExceeded" in report["unary"].error
    assert not report["kill"].detail["forced"]
    assert not report.complaints


@links
def test_handler_that_will_not_end_does_not_delay_the_exit(link: Link) -> None:
    """go-plugin: Client.Kill gives 2 s, then logs and kills."""
    report = run(
        "sleep-on", flags=link.flags, env={**link.env, "ECHO_SLEEP": "stubborn"}
    )
    report.assert_healthy()
    assert report["kill"].detail["seconds"] < 2
