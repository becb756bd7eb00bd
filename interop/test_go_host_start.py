"""How a Python plugin starts: cookie, versions, handshake line, sockets."""

import grp
import os
import socket
import stat
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from goplugin_py.wire.certificates import generate
from interop import by_hand
from interop.echo_plugin import COMMAND
from interop.fixtures import ROOT
from interop.go_host import LINKS, Link, run

links = pytest.mark.parametrize("link", LINKS, ids=str)

# Versions


@pytest.mark.parametrize(
    ("offered", "own", "negotiated"),
    [
        ("1", "1,2,3", 1),
        ("2,3", "1,2,3", 3),
        ("1,2,3", "2", 2),
        ("1,2,3", "3,1", 3),
        ("2,5", "1,2,4", 2),
    ],
)
def test_host_and_plugin_settle_on_the_highest_common_version(
    offered: str, own: str, negotiated: int
) -> None:
    """Old host and new plugin, new host and old plugin (go-plugin: protocolVersion)."""
    report = run("unary", flags=[f"-versions={offered}"], env={"ECHO_VERSIONS": own})
    report.assert_healthy()
    assert report["kill"].detail["negotiated_version"] == negotiated


def test_without_a_common_version_the_host_can_explain_it(short_tmp: Path) -> None:
    """go-plugin: protocolVersion serves the lowest, and Client.Start has the words."""
    # The host kills at once, and what is killed leaves its socket behind.
    env = {"ECHO_VERSIONS": "2,3", "TMPDIR": str(short_tmp)}
    report = run(flags=["-versions=4,5"], env=env)
    assert "incompatible API version with plugin" in report["start"].error
    assert "Plugin version: 2" in report["start"].error


@pytest.mark.parametrize("env", [{}, {"PLUGIN_PROTOCOL_VERSIONS": ""}])
def test_host_that_sends_no_versions_gets_the_lowest(env: dict[str, str]) -> None:
    """go-plugin: protocolVersion; hosts that know one version send none."""
    with by_hand.started({**env, "ECHO_VERSIONS": "3,2"}) as plugin:
        assert plugin.fields[1] == "2"


# Address


def test_a_directory_may_have_a_name_that_is_no_text(short_tmp: Path) -> None:
    """Go: a path is bytes, also in the line."""
    directory = os.fsencode(short_tmp) + b"/\xff"
    os.mkdir(directory)
    report = run("unary", env={"TMPDIR": os.fsdecode(directory)})
    report.assert_healthy()


# Cookie


@pytest.mark.parametrize("cookie", [None, "", "5f0c1a5"])
def test_person_who_runs_a_plugin_reads_that_it_is_one(cookie: str | None) -> None:
    """go-plugin: Serve prints an explanation to stderr and exits with status 1."""
    env = by_hand.environ()
    del env["ECHO_PLUGIN"]
    if cookie is not None:
        env["ECHO_PLUGIN"] = cookie
    done = subprocess.run(
        COMMAND,
        cwd=ROOT,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        text=True,
        timeout=by_hand.START_TIMEOUT,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert "is a plugin" in done.stderr
    assert "ECHO_PLUGIN" in done.stderr
    assert "Traceback" not in done.stderr


def test_go_host_with_another_cookie_logs_what_the_plugin_says() -> None:
    """The explanation is in the host's log, beside go-plugin's own error."""
    report = run(flags=["-cookie-value=wrong"])
    assert "Failed to read any lines" in report["start"].error
    assert any("is a plugin" in message for message in report.messages)


# The line


@links
def test_line_has_six_fields_for_hosts_that_do_not_multiplex(link: Link) -> None:
    """go-plugin before 1.6 takes a seventh for a part of the certificate."""
    with by_hand.started(link.env) as plugin:
        core, app, network, address, protocol, certificate = plugin.fields
    assert (core, app, network, protocol) == ("1", "1", link.network, "grpc")
    assert address
    assert certificate == ""


def test_line_answers_hosts_that_ask_for_multiplexing() -> None:
    """go-plugin: Serve appends the seventh field if the variable is set."""
    with by_hand.started({"PLUGIN_MULTIPLEX_GRPC": "true"}) as plugin:
        assert len(plugin.fields) == 7
        assert plugin.fields[6] in ("true", "false")


@links
def test_go_host_that_asks_for_multiplexing_gets_it(
    link: Link, nothing_left: Path
) -> None:
    """go-plugin: GRPCBrokerMultiplex; all connections in one socket, yamux below."""
    report = run(
        *("unary", "server-stream", "client-stream", "bidi", "concurrent"),
        *("cancel", "print", "log", "ping", "reflection"),
        flags=[*link.flags, "-mux"],
        env=link.env,
    )
    report.assert_healthy()


def test_unix_socket_needs_no_valid_port_range() -> None:
    """go-plugin: only serverListener_tcp reads the two variables."""
    env = {"PLUGIN_MIN_PORT": "many", "PLUGIN_MAX_PORT": "-1"}
    with by_hand.started(env) as plugin:
        assert plugin.address.network == "unix"


@pytest.mark.parametrize("mtls", [False, True], ids=["plain", "mtls"])
def test_tcp_port_is_in_the_range_of_the_host(mtls: bool) -> None:
    """go-plugin: serverListener_tcp tries the ports in order."""
    flags = ["-min-port=31000", "-max-port=31200", *Link(mtls, "tcp").flags]
    report = run("unary", flags=flags, env={"ECHO_NETWORK": "tcp"})
    report.assert_healthy()
    host, _, port = report["kill"].detail["address"].rpartition(":")
    assert host == "127.0.0.1"
    assert 31000 <= int(port) <= 31200


def test_two_plugins_never_share_a_tcp_port() -> None:
    """Each finds the port of the other taken, although grpcio would share it."""
    env = {
        "ECHO_NETWORK": "tcp",
        "PLUGIN_MIN_PORT": "31300",
        "PLUGIN_MAX_PORT": "31400",
    }
    with by_hand.started(env) as one, by_hand.started(env) as other:
        assert one.address != other.address


def test_lack_of_free_tcp_ports_is_explained() -> None:
    """go-plugin: serverListener_tcp; the host's log says which range it was."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        env = {
            "ECHO_NETWORK": "tcp",
            "PLUGIN_MIN_PORT": port,
            "PLUGIN_MAX_PORT": port,
        }
        with by_hand.started(env) as plugin:
            assert plugin.line == ""
            status, _, stderr = plugin.finish()
    assert status == 1
    assert port in stderr
    assert "Traceback" not in stderr


@pytest.mark.parametrize(
    ("first", "last"), [("many", "25000"), ("25000", "10000"), ("1", "65536")]
)
def test_bad_port_range_is_explained(first: str, last: str) -> None:
    """go-plugin: serverListener_tcp fails; the host's log says why."""
    env = {
        "ECHO_NETWORK": "tcp",
        "PLUGIN_MIN_PORT": first,
        "PLUGIN_MAX_PORT": last,
    }
    with by_hand.started(env) as plugin:
        assert plugin.line == ""
        status, _, stderr = plugin.finish()
    assert status == 1
    assert "PLUGIN_MIN_PORT" in stderr
    assert "Traceback" not in stderr


def test_plugin_starts_without_the_hosts_environment() -> None:
    """go-plugin: ClientConfig.SkipHostEnv leaves not even PATH and HOME."""
    report = run("unary", "env", "print", flags=["-skip-host-env"])
    report.assert_healthy()
    assert {"PATH", "HOME"} <= set(report["env"].detail["unset"])


# Sockets


@links
def test_sockets_go_where_the_host_wants_them(link: Link, short_tmp: Path) -> None:
    """PLUGIN_UNIX_SOCKET_DIR, which go-plugin sets for a RunnerFunc."""
    flags = [*link.flags, "-runner", f"-tempdir={short_tmp}"]
    report = run("unary", "env", flags=flags, env=link.env)
    report.assert_healthy()
    directory = report["env"].detail["values"]["PLUGIN_UNIX_SOCKET_DIR"]
    assert Path(directory).parent == short_tmp
    if link.network == "unix":
        assert Path(report["kill"].detail["address"]).parent == Path(directory)
    assert list(short_tmp.iterdir()) == []


def test_plugin_does_not_remove_the_directory_of_the_host(short_tmp: Path) -> None:
    """It belongs to the host; only the socket in it is the plugin's."""
    with by_hand.started({"PLUGIN_UNIX_SOCKET_DIR": str(short_tmp)}) as plugin:
        [path] = short_tmp.iterdir()
        assert str(path) == plugin.address.text
    assert list(short_tmp.iterdir()) == []


def other_group() -> int:
    """Return a group to hand a socket to; not our own where there is a choice."""
    if os.geteuid() == 0:
        return 1
    own = os.getegid()
    return next((group for group in os.getgroups() if group != own), own)


@pytest.mark.parametrize("mtls", [False, True], ids=["plain", "mtls"])
def test_go_host_opens_the_socket_to_a_group(mtls: bool, nothing_left: Path) -> None:
    """go-plugin: UnixSocketConfig.Group comes as PLUGIN_UNIX_SOCKET_GROUP."""
    group = str(other_group())
    flags = [f"-socket-group={group}", *Link(mtls, "unix").flags]
    report = run("unary", "env", flags=flags)
    report.assert_healthy()
    assert report["env"].detail["values"]["PLUGIN_UNIX_SOCKET_GROUP"] == group


@pytest.mark.parametrize("mtls", [False, True], ids=["plain", "mtls"])
@pytest.mark.parametrize("named", [False, True], ids=["id", "name"])
def test_socket_belongs_to_the_group_of_the_host(
    mtls: bool, named: bool, nothing_left: Path
) -> None:
    """go-plugin: setGroupWritable; the variable holds a name or an id."""
    group = other_group()
    env = {
        "PLUGIN_UNIX_SOCKET_GROUP": grp.getgrgid(group).gr_name if named else str(group)
    }
    if mtls:
        env["PLUGIN_CLIENT_CERT"] = generate(datetime.now(UTC)).certificate_pem
    with by_hand.started(env) as plugin:
        path = Path(plugin.address.text)
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        assert path.stat().st_gid == group
        # Where the group can get to it.
        assert path.parent == nothing_left


@pytest.mark.parametrize("mtls", [False, True], ids=["plain", "mtls"])
@pytest.mark.parametrize(
    ("variable", "value", "reason"),
    [
        ("GROUP", "no-such-group", "there is no group"),
        ("DIR", "/no/such/directory", "there is no socket directory"),
        ("DIR", "d" * 150, "longer than"),
        ("DIR", "with|bar", "without | and newline"),
    ],
)
def test_socket_that_cannot_be_made_is_explained(
    mtls: bool, variable: str, value: str, reason: str, nothing_left: Path
) -> None:
    """go-plugin: prints no line either; the host's log says what is wrong."""
    directory = nothing_left / value
    if variable == "DIR" and not os.path.isabs(value):
        directory.mkdir()
        value = str(directory)
    env = {f"PLUGIN_UNIX_SOCKET_{variable}": value}
    if mtls:
        env["PLUGIN_CLIENT_CERT"] = generate(datetime.now(UTC)).certificate_pem
    with by_hand.started(env) as plugin:
        assert plugin.line == ""
        status, _, stderr = plugin.finish()
    assert status == 1
    assert value in stderr
    assert reason in stderr
    assert "Traceback" not in stderr
    if directory.exists():
        directory.rmdir()


@links
def test_temporary_directory_may_have_a_long_path(link: Link, tmp_path: Path) -> None:
    """A unix socket's path has 107 characters; this one has no room for it."""
    long = tmp_path / ("d" * (150 - len(str(tmp_path)) - 1))
    long.mkdir()
    report = run("unary", flags=link.flags, env={**link.env, "TMPDIR": str(long)})
    report.assert_healthy()
    assert list(long.iterdir()) == []
    if link.network == "unix":
        assert not Path(report["kill"].detail["address"]).parent.exists()
