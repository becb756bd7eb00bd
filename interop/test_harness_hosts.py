"""Go hosts built with older versions of go-plugin, over a Python plugin.

1.4.3 is in Terraform 1.5; 1.6.3 has multiplexing. The tests of test_go_host*.py show
what the current version does, those of test_broker_versions.py the broker.
"""

import hashlib
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from interop.echo_plugin import COMMAND
from interop.fixtures import ROOT
from interop.go_host import Report, run

OLDEST, OLDER, NEWEST = "1.4.3", "1.6.3", "1.8.0"
MIB = 1 << 20
CALLS = (
    *("unary", "server-stream", "client-stream", "bidi", "concurrent"),
    *("fail", "deadline", "cancel", "metadata", "ping", "health", "reflection"),
)
versions = pytest.mark.parametrize("version", [OLDEST, OLDER])


@dataclass(frozen=True, slots=True)
class Link:
    """A Go host, and how it is connected to its plugin."""

    version: str
    network: str = "unix"
    mtls: bool = False
    mux: bool = False

    def run(self, *scenarios: str, flags: tuple[str, ...] = (), **env: str) -> Report:
        """Run scenarios over this link."""
        own = ("-mtls",) * self.mtls + ("-mux",) * self.mux
        env = {"ECHO_NETWORK": self.network, **env}
        return run(*scenarios, flags=[*own, *flags], env=env, host=host(self.version))

    def __str__(self) -> str:
        security = "mtls" if self.mtls else "plain"
        return f"{self.version}-{self.network}-{security}" + "-mux" * self.mux


def host(version: str) -> str:
    """Return the name of the fixture."""
    return "echo-host" if version == NEWEST else f"echo-host-{version}"


LINKS = [
    Link(version, network, mtls, mux)
    for version in (OLDEST, OLDER)
    for network in ("unix", "tcp")
    for mtls in (False, True)
    for mux in ((False, True) if version != OLDEST else (False,))
]
links = pytest.mark.parametrize("link", LINKS, ids=str)


@links
def test_older_hosts_make_calls_of_every_kind(link: Link, nothing_left: Path) -> None:
    """The four kinds of rpc, errors, deadlines, metadata, health; a regular end.

    A 1.4.3 host with AutoMTLS takes a 7th field of the line for part of the
    certificate, so this also shows that there is none.
    """
    report = link.run(*CALLS)
    report.assert_healthy()
    kill = report["kill"].detail
    assert (kill["network"], kill["negotiated_version"]) == (link.network, 1)
    assert kill["exited"]


@links
def test_older_hosts_receive_output_and_logs(link: Link) -> None:
    """SyncStdout and SyncStderr whole; every level with its pairs."""
    report = link.run("print", "print-fd", "log", "env")
    report.assert_healthy()
    assert report["print"].detail["stdout"]["bytes"] == MIB
    assert report["print"].detail["stderr"]["bytes"] == MIB


@versions
@pytest.mark.parametrize("mtls", [False, True], ids=["plain", "mtls"])
def test_older_hosts_send_and_receive_64_mib(version: str, mtls: bool) -> None:
    """go-plugin: `dialGRPCConn` allowed 2 GiB in all versions."""
    report = Link(version, mtls=mtls).run("big")
    report.assert_healthy()
    assert report["big"].detail["bytes"] == 64 * MIB


# Start


@versions
@pytest.mark.parametrize(
    ("offered", "own", "negotiated"), [("1,2,3", "2,3,4", 3), ("1,2", "1,3", 1)]
)
def test_older_hosts_settle_on_the_highest_common_version(
    version: str, offered: str, own: str, negotiated: int
) -> None:
    """go-plugin: `Client.Start` sends its versions, `protocolVersion` chooses."""
    flags = (f"-versions={offered}",)
    report = Link(version, mtls=True).run("unary", flags=flags, ECHO_VERSIONS=own)
    report.assert_healthy()
    assert report["kill"].detail["negotiated_version"] == negotiated


@versions
def test_older_hosts_explain_that_no_version_is_common(
    version: str, short_tmp: Path
) -> None:
    """go-plugin: `Client.Start`; what is killed at once leaves its socket behind."""
    report = Link(version).run(
        flags=("-versions=4,5",), ECHO_VERSIONS="2,3", TMPDIR=str(short_tmp)
    )
    # Capital letters came and went.
    error = report["start"].error.lower()
    assert "incompatible api version with plugin" in error
    assert "plugin version: 2" in error


@versions
def test_older_hosts_log_what_a_plugin_says_without_its_cookie(version: str) -> None:
    """The explanation is beside go-plugin's own error, which differs."""
    report = Link(version).run(flags=("-cookie-value=wrong",))
    assert not report["start"].ok
    assert any("is a plugin" in message for message in report.messages)


@versions
@pytest.mark.parametrize("mtls", [False, True], ids=["plain", "mtls"])
def test_older_hosts_choose_the_range_of_tcp_ports(version: str, mtls: bool) -> None:
    """go-plugin: `ClientConfig.MinPort` and `MaxPort`."""
    flags = ("-min-port=31500", "-max-port=31700")
    report = Link(version, "tcp", mtls).run("unary", flags=flags)
    report.assert_healthy()
    assert 31500 <= int(report["kill"].detail["address"].rpartition(":")[2]) <= 31700


@pytest.mark.parametrize("mux", [False, True], ids=["sockets", "mux"])
def test_older_host_keeps_its_environment_to_itself(mux: bool) -> None:
    """go-plugin 1.6.3: `SkipHostEnv`, which leaves not even PATH and HOME."""
    report = Link(OLDER, mux=mux).run("unary", "env", flags=("-skip-host-env",))
    report.assert_healthy()
    assert {"PATH", "HOME"} <= set(report["env"].detail["unset"])


@pytest.mark.parametrize("mtls", [False, True], ids=["plain", "mtls"])
def test_older_host_chooses_group_and_directory_of_the_socket(
    mtls: bool, short_tmp: Path
) -> None:
    """go-plugin 1.6.3: `UnixSocketConfig`, whose directory is for a `RunnerFunc`."""
    group = f"-socket-group={os.getegid()}"
    flags = ("-runner", f"-tempdir={short_tmp}", group)
    report = Link(OLDER, mtls=mtls).run("unary", "env", flags=flags)
    report.assert_healthy()
    values = report["env"].detail["values"]
    assert values["PLUGIN_UNIX_SOCKET_GROUP"] == str(os.getegid())
    directory = Path(values["PLUGIN_UNIX_SOCKET_DIR"])
    assert directory.parent == short_tmp
    assert Path(report["kill"].detail["address"]).parent == directory
    assert list(short_tmp.iterdir()) == []


@pytest.mark.parametrize(
    ("flag", "feature"),
    [
        ("-mux", "GRPCBrokerMultiplex"),
        ("-skip-host-env", "SkipHostEnv"),
        ("-socket-group=0", "UnixSocketConfig"),
        ("-runner", "RunnerFunc"),
    ],
)
def test_host_of_1_4_3_lacks_what_is_not_tested_with_it(
    flag: str, feature: str
) -> None:
    """Why the tests above leave 1.4.3 out: `ClientConfig` has no such fields."""
    report = Link(OLDEST).run(flags=(flag,))
    assert report["start"].error == f"this version of go-plugin has no {feature}"


# SecureConfig


@pytest.fixture
def executable(short_tmp: Path) -> Path:
    """Give a plugin that is one file, for the check covers just that."""
    path = short_tmp / "plugin"
    path.write_text(
        f"#!{sys.executable}\n"
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        f"import runpy; runpy.run_module({COMMAND[-1]!r}, run_name='__main__')\n"
    )
    path.chmod(0o700)
    return path


def secured(version: str, path: Path, checksum: str) -> Report:
    """Run a host that checks its plugin."""
    flags = ["-mtls", f"-checksum={checksum}"]
    return run("unary", flags=flags, command=[str(path)], host=host(version))


@pytest.mark.parametrize("version", [OLDEST, OLDER, NEWEST])
def test_hosts_start_a_plugin_with_the_right_checksum(
    version: str, executable: Path
) -> None:
    """go-plugin: `SecureConfig.Check` hashes the file of the command."""
    right = hashlib.sha256(executable.read_bytes()).hexdigest()
    secured(version, executable, right).assert_healthy()


@pytest.mark.parametrize("version", [OLDEST, OLDER, NEWEST])
def test_hosts_do_not_start_a_plugin_that_was_changed(
    version: str, executable: Path
) -> None:
    """go-plugin: `ErrChecksumsDoNotMatch`."""
    right = hashlib.sha256(executable.read_bytes()).hexdigest()
    executable.write_text(executable.read_text() + "# changed\n")
    report = secured(version, executable, right)
    assert "checksums did not match" in report["start"].error
    assert not any("starting plugin" in message for message in report.messages)


# End


@versions
@pytest.mark.parametrize("mtls", [False, True], ids=["plain", "mtls"])
def test_older_hosts_need_not_kill_when_a_handler_hangs(
    version: str, mtls: bool
) -> None:
    """go-plugin: `Client.Kill` gives 2 s, then logs and kills."""
    report = Link(version, mtls=mtls).run("sleep-on", ECHO_SLEEP="stubborn")
    report.assert_healthy()


@versions
@pytest.mark.parametrize(
    ("scenario", "exit_text"),
    [("crash-exit", "exit status 7"), ("crash-kill", "signal: killed")],
)
def test_older_hosts_notice_how_a_plugin_died(
    version: str, scenario: str, exit_text: str, short_tmp: Path
) -> None:
    """The call fails as Unavailable, and go-plugin logs the exit."""
    report = Link(version, mtls=True).run(scenario, TMPDIR=str(short_tmp))
    assert report[scenario].ok, report.failures
    assert report[scenario].detail["exit"] == exit_text


@versions
def test_older_hosts_find_a_terminated_plugin_ended(
    version: str, nothing_left: Path
) -> None:
    """SIGTERM ends it as Shutdown does, and shows in the exit status."""
    report = Link(version).run("unary", ECHO_UNARY=signal.SIGTERM.name)
    assert report["kill"].detail["exited"]
    assert not report["kill"].detail["forced"]
    assert report.find("plugin process exited")["error"] == "signal: terminated"
