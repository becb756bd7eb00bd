"""How a Python plugin ends under a real go-plugin host, and what it leaves behind."""

import os
import signal
from pathlib import Path

import pytest

from interop.by_hand import started
from interop.go_host import LINKS, Link, run

links = pytest.mark.parametrize("link", LINKS, ids=str)


@links
def test_plugin_exits_by_itself_and_leaves_nothing_behind(
    link: Link, nothing_left: Path
) -> None:
    """go-plugin: Client.Kill asks for Shutdown; sockets go with the listener."""
    report = run("unary", flags=link.flags, env=link.env)
    report.assert_healthy()
    assert report["kill"].detail["exited"]
    assert report.find("plugin process exited")["@level"] == "info"
    if link.network == "unix":
        address = Path(report["kill"].detail["address"])
        assert address.is_relative_to(nothing_left)
        assert not address.parent.exists()


@links
def test_terminated_plugin_leaves_nothing_behind(
    link: Link, nothing_left: Path
) -> None:
    """SIGTERM ends it as Shutdown does, and shows in the exit status."""
    env = {**link.env, "ECHO_UNARY": signal.SIGTERM.name}
    report = run("unary", flags=link.flags, env=env)
    assert report["kill"].detail["exited"]
    assert not report["kill"].detail["forced"]
    assert report.find("plugin process exited")["error"] == "signal: terminated"


def test_interrupt_is_left_to_the_host() -> None:
    """go-plugin: Serve swallows SIGINT, which a terminal sends to both."""
    report = run("unary", "bidi", env={"ECHO_UNARY": signal.SIGINT.name})
    report.assert_healthy()


@pytest.mark.parametrize("mtls", [False, True], ids=["plain", "mtls"])
def test_plugin_that_prints_without_end_still_ends(mtls: bool) -> None:
    """Shutdown sends what was printed, but not for ever."""
    flags = Link(mtls, "unix").flags
    report = run("unary", flags=flags, env={"ECHO_UNARY": "chatter"})
    assert not report.failures
    assert not report.complaints
    assert report["kill"].detail["seconds"] < 3


def test_signal_to_a_forked_child_is_the_childs_own() -> None:
    """As `multiprocessing` sends it; the plugin goes on."""
    report = run("unary", "ping", env={"ECHO_UNARY": "fork"})
    report.assert_healthy()


def test_child_that_outlives_the_plugin_does_not_hold_the_host_up() -> None:
    """go-plugin: Kill waits for the end of both pipes, so no child may inherit them."""
    report = run("unary", env={"ECHO_UNARY": "spawn"})
    report.assert_healthy()
    assert report["kill"].detail["seconds"] < 2


@links
def test_terminated_plugin_without_a_host_leaves_nothing_behind(
    link: Link, nothing_left: Path
) -> None:
    """SIGTERM from a process manager, before any host has connected."""
    with started(link.env) as plugin:
        plugin.process.send_signal(signal.SIGTERM)
        status, stdout, _ = plugin.finish()
    assert status == -signal.SIGTERM
    assert stdout == ""


def test_interrupts_from_the_terminal_do_not_end_the_plugin() -> None:
    """Three times Ctrl-C, and it still ends by SIGTERM only."""
    with started() as plugin:
        for _ in range(3):
            plugin.process.send_signal(signal.SIGINT)
        plugin.process.send_signal(signal.SIGTERM)
        status, _, stderr = plugin.finish()
    assert status == -signal.SIGTERM
    assert "KeyboardInterrupt" not in stderr


@links
def test_plugin_has_its_socket_in_a_private_directory(
    link: Link, nothing_left: Path
) -> None:
    """Nobody else can connect, whatever the umask: the directory is 0700."""
    with started(link.env) as plugin:
        for directory in nothing_left.iterdir():
            assert directory.stat().st_mode & 0o777 == 0o700
        if link.network == "unix":
            path = Path(plugin.address.text)
            assert path.is_socket()
            assert path.parent.parent == nothing_left
    assert os.listdir(nothing_left) == []
