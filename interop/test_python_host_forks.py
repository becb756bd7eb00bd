"""Python hosts that fork and start processes beside live links to Go plugins."""

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from interop.echo_pb2 import Payload
from interop.echo_pb2_grpc import EchoStub
from interop.fixtures import ROOT
from interop.python_host import WAIT, echo, echo_config
from tests.peers import SCRIPT_WAIT, run_python

pytestmark = pytest.mark.usefixtures("nothing_left")

# What the requirement says.
PLUGINS = 50
PROCESSES = 1000

FORK = """
import os, sys
from goplugin_py import Client, ClientClosed, cleanup_clients
from interop.python_host import echo_config
from interop.echo_pb2 import Payload

options = eval(sys.argv[1])
client = Client(echo_config(**options))
stub = client.dispense("echo")
child = os.fork()
if child == 0:
    for use in (client.start, client.ping, client.wait, lambda: client.channel):
        try:
            use()
        except ClientClosed as exc:
            assert "forked from" in str(exc)
        else:
            raise AssertionError(use)
    client.kill()
    cleanup_clients()
    del client, stub
    sys.exit(7)  # runs what is registered for the interpreter's end
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
assert stub.Unary(Payload(number=3), timeout=5).number == 3
client.kill()
print(client.exit_status)
"""

WORKERS = """
import multiprocessing, sys
from concurrent.futures import ProcessPoolExecutor
from interop.python_host import echo, echo_config
from interop.echo_pb2 import Payload

def work(number):
    with echo(echo_config()) as (_, stub):
        return stub.Unary(Payload(number=number), timeout=5).number

if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    with echo(echo_config()) as (client, stub):
        with ProcessPoolExecutor(2, mp_context=context) as pool:
            assert list(pool.map(work, range(1, 5))) == [1, 2, 3, 4]
        assert stub.Unary(Payload(number=5), timeout=5).number == 5
    print(client.exit_status)
"""


@pytest.mark.parametrize(
    "options",
    [{"auto_mtls": False}, {"auto_mtls": True}, {"managed": True}],
    ids=["plain", "mtls", "managed"],
)
def test_forked_child_sees_closed_clients_and_leaves_the_plugin(
    options: dict[str, bool],
) -> None:
    """Requirement: children of `os.fork` see closed clients, and do not hang."""
    assert run_python(FORK, repr(options))[0] == "0\n"


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_multiprocessing_workers_have_plugins_of_their_own(
    method: str, tmp_path: Path
) -> None:
    """Requirement: these two start methods work beside a live link."""
    script = tmp_path / "workers.py"
    script.write_text(WORKERS)
    ended = subprocess.run(
        [sys.executable, str(script), method],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=SCRIPT_WAIT,
        check=False,
    )
    assert (ended.stdout, ended.returncode) == ("0\n", 0), ended.stderr


def test_processes_start_beside_many_live_plugins() -> None:
    """Requirement: no hang or abort of `subprocess` beside gRPC's threads."""
    done = threading.Event()

    def keep_busy(stub: EchoStub) -> int:
        calls = 0
        while not done.is_set():
            calls += stub.Unary(Payload(number=1), timeout=4 * WAIT).number
        return calls

    def start(number: int) -> str:
        command = ["echo", str(number)]
        return subprocess.run(
            command, capture_output=True, text=True, timeout=4 * WAIT, check=True
        ).stdout

    with ExitStack() as stack:
        with ThreadPoolExecutor(PLUGINS) as pool:
            configs = [
                # All start at once, maybe on a busy machine.
                echo_config(auto_mtls=n % 2 == 0, start_timeout=SCRIPT_WAIT)
                for n in range(PLUGINS)
            ]
            links = list(pool.map(lambda c: stack.enter_context(echo(c)), configs))
        with ThreadPoolExecutor(4) as busy, ThreadPoolExecutor(4) as starters:
            callers = [busy.submit(keep_busy, stub) for _, stub in links[:4]]
            try:
                printed = list(starters.map(start, range(PROCESSES)))
            finally:
                done.set()
            assert all(caller.result(timeout=4 * WAIT) for caller in callers)
        assert printed == [f"{number}\n" for number in range(PROCESSES)]
        assert [stub.Unary(Payload(number=2)).number for _, stub in links]
    assert [client.exit_status for client, _ in links] == [0] * PLUGINS
