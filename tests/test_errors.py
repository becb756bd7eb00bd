"""The error tree, its fields, and what a failed start tells the user."""

import copy
import inspect
import pickle
import re
from collections.abc import Iterator

import pytest

from goplugin_py import errors
from goplugin_py.errors import (
    BrokerTimeout,
    ChecksumMismatch,
    ConfigError,
    ConnectionLost,
    ExitedEarly,
    HandshakeError,
    KnockRejected,
    LaunchError,
    MalformedHandshake,
    PluginError,
    ProcessNotFound,
    RemoteProtocolError,
    StartTimeout,
    TLSRefused,
    UnknownPlugin,
    VersionMismatch,
)

CLASSES = {
    name: value
    for name, value in vars(errors).items()
    if inspect.isclass(value) and issubclass(value, PluginError)
}


def printed_tree() -> Iterator[tuple[str, str, str]]:
    """Yield name, parent and builtin of each line of the module's docstring."""
    path: list[str] = []
    for line in inspect.cleandoc(errors.__doc__ or "").splitlines():
        match = re.fullmatch(r"([│├└─ ]*)(\w+)(?: \((\w+)\))?", line)
        if match:
            depth = len(match[1]) // 4
            path[depth:] = [match[2]]
            yield match[2], path[depth - 1] if depth else "", match[3] or ""


def test_the_printed_tree_is_the_tree() -> None:
    rows = list(printed_tree())
    assert {name for name, _, _ in rows} == set(CLASSES)
    for name, parent, builtin in rows:
        bases = [base.__name__ for base in CLASSES[name].__bases__]
        assert bases == [base for base in (parent or "Exception", builtin) if base]


def test_every_error_is_public_and_explained() -> None:
    assert sorted(CLASSES) == errors.__all__
    assert all(kind.__doc__ for kind in CLASSES.values())


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        (ConfigError("x"), ValueError),
        (StartTimeout("x"), TimeoutError),
        (BrokerTimeout("x", 7), TimeoutError),
        (ProcessNotFound("x"), LookupError),
        (UnknownPlugin("x"), LookupError),
    ],
)
def test_an_error_is_also_the_builtin_that_callers_expect(
    error: PluginError, builtin: type[Exception]
) -> None:
    assert isinstance(error, builtin)
    assert str(error) == "x"


def test_fields_are_kept() -> None:
    assert ExitedEarly("x", -9).status == -9
    assert ExitedEarly("x").status is None
    assert ConnectionLost("x", 3).status == 3
    assert ConnectionLost("x").status is None
    assert BrokerTimeout("x", 7).service_id == 7
    assert KnockRejected("x", "no listener for id 7").reason == "no listener for id 7"
    assert HandshakeError("x", "1|1").line == "1|1"


@pytest.mark.parametrize(
    "error",
    [
        VersionMismatch(7, [1, 2], "1|7|unix|/tmp/p|grpc|"),
        BrokerTimeout("too late", 7),
        KnockRejected("refused", "no listener for id 7"),
        ExitedEarly("gone", -9).with_evidence(
            command=["./kv"], stderr_tail=["panic: x"], notes=["no such loader"]
        ),
        StartTimeout("silence"),
        RemoteProtocolError("bad frame"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_survives_a_process_pool(error: PluginError) -> None:
    """An exception that fails to unpickle breaks concurrent.futures' process pool."""
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(twin) is type(error)
        assert str(twin) == str(error)
        assert vars(twin) == vars(error)


# The text of a failed start


def test_a_bare_launch_error_is_its_message() -> None:
    error = LaunchError("no such file")
    assert str(error) == "no such file"
    assert (error.command, error.stderr_tail, error.notes) == ((), (), ())


def test_a_failed_start_tells_everything_that_is_known() -> None:
    """go-plugin: Client.Start with Runner.Diagnose."""
    error = MalformedHandshake("no handshake line", "hello").with_evidence(
        command=["./kv plugin", "-v"],
        stderr_tail=["first", "second"],
        notes=["it is not executable", "it is built for arm64"],
    )
    assert str(error).splitlines() == [
        "no handshake line",
        "line: 'hello'",
        "command: './kv plugin' '-v'",
        "note: it is not executable",
        "note: it is built for arm64",
        "last lines of stderr:",
        "  first",
        "  second",
    ]
    assert error.command == ("./kv plugin", "-v")
    assert error.stderr_tail == ("first", "second")
    assert error.notes == ("it is not executable", "it is built for arm64")


@pytest.mark.parametrize(
    "kind", [LaunchError, ChecksumMismatch, TLSRefused, HandshakeError, ExitedEarly]
)
def test_evidence_keeps_the_type(kind: type[LaunchError]) -> None:
    error = kind("x")
    assert error.with_evidence(command=[], stderr_tail=[], notes=[]) is error
    assert "command" not in str(error)
    assert "stderr" not in str(error)


def test_evidence_is_a_copy() -> None:
    tail = ["first"]
    error = LaunchError("x").with_evidence(command=[], stderr_tail=tail, notes=[])
    tail.append("second")
    assert error.stderr_tail == ("first",)


def test_a_huge_line_is_shortened_in_the_text_only() -> None:
    line = "x" * 65536
    error = MalformedHandshake("no handshake line", line)
    assert error.line == line
    assert len(str(error)) < 500
    assert "(65536 characters)" in str(error)


def test_a_line_with_control_characters_is_shown_escaped() -> None:
    """A plugin's output must not drive the terminal of the host's user."""
    assert r"line: '\x1b[2Jhi'" in str(HandshakeError("x", "\x1b[2Jhi"))


def test_a_version_mismatch_names_both_sides_and_what_to_do() -> None:
    """go-plugin: Client.checkProtoVersion."""
    error = VersionMismatch(7, {3, 1}, "1|7|unix|/tmp/p|grpc|")
    assert (error.plugin, error.host) == (7, (1, 3))
    assert "version 7" in str(error)
    assert "offers: 1, 3" in str(error)
    assert "update the older" in str(error)
    assert "1|7|unix" in str(error)


def test_a_host_without_versions_offers_none() -> None:
    assert "offers: none" in str(VersionMismatch(1, []))
