"""Python hosts on systems that are full, closed or strict: they work or say why."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from interop.echo_plugin import COMMAND as PYTHON_PLUGIN
from interop.fixtures import ROOT, binary
from tests.peers import SCRIPT_WAIT, run_python

# What every host here begins with.
BASE = """
import os, stat, sys
from goplugin_py import Client, LaunchError
from interop.echo_pb2 import Payload
from interop.python_host import children, echo, echo_config

def use(*command, **options):
    with echo(echo_config(*command, **options)) as (_, stub):
        assert stub.Unary(Payload(number=7), timeout=20).number == 7

def modes(path):
    both = (os.path.dirname(path), path)
    return " ".join(f"{stat.S_IMODE(os.stat(each).st_mode):o}" for each in both)
"""


UMASK = """
os.umask(int(sys.argv[1], 8))
with Client(echo_config(*sys.argv[2:])) as client:
    print(modes(client.target.removeprefix("unix:")))
    print(modes(client.address.text))
"""


@pytest.mark.parametrize("umask", ["000", "077", "777"])
@pytest.mark.parametrize("plugin", ["go", "python"])
def test_sockets_are_open_to_their_owner_alone_whatever_the_umask(
    umask: str, plugin: str
) -> None:
    """Requirement: not more, and not less. A Go plugin's is its own choice."""
    command = PYTHON_PLUGIN if plugin == "python" else [str(binary("echo-plugin"))]
    ours, theirs = run_python(BASE + UMASK, umask, *command)[0].splitlines()
    assert ours == "700 600"
    if plugin == "python":
        assert theirs == "700 600"


DESCRIPTORS = """
import resource
use()
_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
for room in range(0, 100, 4):
    limit = len(os.listdir("/proc/self/fd")) + room
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    try:
        use()
        break
    except LaunchError as exc:
        assert f"may have {limit} files open" in str(exc), exc
        assert not children()
print(room)
"""


def test_low_limit_of_descriptors_is_named_before_grpc_meets_it() -> None:
    """gRPC aborts the process when it finds none (`init_epoll1_linux`)."""
    room = int(run_python(BASE + DESCRIPTORS)[0])
    assert 32 < room < 80


FULL = """
from goplugin_py import PluginError
from goplugin_py.net import directories
directories._FALLBACK = sys.argv[1]
try:
    use(PLUGIN)
    print("worked")
except PluginError as exc:
    print(type(exc).__name__, exc)
assert not children()
"""


def on_tmpfs(
    options: str, plugin: str, *, temporary: str, fallback: str = "/tmp"
) -> str:
    """Run a host in a namespace with a file system of such a kind at /mnt."""
    source = BASE + FULL.replace("PLUGIN", plugin)
    host = shlex.join([sys.executable, "-c", source, fallback])
    script = f"mount -t tmpfs -o {options} none /mnt && exec {host}"
    ended = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "/bin/sh", "-c", script],
        env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": temporary},
        capture_output=True,
        text=True,
        timeout=SCRIPT_WAIT,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


FILE_SYSTEMS = pytest.mark.parametrize(
    ("options", "words"),
    [
        ("ro", "Read-only file system: '/mnt/goplugin-"),
        ("nr_inodes=1", "No space left on device: '/mnt/goplugin-"),
    ],
    ids=["read-only", "full"],
)


@FILE_SYSTEMS
def test_temporary_directory_that_takes_nothing_is_avoided(
    options: str, words: str, short_tmp: Path
) -> None:
    """The plugin has a place of its own."""
    plugin = f"'env', 'TMPDIR={short_tmp}', {str(binary('echo-plugin'))!r}"
    assert on_tmpfs(options, plugin, temporary="/mnt") == "worked\n"


@FILE_SYSTEMS
def test_where_nothing_takes_a_directory_the_reason_is_named(
    options: str, words: str, short_tmp: Path
) -> None:
    plugin = f"'env', 'TMPDIR={short_tmp}', {str(binary('echo-plugin'))!r}"
    out = on_tmpfs(options, plugin, temporary="/mnt", fallback="/mnt")
    assert out.startswith("ConfigError can't make a directory for sockets")
    assert words in out
    assert list(short_tmp.iterdir()) == []


def test_plugin_without_a_place_for_its_socket_says_so(short_tmp: Path) -> None:
    """go-plugin: `Serve` logs why it can't listen, and exits with status 0."""
    plugin = f"'env', 'TMPDIR=/mnt', {str(binary('echo-plugin'))!r}"
    out = on_tmpfs("ro", plugin, temporary=str(short_tmp))
    assert out.startswith("ExitedEarly")
    assert "read-only file system" in out


BARE = """
assert "HOME" not in os.environ
use()
use(auto_mtls=False, inherit_env=False)
print("ended")
"""


def test_host_without_a_home_needs_none() -> None:
    """As under systemd or in a container."""
    ended = subprocess.run(
        ["env", "-i", f"PYTHONPATH={ROOT}", sys.executable, "-c", BASE + BARE],
        capture_output=True,
        text=True,
        timeout=SCRIPT_WAIT,
        check=False,
    )
    assert (ended.stdout, ended.stderr, ended.returncode) == ("ended\n", "", 0)
