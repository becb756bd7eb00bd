"""Go plugins that a runner has put elsewhere: into namespaces, or to another user."""

from __future__ import annotations

import gzip
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from goplugin_py import (
    Client,
    ClientConfig,
    CommandRunner,
    ConnectionLost,
    DirectoryTranslator,
    ExitedEarly,
    LaunchError,
    PidRunner,
    RunnerSpec,
    UnixSocketConfig,
)
from goplugin_py.net.owner import listener_pid
from goplugin_py.testing import check_runner
from interop.callback_plugin import HANDSHAKE, CallbackPlugin
from interop.callback_sides import GO, PYTHON, Link, Pair, Side, outcome, python_config
from interop.fixtures import ROOT, binary
from interop.python_host import WAIT, eventually

CONTAINER = ROOT / "examples" / "container"
sys.path.append(str(CONTAINER))
from namespaces import namespaces  # noqa: E402

TIMEOUT = 60  # seconds; a run takes about one, more on a busy machine
# A user and a group that need not exist.
NOBODY, GROUP = 65534, 54321
CONFINED: dict[str, Any] = {"inherit_env": False, "stdin": subprocess.DEVNULL}

pytestmark = pytest.mark.usefixtures("nothing_left")


@contextmanager
def confined(link: Link, **changes: Any) -> Iterator[Pair]:
    """Start a link's plugin by a runner; by default in namespaces."""
    options = {"runner": namespaces, **CONFINED, **changes}
    with Client(python_config(link, **options)) as client:
        host, plugin = client.dispense("callback")
        pair = Pair(host=Side(host), plugin=Side(plugin), client=client)
        yield pair
        if not client.exited:
            pair.plugin.stop_all()
    pair.pool.shutdown(wait=True)


def client_of(pair: Pair) -> Client:
    assert pair.client is not None
    return pair.client


def pid_of(pair: Pair) -> int:
    """Return the plugin's process id, as this side sees it."""
    pid = listener_pid(client_of(pair).address, WAIT)
    assert pid
    return pid


def is_gone(pid: int) -> bool:
    """Whether a process has ended; its parent may not have collected it yet."""
    try:
        return (
            Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
        )
    except OSError:  # also where it ends while it is read
        return True


LINKS = [
    Link(PYTHON, version, mtls, mux)
    for version in (GO, "1.6.3")
    for mtls in (True, False)
    for mux in (True, False)
]


@pytest.mark.parametrize("link", LINKS, ids=str)
def test_a_plugin_in_namespaces_and_its_host_call_each_other(link: Link) -> None:
    """go-plugin: RunnerFunc; with mTLS and multiplexing it is as Vault's containers."""
    with confined(link) as pair:
        for dialler, acceptor in pair.both_ways:
            ids = acceptor.accept(count=5)
            assert outcome(dialler.dial(*ids)) == (5, {})
        sockets = os.listdir(os.path.dirname(client_of(pair).address.text))
        assert len(sockets) == (1 if link.mux else 11)
    assert client_of(pair).exit_status == 0


def test_the_plugin_sees_neither_network_nor_processes_nor_files() -> None:
    with confined(LINKS[0]) as pair:
        proc = Path(f"/proc/{pid_of(pair)}")
        for kind in ("user", "mnt", "net", "pid", "ipc", "uts"):
            ours = os.readlink(f"/proc/self/ns/{kind}")
            assert os.readlink(proc / "ns" / kind) != ours
        seen = set(os.listdir(proc / "root"))
        assert {"plugin", "sockets", "proc"} <= seen
        assert seen <= {"plugin", "sockets", "proc", "usr", "bin", "lib", "lib64"}
        routes = (proc / "net" / "dev").read_text().splitlines()[2:]
        assert [line.split(":")[0].strip() for line in routes] == ["lo"]
        status = (proc / "status").read_text()
        assert "CapEff:\t0000000000000000\n" in status
        assert "NSpid:" in status
        assert status.split("NSpid:")[1].splitlines()[0].split()[-1] == "1"


def test_the_namespaces_keep_to_the_contract_of_runners() -> None:
    check_runner(namespaces)


def test_a_crash_in_namespaces_is_seen() -> None:
    with confined(LINKS[0]) as pair:
        client = client_of(pair)
        os.kill(pid_of(pair), signal.SIGKILL)
        assert client.wait(WAIT)  # 1 from older unshares, or the signal
        with pytest.raises(ConnectionLost):
            client.ping()


def test_a_plugin_that_hangs_in_namespaces_is_killed() -> None:
    with confined(LINKS[0]) as pair:
        client, pid = client_of(pair), pid_of(pair)
        os.kill(pid, signal.SIGSTOP)
        client.kill(0)
        assert client.exited
        assert client.exit_status == -signal.SIGKILL
        assert eventually(lambda: is_gone(pid))


def test_a_program_that_is_not_there_ends_the_start_with_its_reason() -> None:
    config = python_config(
        LINKS[0], command=["/nonexistent/plugin"], runner=namespaces, **CONFINED
    )
    with pytest.raises(ExitedEarly) as caught:
        Client(config).start()
    assert "/nonexistent/plugin" in "\n".join(caught.value.stderr_tail)


HOST = """
import sys
sys.path.append(sys.argv[1])
from namespaces import namespaces
from interop.callback_sides import GO, PYTHON, Link, python_config
from goplugin_py import Client
from goplugin_py.net.owner import listener_pid
client = Client(python_config(Link(PYTHON, GO), runner=namespaces, stdin=-3))
client.start()
print(listener_pid(client.address, 5.0), client.address.text, flush=True)
sys.stdin.read()
"""


def test_the_plugin_dies_with_a_host_that_is_killed(nothing_left: Path) -> None:
    """setpriv --pdeathsig: the thread that started it lives as long as the host."""
    with subprocess.Popen(
        [sys.executable, "-c", HOST, str(CONTAINER)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as host:
        assert host.stdout is not None
        pid, socket = host.stdout.readline().split()
        host.kill()
    assert eventually(lambda: is_gone(int(pid)))
    # What a host that is killed can't remove.
    Path(socket).unlink()
    Path(socket).parent.rmdir()


class InNamespaces(DirectoryTranslator):
    """The plugin of another client, by the process id that it has on this side."""

    def __init__(self, directory: str, pid: int) -> None:
        super().__init__(host=directory, plugin="/sockets")
        process = PidRunner(pid)
        self.id, self.wait, self.kill = process.id, process.wait, process.kill


@pytest.mark.parametrize("hangs", [False, True], ids=["asked", "by force"])
def test_a_later_host_attaches_to_a_plugin_in_namespaces_and_ends_it(
    hangs: bool,
) -> None:
    """go-plugin: ReattachConfig.ReattachFunc."""
    with confined(Link(PYTHON, GO), detach=True) as pair:
        first, pid = client_of(pair), pid_of(pair)
        reattach = first.reattach_config()
        assert reattach.pid == 0
        directory = os.path.dirname(reattach.address.text)
        config = ClientConfig(
            reattach=reattach,
            attached_runner=lambda _: InNamespaces(directory, pid),
            handshake=HANDSHAKE,
            plugins={"callback": CallbackPlugin()},
        )
        with Client(config) as later:
            later.ping()
            assert later.id == str(pid)
            if hangs:
                os.kill(pid, signal.SIGSTOP)
                later.kill(0)
        assert later.exited
        assert first.wait(WAIT) is not None


def as_somebody_else(spec: RunnerSpec) -> CommandRunner:
    """Run the plugin as a user without rights, in the socket group. Needs root."""
    group = f"--groups={spec.socket_group}" if spec.socket_group else "--clear-groups"
    user = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", group, "--"]
    is_root = os.geteuid() == 0
    return CommandRunner(spec, command=[*user, *spec.command] if is_root else None)


@pytest.mark.parametrize("mtls", [True, False], ids=["mtls", "plain"])
def test_a_socket_group_lets_a_plugin_of_another_user_call_and_be_called(
    mtls: bool, nothing_left: Path
) -> None:
    """go-plugin: UnixSocketConfig.Group; without root the user is the same one."""
    nothing_left.chmod(0o711)
    group = GROUP if os.geteuid() == 0 else os.getgid()
    link = Link(PYTHON, GO, mtls)
    place = UnixSocketConfig(group=str(group))
    with confined(link, runner=as_somebody_else, unix_socket=place) as pair:
        for dialler, acceptor in pair.both_ways:
            assert outcome(dialler.dial(*acceptor.accept(count=2))) == (2, {})
        directory = Path(client_of(pair).address.text).parent
        assert (directory.stat().st_gid, directory.stat().st_mode & 0o777) == (
            (group, 0o770)
        )
        found = [each.stat() for each in directory.iterdir()]
        assert len(found) == 5
        assert {(each.st_gid, each.st_mode & 0o777) for each in found} == {
            (group, 0o660)
        }
        assert len({each.st_uid for each in found}) == (2 if os.geteuid() == 0 else 1)


def test_a_plugin_may_not_lead_its_host_elsewhere() -> None:
    """What a line names is looked for in the shared directory only."""
    line = "1|1|unix|/var/run/docker.sock|grpc|"
    command = ["/bin/sh", "-c", f"echo '{line}'; read -r line"]
    config = python_config(
        Link(PYTHON, GO), command=command, runner=namespaces, **CONFINED
    )
    with pytest.raises(LaunchError, match="it is no unix socket in /sockets"):
        Client(config).start()


def test_the_example_compresses_a_file_that_its_plugin_can_not_open(
    tmp_path: Path,
) -> None:
    """docs/hosts.md: runners and containers."""
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(b"to be or not to be\n" * 100_000)
    done = subprocess.run(
        [sys.executable, CONTAINER / "confined.py", source, target,
         binary("streams-plugin")],
        env=os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'examples' / 'streams'}"},
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("1900000 bytes, compressed to ")
    assert gzip.decompress(target.read_bytes()) == source.read_bytes()
