"""What becomes of a Go plugin whose Python host is killed.

One that was detached lives on: see test_reattach.py.
"""

import os
import signal
import time
from pathlib import Path

import pytest

from interop.python_host import eventually
from tests.peers import run_python

# What a user may rely on; a busy machine needs some of it.
LIMIT = 2.0

HOST = """
import os, signal, sys, threading
from goplugin_py import Client
from interop.python_host import echo_config

how = sys.argv[1]
options = eval(sys.argv[2])
client = Client(echo_config(**options))
if how == "thread":
    thread = threading.Thread(target=client.start)
    thread.start()
    thread.join()
else:
    client.start()
if how == "stopped":
    os.kill(client.pid, signal.SIGSTOP)
if how == "forked":
    child = os.fork()
    if child == 0:
        os.closerange(0, 3)
        threading.Event().wait()
    print(child)
print(client.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def is_running(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2]
    except OSError:  # also where it ends while it is read
        return False
    return status.split()[0] != "Z"


def orphans(how: str, directory: Path, **options: object) -> list[int]:
    """Start a plugin from a host that is killed; return what the host printed."""
    out, _ = run_python(
        HOST, how, repr(options), status=-signal.SIGKILL, TMPDIR=str(directory)
    )
    return [int(word) for word in out.split()]


@pytest.mark.parametrize("auto_mtls", [False, True], ids=["plain", "mtls"])
@pytest.mark.parametrize("how", ["main", "thread", "stopped"])
def test_go_plugin_is_gone_within_two_seconds(
    how: str, auto_mtls: bool, short_tmp: Path
) -> None:
    """Requirement; go-plugin leaves it running. A thread may end before the host."""
    [pid] = orphans(how, short_tmp, auto_mtls=auto_mtls)
    killed = time.monotonic()
    assert eventually(lambda: not is_running(pid))
    assert time.monotonic() - killed < LIMIT


def test_forked_child_of_the_host_does_not_keep_the_plugin(short_tmp: Path) -> None:
    """It inherits the descriptors that tell that the host lives."""
    child, pid = orphans("forked", short_tmp)
    try:
        assert eventually(lambda: not is_running(pid))
        assert is_running(child)
    finally:
        os.kill(child, signal.SIGKILL)
