"""Plugins that can't be started: each has its typed error, and leaves nothing.

The hostile rest - TLS, floods, sockets - is in test_python_host_hostile.py.
"""

import os
import pickle
import platform
import struct
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import pytest

from goplugin_py import (
    Client,
    CoreVersionMismatch,
    ExitedEarly,
    HandshakeConfig,
    HandshakeError,
    LaunchError,
    MalformedHandshake,
    NetRPCUnsupported,
    StartTimeout,
    TLSRefused,
    VersionMismatch,
    probe,
)
from interop.fixtures import binary
from interop.python_host import ECHO, HANDSHAKE, echo_config, fake

pytestmark = pytest.mark.usefixtures("nothing_left")

# For plugins that stay silent: as short as a slow machine lets it be.
SHORT = 0.5
LINE = "1|1|unix|/nowhere|grpc|"

E = TypeVar("E", bound=LaunchError)


def refused(kind: type[E], command: Sequence[str], **changes: object) -> E:
    """Start in vain, and return the error after a look at what all errors have."""
    settings: dict[str, object] = {"auto_mtls": False, **changes}
    client = Client(echo_config(*command, **settings))
    with pytest.raises(kind) as caught:
        client.start()
    error = caught.value
    assert type(error) is kind
    assert error.command == tuple(command)
    assert repr(command[0]) in str(error)
    assert not client.exited
    assert client.pid is None
    return error


def say(line: str, stderr: str = "", then: Sequence[str] = ("stay",)) -> list[str]:
    """Return the command of a plugin that prints this; `line` has its own newline."""
    return fake("say.sh", line, stderr, *then)


# What the system can't run


def test_missing_program_is_named() -> None:
    """go-plugin: `fork/exec ...: no such file or directory`."""
    error = refused(LaunchError, ["/nowhere/plugin"])
    assert "can't run '/nowhere/plugin': No such file or directory" in str(error)
    assert error.notes == ("/nowhere/plugin: No such file or directory",)
    assert isinstance(error.__cause__, FileNotFoundError)


def test_program_that_is_not_on_the_path_is_named() -> None:
    """`exec.LookPath` in Go; a bare name is looked up on PATH."""
    error = refused(LaunchError, ["no-such-plugin-anywhere"])
    assert "can't run 'no-such-plugin-anywhere'" in str(error)


def test_directory_is_recognised(nothing_left: Path, tmp_path: Path) -> None:
    """Requirement: typed errors name the cause, not only EACCES."""
    error = refused(LaunchError, [str(tmp_path)])
    assert error.notes == (f"{tmp_path} is a directory",)


def program(path: Path, content: bytes, mode: int = 0o755) -> list[str]:
    path.write_bytes(content)
    path.chmod(mode)
    return [str(path)]


def elf(machine: int) -> bytes:
    """Return the header of a 64-bit program without segments."""
    ident = b"\x7fELF\x02\x01\x01" + bytes(9)
    rest = struct.pack("<HHIQQQIHHHHHH", 2, machine, 1, 0, 64, 0, 0, 64, 56, 0, 0, 0, 0)
    return ident + rest + bytes(64)


def elf_with_loader(loader: bytes) -> bytes:
    """Return a program for this machine whose only segment names a loader."""
    machine = {"x86_64": 62, "aarch64": 183}[platform.machine()]
    ident = b"\x7fELF\x02\x01\x01" + bytes(9)
    header = struct.pack(
        "<HHIQQQIHHHHHH", 2, machine, 1, 0, 64, 0, 0, 64, 56, 1, 0, 0, 0
    )
    length = len(loader) + 1
    segment = struct.pack("<IIQQQQQQ", 3, 4, 120, 0, 0, length, length, 1)
    return ident + header + segment + loader + b"\0"


OTHER_MACHINE = 183 if platform.machine() == "x86_64" else 62
OTHER_NAME = {183: "aarch64", 62: "x86_64"}[OTHER_MACHINE]

UNRUNNABLE = {
    "no-x-bit": (b"#!/bin/sh\n", 0o644, "is not executable (mode -rw-r--r--)"),
    "other-machine": (elf(OTHER_MACHINE), 0o755, f"is built for {OTHER_NAME}"),
    "other-32-bit": (elf(8), 0o755, "is built for ELF machine 8"),
    "no-interpreter": (
        b"#!/nowhere/python3 -u\n",
        0o755,
        "needs the interpreter /nowhere/python3, which is missing",
    ),
    "no-loader": (
        elf_with_loader(b"/nowhere/ld.so"),
        0o755,
        "needs the loader /nowhere/ld.so, which is missing",
    ),
    "windows-line-ends": (
        b"#!/bin/sh\r\necho\r\n",
        0o755,
        "has Windows line ends, which hide its interpreter",
    ),
    "windows": (b"MZ\x90\0" + bytes(60), 0o755, "is a Windows program"),
    "text": (b"hello\n", 0o755, "is neither a program nor a script"),
    "empty": (b"", 0o755, "is empty"),
}


@pytest.mark.parametrize(
    ("content", "mode", "note"), UNRUNNABLE.values(), ids=list(UNRUNNABLE)
)
def test_file_that_cannot_run_is_diagnosed(
    nothing_left: Path, tmp_path: Path, content: bytes, mode: int, note: str
) -> None:
    """go-plugin: `additionalNotesAboutCommand`; and what it does not look at."""
    command = program(tmp_path / "plugin", content, mode)
    error = refused(LaunchError, command)
    assert any(note in each for each in error.notes), error
    assert f"note: {command[0]} {note}" in str(error)


def test_missing_working_directory_is_named() -> None:
    """`ClientConfig.cwd`: the system reports it like a missing program."""
    error = refused(LaunchError, ["/bin/sh"], cwd="/nowhere/at/all")
    assert error.notes == ("the working directory /nowhere/at/all does not exist",)


# What is not a handshake line


MALFORMED = {
    "garbage": ("Hello, world!\\n", "printed something to stdout first"),
    "blank": ("\\n" + LINE + "\\n", "printed an empty line"),
    "print-first": ("loading...\\n" + LINE + "\\n", "printed something to stdout"),
    "binary": ("\\0377\\0376\\0\\n", "printed text where its handshake line was due"),
    "three-fields": ("1|1|unix\\n", "it is no go-plugin plugin"),
    "core-no-number": ("x|1|unix|/s|grpc|\\n", "core protocol version"),
    "core-huge": ("99999999999999999999|1|unix|/s|grpc|\\n", "core protocol version"),
    "app-no-number": ("1|z|unix|/s|grpc|\\n", "application protocol version"),
    "app-blank": ("1| 1|unix|/s|grpc|\\n", "application protocol version"),
    "network": ("1|1|pipe|/s|grpc|\\n", "'pipe'"),
    "no-port": ("1|1|tcp|nohostport|grpc|\\n", "nohostport"),
    "port-no-number": ("1|1|tcp|127.0.0.1:x|grpc|\\n", "127.0.0.1:x"),
    "port-too-high": ("1|1|tcp|127.0.0.1:65536|grpc|\\n", "65536"),
    "protocol": ("1|1|unix|/s|GRPC|\\n", "'GRPC'"),
    "bad-base64": (LINE + "!" * 60 + "\\n", "base64"),
    "padded-base64": (LINE + "QUJD" * 20 + "QQ==\\n", "base64 padding"),
}


@pytest.mark.parametrize(("line", "words"), MALFORMED.values(), ids=list(MALFORMED))
def test_line_that_is_no_handshake_is_malformed(line: str, words: str) -> None:
    """go-plugin: `Client.Start` on the first line; the error carries it."""
    error = refused(MalformedHandshake, say(line, "what stderr says\\n"))
    first = line.split("\\n", maxsplit=1)[0]
    if "\\" not in first:
        assert error.line == first
    assert words in str(error)
    assert "line: " in str(error)


@pytest.mark.parametrize("auto_mtls", [False, True], ids=["plain", "mtls"])
def test_certificate_field_that_holds_junk_is_malformed(auto_mtls: bool) -> None:
    """go-plugin: `error parsing server cert: x509: malformed certificate`."""
    line = LINE + "QUJD" * 20
    kind = MalformedHandshake if auto_mtls else TLSRefused
    error = refused(kind, say(line + "\\n"), auto_mtls=auto_mtls)
    if isinstance(error, HandshakeError):
        assert error.line == line
        assert "certificate" in str(error)


def test_short_certificate_field_counts_as_none() -> None:
    """go-plugin: `Client.Start` reads a certificate only beyond 50 characters."""
    error = refused(TLSRefused, say(LINE + "A" * 50 + "\\n"), auto_mtls=True)
    assert "auto_mtls=False" in str(error)


def test_line_without_a_newline_is_complete_at_the_end_of_stdout() -> None:
    """Go's `bufio.Scanner`; the version shows that the line was read."""
    refused(VersionMismatch, say("1|7|unix|/s|grpc|", then=("close",)))


def test_line_without_a_newline_is_no_line_while_stdout_is_open() -> None:
    """go-plugin: a start timeout, as nobody can know whether more will come."""
    error = refused(StartTimeout, say(LINE), start_timeout=SHORT)
    assert isinstance(error, TimeoutError)
    assert f"only '{LINE}' without a newline" in str(error)


def test_ten_megabytes_without_a_newline_are_malformed_and_cut() -> None:
    """Requirement: no hang and bounded memory; go-plugin's limit is 64 KiB."""
    error = refused(MalformedHandshake, ["/bin/sh", "-c", FLOOD, "flood"])
    assert "without a newline" in str(error)
    assert len(error.line) == 64 * 1024
    assert len(str(error)) < 4096


FLOOD = "head -c 10000000 /dev/zero | tr '\\0' x; exec sleep 60"


# What prints no line at all


def test_exit_without_a_line_tells_status_and_stderr() -> None:
    """go-plugin hides both behind `Failed to read any lines from plugin's stdout`."""
    stderr = "first line\\nlast words: \\0342\\0234\\0223\\n"
    error = refused(ExitedEarly, say("", stderr, ("exit", "7")))
    assert error.status == 7
    assert error.stderr_tail == ("first line", "last words: \u2713")
    assert "exit status 7" in str(error)
    assert "last lines of stderr:\n  first line\n  last words: \u2713" in str(error)


def test_long_stderr_leaves_only_its_last_lines_in_the_error() -> None:
    """Requirement: the stderr tail; bounded in lines and in length."""
    script = "seq 1 1000 >&2; head -c 5000 /dev/zero | tr '\\0' y >&2; exit 1"
    error = refused(ExitedEarly, ["/bin/sh", "-c", script])
    assert len(error.stderr_tail) == 20
    assert error.stderr_tail[-2] == "1000"
    assert error.stderr_tail[-1] == "y" * 1000


@pytest.mark.parametrize(
    ("signal", "number"), [("KILL", 9), ("SEGV", 11), ("PIPE", 13)]
)
def test_death_by_a_signal_without_a_line_names_it(signal: str, number: int) -> None:
    """Requirement: exit code or signal, as a negative number and in words."""
    error = refused(ExitedEarly, say("", "", ("kill", signal)))
    assert error.status == -number
    assert f"killed by SIG{signal}" in str(error)


def test_closed_stdout_of_a_running_process_has_no_status() -> None:
    """`ExitedEarly.status` is None where the process was still running."""
    error = refused(ExitedEarly, say("", "still here\\n", ("close",)))
    assert error.status is None
    assert "closed its stdout without a handshake line" in str(error)
    assert error.stderr_tail == ("still here",)


def test_silence_ends_with_a_start_timeout() -> None:
    """go-plugin: `timeout while waiting for plugin to start`."""
    started = time.monotonic()
    error = refused(StartTimeout, say("", "loading the model\\n"), start_timeout=SHORT)
    assert SHORT <= time.monotonic() - started < SHORT + 1
    assert isinstance(error, TimeoutError)
    assert "no handshake line within 0.5 seconds" in str(error)
    assert error.stderr_tail == ("loading the model",)


def test_wrong_cookie_shows_what_the_plugin_says_to_people() -> None:
    """go-plugin: `Serve` explains itself on stderr and exits with status 1."""
    handshake = HandshakeConfig(
        protocol_version=1, magic_cookie_key="ECHO_PLUGIN", magic_cookie_value="wrong"
    )
    error = refused(ExitedEarly, [str(binary("echo-plugin"))], handshake=handshake)
    assert error.status == 1
    assert "This binary is a plugin" in error.stderr_tail[0]
    assert "does not take the magic cookie ECHO_PLUGIN=wrong" in error.notes[-1]
    assert f"note: {error.notes[-1]}" in str(error)


def test_go_plugin_that_cannot_listen_shows_its_log() -> None:
    """go-plugin: `Serve` logs it as JSON and exits with status 0 and no line."""
    error = refused(
        ExitedEarly, [str(binary("echo-plugin"))], env={"TMPDIR": "/nowhere/tmp"}
    )
    assert error.status == 0
    assert "/nowhere/tmp" in error.stderr_tail[-1]


# What does not match


def test_other_core_version_is_its_own_error() -> None:
    """go-plugin: `incompatible core API version with plugin`."""
    error = refused(CoreVersionMismatch, say("2|1|unix|/s|grpc|\\n"))
    assert error.line == "2|1|unix|/s|grpc|"
    assert "core protocol version 2" in str(error)


@pytest.mark.parametrize("network", ["echo-plugin", "tcp-plugin"])
@pytest.mark.parametrize("auto_mtls", [False, True], ids=["plain", "mtls"])
def test_no_common_version_names_both_sides(network: str, auto_mtls: bool) -> None:
    """go-plugin: `incompatible API version with plugin`, from a real plugin."""
    error = refused(
        VersionMismatch,
        [str(binary(network))],
        versioned_plugins={5: ECHO, 4: ECHO},
        auto_mtls=auto_mtls,
    )
    assert (error.plugin, error.host) == (1, (4, 5))
    assert "version 1, this host offers: 4, 5" in str(error)
    assert error.line.startswith("1|1|")


@pytest.mark.parametrize("line", ["1|1|unix|/s", "1|1|unix|/s|netrpc|"])
def test_net_rpc_plugin_is_refused(line: str) -> None:
    """go-plugin: an absent protocol field means net/rpc, an old plugin's 4 fields."""
    error = refused(NetRPCUnsupported, say(line + "\\n"))
    assert "speaks net/rpc" in str(error)
    assert "only gRPC is supported" in str(error)


@pytest.mark.parametrize("auto_mtls", [False, True], ids=["plain", "mtls"])
def test_real_net_rpc_plugin_is_refused(auto_mtls: bool) -> None:
    """go-plugin's own example; requirement: a clean rejection."""
    handshake = HandshakeConfig(
        protocol_version=1, magic_cookie_key="BASIC_PLUGIN", magic_cookie_value="hello"
    )
    error = refused(
        NetRPCUnsupported,
        [str(binary("kv-plugin-netrpc"))],
        handshake=handshake,
        auto_mtls=auto_mtls,
    )
    assert error.line.split("|")[4] == "netrpc"


# The client after a failed start


def test_failed_start_may_be_tried_again(nothing_left: Path, tmp_path: Path) -> None:
    """A failure is no state: the next use starts anew, with all of its time."""
    flag = tmp_path / "flag"
    script = f"[ -e {flag} ] && exec {binary('echo-plugin')}; touch {flag}; exit 4"
    client = Client(echo_config("/bin/sh", "-c", script))
    with pytest.raises(ExitedEarly):
        client.start()
    try:
        client.ping()
    finally:
        client.kill()
    assert client.exit_status == 0


def test_errors_survive_pickling() -> None:
    """Requirement: attributes and text, also from a worker process."""
    error = refused(ExitedEarly, say("", "words\\n", ("exit", "7")))
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again)) == (type(error), str(error))
    assert (again.status, again.stderr_tail) == (7, ("words",))


# probe


def test_probe_returns_the_handshake_of_a_go_plugin(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`probe` launches without plugins, reads the line and kills."""
    monkeypatch.setenv(*HANDSHAKE.cookie)
    handshake = probe([str(binary("echo-plugin"))])
    assert (handshake.core_version, handshake.app_version) == (1, 1)
    assert handshake.protocol == "grpc"
    assert handshake.address.network == "unix"
    assert not os.path.exists(handshake.address.text)


def test_probe_reads_what_a_host_would_refuse() -> None:
    """`probe` asks nothing of the plugin: neither its version nor its protocol."""
    handshake = probe(say("1|42|tcp|127.0.0.1:9|netrpc|\\n"))
    assert (handshake.app_version, handshake.protocol) == (42, "netrpc")


def test_probe_of_no_plugin_is_a_launch_error() -> None:
    """`probe` raises what a start would."""
    with pytest.raises(MalformedHandshake) as caught:
        probe([sys.executable, "-S", "-c", "print('hello')"])
    assert caught.value.line == "hello"
