"""What a Python host gives its Go plugin: versions, variables, directories, sockets."""

import os
import re
import socket
import stat
import subprocess
from pathlib import Path

import pytest

from goplugin_py import (
    Client,
    ExitedEarly,
    HandshakeConfig,
    UnixSocketConfig,
    VersionMismatch,
)
from interop.echo_pb2 import EnvRequest, Payload
from interop.echo_pb2_grpc import EchoStub
from interop.fixtures import binary
from interop.python_host import ECHO, WAIT, echo, echo_config

pytestmark = pytest.mark.usefixtures("nothing_left")

TLS = pytest.mark.parametrize("auto_mtls", [False, True], ids=["plain", "mtls"])
COOKIE = {"ECHO_PLUGIN": "5f0c1a5e"}


def variables(stub: EchoStub, *names: str) -> dict[str, str]:
    """Return those of the variables that the plugin has."""
    return dict(stub.Env(EnvRequest(names=names), timeout=WAIT).values)


def environment(pid: int | None) -> dict[str, str]:
    """Return a process's whole environment, as it was started with."""
    data = Path(f"/proc/{pid}/environ").read_bytes()
    pairs = (item.partition(b"=") for item in data.rstrip(b"\0").split(b"\0"))
    return {os.fsdecode(name): os.fsdecode(value) for name, _, value in pairs}


# Versions


@TLS
@pytest.mark.parametrize(
    ("host", "plugin", "chosen"),
    [
        ([1, 2, 3], "3,4", 3),
        ([2], "1,2,3", 2),  # an old host, a new plugin
        ([1, 2, 3], "2", 2),  # a new host, an old plugin
        ([0, 1], "0,7", 0),
        ([9, 10], "10,9", 10),  # as numbers
    ],
)
def test_highest_version_in_common_is_negotiated(
    host: list[int], plugin: str, chosen: int, auto_mtls: bool
) -> None:
    """go-plugin: `protocolVersion` on the plugin's side, any order on the host's."""
    config = echo_config(
        versioned_plugins={
            version: {f"echo{version}": ECHO["echo"]} for version in host
        },
        env={"ECHO_VERSIONS": plugin},
        auto_mtls=auto_mtls,
    )
    with Client(config) as client:
        assert client.negotiated_version == chosen
        stub = client.dispense(f"echo{chosen}")
        assert stub.Unary(Payload(number=1), timeout=WAIT).number == 1
        offered = variables(stub, "PLUGIN_PROTOCOL_VERSIONS")
    assert offered == {"PLUGIN_PROTOCOL_VERSIONS": ",".join(map(str, sorted(host)))}


@pytest.mark.parametrize(
    ("host", "plugin", "answer"), [([4], "1,2,3", 1), ([1], "5,6", 5)]
)
def test_no_version_in_common_names_the_plugins_lowest(
    host: list[int], plugin: str, answer: int
) -> None:
    """go-plugin: `protocolVersion` serves its lowest and leaves the host to explain."""
    config = echo_config(
        versioned_plugins=dict.fromkeys(host, ECHO), env={"ECHO_VERSIONS": plugin}
    )
    with pytest.raises(VersionMismatch) as caught:
        Client(config).start()
    assert (caught.value.plugin, caught.value.host) == (answer, tuple(host))


def test_version_of_the_handshake_is_not_offered_beside_versioned_plugins() -> None:
    """`HandshakeConfig.protocol_version` is not used there."""
    with Client(echo_config(versioned_plugins={1: ECHO})) as client:
        assert client.negotiated_version == 1
    with pytest.raises(VersionMismatch) as caught:
        Client(echo_config(versioned_plugins={2: ECHO})).start()
    assert caught.value.host == (2,)


# Variables


def test_explicit_variables_win_over_inherited_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Requirement: the documented difference from go-plugin, where inherited win."""
    monkeypatch.setenv("ECHO_A", "inherited")
    monkeypatch.setenv("ECHO_B", "inherited")
    with echo(echo_config(env={"ECHO_A": "explicit \u20ac", "ECHO_C": ""})) as (
        _,
        stub,
    ):
        assert variables(stub, "ECHO_A", "ECHO_B", "ECHO_C", "ECHO_D") == {
            "ECHO_A": "explicit \u20ac",
            "ECHO_B": "inherited",
            "ECHO_C": "",
        }


def test_cookie_and_protocol_win_over_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """go-plugin: `Client.Start` puts its own variables last."""
    monkeypatch.setenv("ECHO_PLUGIN", "inherited")
    env = {"ECHO_PLUGIN": "explicit", "PLUGIN_PROTOCOL_VERSIONS": "7"}
    with echo(echo_config(env=env)) as (_, stub):
        assert variables(stub, *env) == {**COOKIE, "PLUGIN_PROTOCOL_VERSIONS": "1"}


def test_nothing_is_inherited_with_inherit_env_off(
    monkeypatch: pytest.MonkeyPatch, nothing_left: Path
) -> None:
    """Requirement: host secrets must not leak; only `env` and go-plugin's own."""
    monkeypatch.setenv("SECRET", "hunter2")
    env = {"TMPDIR": str(nothing_left), "GIVEN": "yes"}
    config = echo_config(env=env, inherit_env=False, auto_mtls=False)
    with Client(config) as client:
        assert environment(client.pid) == {
            **env,
            **COOKIE,
            "PLUGIN_PROTOCOL_VERSIONS": "1",
            "PLUGIN_MIN_PORT": "10000",
            "PLUGIN_MAX_PORT": "25000",
        }


def test_only_named_variables_are_inherited(
    monkeypatch: pytest.MonkeyPatch, nothing_left: Path
) -> None:
    """An allow-list; `env`, then the cookie and `PLUGIN_*`, win over what it allows."""
    monkeypatch.setenv("SECRET", "hunter2")
    monkeypatch.setenv("ALLOWED", "inherited")
    monkeypatch.setenv("CHANGED", "inherited")
    monkeypatch.setenv("ECHO_PLUGIN", "inherited")
    monkeypatch.setenv("PLUGIN_CLIENT_CERT", "of another host")
    monkeypatch.delenv("UNSET", raising=False)
    allowed = {"TMPDIR", "ALLOWED", "CHANGED", "UNSET", *COOKIE, "PLUGIN_CLIENT_CERT"}
    env = {"CHANGED": "explicit"}
    config = echo_config(env=env, inherit_env=allowed, auto_mtls=False)
    with Client(config) as client:
        seen = environment(client.pid)
    assert {name: seen[name] for name in seen if not name.startswith("PLUGIN_")} == {
        "TMPDIR": str(nothing_left),
        "ALLOWED": "inherited",
        "CHANGED": "explicit",
        **COOKIE,
    }
    assert "PLUGIN_CLIENT_CERT" not in seen


INHERITED = {
    "PLUGIN_CLIENT_CERT": "-----BEGIN CERTIFICATE-----\nold\n",
    "PLUGIN_MULTIPLEX_GRPC": "true",
    "PLUGIN_UNIX_SOCKET_DIR": "/nowhere",
    "PLUGIN_UNIX_SOCKET_GROUP": "nobody-has-this-group",
    "PLUGIN_MIN_PORT": "1",
    "PLUGIN_MAX_PORT": "2",
    "PLUGIN_PROTOCOL_VERSIONS": "99",
}


@TLS
def test_variables_that_a_parent_host_set_are_not_passed_on(
    monkeypatch: pytest.MonkeyPatch, auto_mtls: bool
) -> None:
    """go-plugin leaks them: a host that is itself a plugin breaks its own plugins."""
    for name, value in INHERITED.items():
        monkeypatch.setenv(name, value)
    with echo(echo_config(auto_mtls=auto_mtls)) as (client, stub):
        client.ping()
        seen = variables(stub, *INHERITED)
        certificate = seen.pop("PLUGIN_CLIENT_CERT", "")
        assert certificate.startswith("-----BEGIN CERTIFICATE-----\nMII") is auto_mtls
        assert seen == {
            "PLUGIN_MIN_PORT": "10000",
            "PLUGIN_MAX_PORT": "25000",
            "PLUGIN_PROTOCOL_VERSIONS": "1",
        }


def test_each_start_has_a_certificate_of_its_own() -> None:
    """Requirement: one-time certificates."""
    certificates = set()
    for _ in range(2):
        with echo(echo_config()) as (_, stub):
            certificates |= set(variables(stub, "PLUGIN_CLIENT_CERT").values())
    assert len(certificates) == 2


def test_variables_are_read_when_the_plugin_starts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The environment is inherited at the start, not at the configuration."""
    config = echo_config()
    monkeypatch.setenv("ECHO_LATE", "yes")
    with echo(config) as (_, stub):
        assert variables(stub, "ECHO_LATE") == {"ECHO_LATE": "yes"}


# Files


def test_working_directory_is_the_hosts_or_the_given_one(tmp_path: Path) -> None:
    """`ClientConfig.cwd`; a path-like object too."""
    for cwd, seen in ((None, os.getcwd()), (tmp_path, str(tmp_path))):
        with Client(echo_config(cwd=cwd)) as client:
            assert os.readlink(f"/proc/{client.pid}/cwd") == seen


def test_stdin_is_the_hosts_by_default() -> None:
    """go-plugin: `cmd.Stdin = os.Stdin`, so that a plugin can use the terminal."""
    with Client(echo_config()) as client:
        assert os.readlink(f"/proc/{client.pid}/fd/0") == os.readlink("/proc/self/fd/0")


@pytest.mark.parametrize("stdin", ["devnull", "file"])
def test_stdin_is_what_the_host_says(stdin: str, tmp_path: Path) -> None:
    """`ClientConfig.stdin`: a descriptor, or `subprocess.DEVNULL`."""
    path = tmp_path / "input"
    path.write_bytes(b"input")
    with path.open() as file:
        config = echo_config(
            stdin=file.fileno() if stdin == "file" else subprocess.DEVNULL
        )
        with Client(config) as client:
            seen = os.readlink(f"/proc/{client.pid}/fd/0")
    assert seen == (str(path) if stdin == "file" else os.devnull)


@TLS
def test_plugin_gets_no_descriptor_of_the_host(auto_mtls: bool) -> None:
    """Requirement: nothing leaks into a plugin, of whatever is open in the host."""
    reading, writing = os.pipe()
    try:
        with Client(echo_config(auto_mtls=auto_mtls)) as client:
            ours = {os.readlink(f"/proc/self/fd/{fd}") for fd in (reading, writing)}
            theirs = {
                os.readlink(f"/proc/{client.pid}/fd/{fd}")
                for fd in os.listdir(f"/proc/{client.pid}/fd")
            }
            assert not ours & theirs
    finally:
        os.close(reading)
        os.close(writing)


# Sockets


@TLS
def test_socket_lies_in_the_directory_for_sockets(
    nothing_left: Path, auto_mtls: bool
) -> None:
    """go-plugin: `PLUGIN_UNIX_SOCKET_DIR`; the plugin removes its socket itself."""
    directory = nothing_left / "sockets"
    directory.mkdir()
    config = echo_config(
        unix_socket=UnixSocketConfig(directory=str(directory)), auto_mtls=auto_mtls
    )
    with echo(config) as (client, stub):
        assert os.path.dirname(client.address.text) == str(directory)
        assert stub.Unary(Payload(number=1), timeout=WAIT).number == 1
    directory.rmdir()


@TLS
def test_socket_belongs_to_the_group(auto_mtls: bool) -> None:
    """go-plugin: `PLUGIN_UNIX_SOCKET_GROUP`, `setGroupWritable`; here by its number."""
    group = os.getgroups()[-1] if os.getgroups() else os.getgid()
    config = echo_config(
        unix_socket=UnixSocketConfig(group=str(group)), auto_mtls=auto_mtls
    )
    with echo(config) as (client, stub):
        found = os.stat(client.address.text)
        assert (found.st_gid, stat.S_IMODE(found.st_mode)) == (group, 0o660)
        assert stub.Unary(Payload(number=1), timeout=WAIT).number == 1


def test_group_that_does_not_exist_is_reported_by_the_plugin(
    nothing_left: Path,
) -> None:
    """go-plugin: `Serve` logs it and exits with status 0 and no line."""
    config = echo_config(unix_socket=UnixSocketConfig(group="no-such-group-here"))
    with pytest.raises(ExitedEarly) as caught:
        Client(config).start()
    assert caught.value.status == 0
    assert "no-such-group-here" in caught.value.stderr_tail[-1]
    # A Go plugin leaves its socket then, and tells nobody where.
    for left in nothing_left.glob("plugin*"):
        left.unlink()


def test_tcp_plugin_takes_a_port_of_the_range() -> None:
    """`ClientConfig.min_port` and `max_port`; a taken port is passed over."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        config = echo_config(
            str(binary("tcp-plugin")), min_port=port, max_port=min(port + 20, 65535)
        )
        with Client(config) as client:
            assert port < client.address.host_port[1] <= port + 20


def test_tcp_plugin_without_a_free_port_says_so() -> None:
    """go-plugin: `couldn't bind plugin TCP listener`."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        config = echo_config(str(binary("tcp-plugin")), min_port=port, max_port=port)
        with pytest.raises(ExitedEarly) as caught:
            Client(config).start()
    assert "couldn't bind plugin TCP listener" in str(caught.value)


@TLS
def test_long_temporary_directory_still_works(
    nothing_left: Path, monkeypatch: pytest.MonkeyPatch, auto_mtls: bool
) -> None:
    """Requirement: with a TMPDIR of 150 characters our own sockets fall back.

    The plugin's does not, in Go; so it is given a directory for that.
    """
    long = nothing_left / ("d" * 150)
    long.mkdir()
    monkeypatch.setenv("TMPDIR", str(long))
    config = echo_config(
        unix_socket=UnixSocketConfig(directory=str(nothing_left)), auto_mtls=auto_mtls
    )
    with echo(config) as (client, stub):
        assert stub.Unary(Payload(number=1), timeout=WAIT).number == 1
        if auto_mtls:
            assert re.match(r"unix:/tmp/goplugin-\w+/plugin\d+$", client.target)
    long.rmdir()


@TLS
def test_a_directory_may_have_a_name_that_is_no_text(
    nothing_left: Path, auto_mtls: bool
) -> None:
    """Go: a path is bytes; the plugin prints it as it is."""
    directory = os.fsencode(nothing_left) + b"/\xff"
    os.mkdir(directory)
    config = echo_config(auto_mtls=auto_mtls, env={"TMPDIR": os.fsdecode(directory)})
    with echo(config) as (_, stub):
        assert stub.Unary(Payload(number=7), timeout=WAIT).number == 7
    os.rmdir(directory)


# The cookie


def test_cookie_of_any_text_arrives(tmp_path: Path) -> None:
    """`HandshakeConfig`: a variable like any other, whatever is in it."""
    script = f'test "$ODD_KEY" = "a=b \u20ac; $(true)" && exec {binary("echo-plugin")}'
    handshake = HandshakeConfig(
        protocol_version=1,
        magic_cookie_key="ODD_KEY",
        magic_cookie_value="a=b \u20ac; ",
    )
    config = echo_config("/bin/sh", "-c", script, handshake=handshake, env=COOKIE)
    with Client(config) as client:
        client.ping()
