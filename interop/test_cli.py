"""The command line, with Go plugins that know nothing of it."""

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import pytest

from interop.fixtures import ROOT, binary

# Two processes start, and other tests run beside.
TIMEOUT = 30.0

ECHO = ("--cookie=ECHO_PLUGIN=5f0c1a5e",)


def goplugin(
    command: str,
    plugin: str,
    *arguments: str,
    own: Sequence[str] = (),
    typed: str = "",
) -> subprocess.CompletedProcess[str]:
    """Run a command with a plugin of the fixtures.

    Args:
        command: Which one.
        plugin: The fixture's name.
        arguments: More of the command's.
        own: Arguments for the plugin.
        typed: What is typed into stdin.
    """
    words = [command, str(binary(plugin)), *arguments, "--", *own]
    return subprocess.run(
        [sys.executable, "-m", "goplugin_py", *words],
        cwd=ROOT,
        input=typed,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )


def output(ended: subprocess.CompletedProcess[str]) -> str:
    """Return what a command printed; it must have gone well, without a word more."""
    assert ended.stderr == ""
    assert ended.returncode == 0
    return ended.stdout


def values(ended: subprocess.CompletedProcess[str]) -> list[Any]:
    return [json.loads(line) for line in output(ended).splitlines()]


def test_probe_shows_what_a_provider_is() -> None:
    """Terraform's cookie is known, and the version is negotiated."""
    [facts] = values(goplugin("probe", "terraform-provider-time", "--json"))
    assert facts["protocol_version"] == 5
    assert facts["address"]["network"] == "unix"
    assert facts["tls"] == "mutual, one-time certificates"
    assert facts["started_ms"] > 0
    assert "tfplugin5.Provider" in facts["services"]


def test_probe_without_tls_says_so() -> None:
    text = output(goplugin("probe", "kv-plugin", "--plaintext"))
    [tls] = [line.split()[1] for line in text.splitlines() if line.startswith("TLS ")]
    assert tls == "none"


def test_arguments_of_the_plugin_come_after_two_dashes() -> None:
    """TFLint is a plugin only if it is told so."""
    text = output(goplugin("list", "tflint", own=["--act-as-bundled-plugin"]))
    methods = [line.split() for line in text.splitlines()]
    assert [
        "proto.RuleSet/Check",
        "proto.Check.Request",
        "proto.Check.Response",
    ] in methods


def test_list_tells_machines_which_methods_stream() -> None:
    [methods] = values(goplugin("list", "echo-plugin", *ECHO, "--json"))
    by_name = {each["method"]: each for each in methods}
    bidi = by_name["echo.Echo/Bidi"]
    assert bidi["client_streaming"]
    assert bidi["server_streaming"]
    assert bidi["request"] == "echo.Payload"
    unary = by_name["echo.Echo/Unary"]
    assert not unary["client_streaming"]


@pytest.mark.parametrize(
    ("symbol", "line"),
    [
        ("proto.KV", "  rpc Get(proto.GetRequest) returns (proto.GetResponse);"),
        ("proto.KV/Get", "rpc Get(proto.GetRequest) returns (proto.GetResponse);"),
        ("proto.GetRequest", "  string key = 1;"),
    ],
)
def test_describe_prints_the_proto(symbol: str, line: str) -> None:
    assert line in output(goplugin("describe", "kv-plugin", symbol)).splitlines()


def test_call_takes_and_prints_json() -> None:
    """A function's description comes from the real provider."""
    method = "tfplugin5.Provider/GetFunctions"
    answer = json.loads(output(goplugin("call", "terraform-provider-time", method)))
    assert "rfc3339_parse" in answer["functions"]


@pytest.mark.parametrize("source", ["argument", "stdin"])
def test_call_streams_both_ways(source: str) -> None:
    requests = '{"number": 1} {"number":\n 2}'
    message, typed = ("-", requests) if source == "stdin" else (requests, "")
    ended = goplugin(
        "call", "echo-plugin", *ECHO, "echo.Echo/Bidi", message, "--json", typed=typed
    )
    assert values(ended) == [{"number": "1"}, {"number": "2"}]


def test_call_passes_metadata_and_a_deadline_on() -> None:
    method = "echo.Echo/Metadata"
    ended = goplugin("call", "echo-plugin", *ECHO, method, "--metadata=x-a=b", "--json")
    assert values(ended) == [{"received": {"x-a": "b"}}]
    late = goplugin(
        *("call", "echo-plugin", *ECHO, "echo.Echo/Sleep", '{"seconds": 20}'),
        "--deadline=0.2",
    )
    assert late.returncode == 1
    assert late.stderr.startswith("goplugin: DEADLINE_EXCEEDED: ")


def test_a_call_that_fails_shows_the_status() -> None:
    request = '{"code": 5, "message": "no such key"}'
    ended = goplugin("call", "echo-plugin", *ECHO, "echo.Echo/Fail", request)
    assert ended.returncode == 1
    assert ended.stderr == "goplugin: NOT_FOUND: no such key\n"


@pytest.mark.parametrize(
    ("request_text", "complaint"),
    [
        ("{", "not JSON: "),
        ('{"nothing": 1}', "not a echo.Payload: "),
        ("[]", "not a echo.Payload: "),
        ("", "Unary takes exactly one request"),
    ],
)
def test_a_request_that_does_not_fit_is_explained(
    request_text: str, complaint: str
) -> None:
    ended = goplugin("call", "echo-plugin", *ECHO, "echo.Echo/Unary", request_text)
    assert ended.returncode == 2
    assert ended.stderr.startswith("goplugin: " + complaint)
    assert ended.stdout == ""


@pytest.mark.parametrize(
    ("method", "complaint"),
    [
        ("echo.Nope/Unary", "no service 'echo.Nope'; the plugin serves echo.Echo, "),
        ("echo.Echo/Nope", "echo.Echo has no method 'Nope'; it has Unary, "),
        ("Unary", "no service ''; the plugin serves echo.Echo, "),
    ],
)
def test_a_method_that_is_not_there_is_explained(method: str, complaint: str) -> None:
    ended = goplugin("call", "echo-plugin", *ECHO, method)
    assert ended.returncode == 1
    assert ended.stderr.startswith("goplugin: " + complaint)


def test_a_symbol_that_is_not_there_is_explained() -> None:
    ended = goplugin("describe", "kv-plugin", "proto.Nope")
    assert ended.returncode == 1
    assert ended.stderr == "goplugin: the plugin knows no 'proto.Nope'\n"


def test_an_unknown_cookie_is_explained() -> None:
    ended = goplugin("list", "echo-plugin")
    assert ended.returncode == 1
    assert "the plugin does not take the magic cookie" in ended.stderr


def test_a_plugin_that_speaks_net_rpc_is_explained() -> None:
    ended = goplugin("probe", "kv-plugin-netrpc")
    assert ended.returncode == 1
    assert "only gRPC is supported" in ended.stderr


def test_a_program_that_is_not_there_is_explained() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "goplugin_py", "probe", "./nothing"],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith("goplugin: can't run './nothing'")


@pytest.mark.parametrize("form", ["text", "json"])
def test_logs_shows_records_until_it_is_interrupted(form: str) -> None:
    """As go-plugin writes them in the plugin, with the pairs."""
    program = [sys.executable, "-m", "goplugin_py", "logs", "--level=debug"]
    options = ["--json"] if form == "json" else []
    with subprocess.Popen(
        [*program, *options, str(binary("kv-plugin"))],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(2)]
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=TIMEOUT)
    assert process.returncode == 130
    if form == "json":
        record = json.loads(lines[1])
        assert record["@level"] == "debug"
        assert record["@message"] == "plugin address"
        assert record["network"] == "unix"
        assert "@timestamp" in record
    else:
        assert "[DEBUG] plugin address address='/" in lines[1]


def test_a_terminal_gets_a_table() -> None:
    """With a head; nothing of it is cut off in a pipe."""
    control, terminal = pty.openpty()
    try:
        subprocess.run(
            [sys.executable, "-m", "goplugin_py", "list", str(binary("kv-plugin"))],
            cwd=ROOT,
            env={**os.environ, "TERM": "xterm", "COLUMNS": "200"},
            stdin=subprocess.DEVNULL,
            stdout=terminal,
            timeout=TIMEOUT,
            check=True,
        )
        shown = os.read(control, 1 << 16).decode()
    finally:
        os.close(control)
        os.close(terminal)
    assert "\x1b[1mmethod" in shown
    assert "proto.KV/Get" in shown
