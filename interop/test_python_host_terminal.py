"""Python hosts in a terminal: their plugins may use it, and Ctrl-C is the host's."""

import contextlib
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from interop.echo_plugin import COMMAND as PYTHON_PLUGIN
from interop.fixtures import ROOT, binary

# A terminal's processes start slowly on a busy machine.
WAIT = 20.0

# Takes a terminal for its own, as a shell's child has it, and becomes the host.
IN_TERMINAL = """
import os, sys
terminal = os.open(sys.argv[1], os.O_RDWR)  # a session's first one controls it
for fd in (0, 1, 2):
    os.dup2(terminal, fd)
os.execv(sys.executable, [sys.executable, "-c", *sys.argv[2:]])
"""

ASKING_HOST = """
import sys
from interop.echo_pb2 import EnvRequest
from interop.python_host import echo, echo_config

script = 'printf "Password: " >/dev/tty; read -r ANSWER; export ANSWER; exec "$0"'
with echo(echo_config("/bin/sh", "-c", script, sys.argv[1])) as (_, stub):
    print("heard", stub.Env(EnvRequest(names=["ANSWER"])).values["ANSWER"])
"""

CALLING_HOST = """
import os, queue, signal, sys
from interop.echo_pb2 import Payload
from interop.python_host import echo, echo_config

with echo(echo_config(*sys.argv[1:])) as (client, stub):
    sent = queue.Queue()
    answers = stub.Bidi(iter(sent.get, None), timeout=60)
    sent.put(Payload(number=1))
    assert next(answers).number == 1
    # What the terminal sends goes to both.
    assert os.getpgid(client.pid) == os.tcgetpgrp(0) == os.getpgrp()
    try:
        print("ready", flush=True)
        signal.pause()  # an Event that is interrupted may lose its lock
    except KeyboardInterrupt:
        sent.put(Payload(number=2))
        print("after it came", next(answers).number)
        sent.put(None)
        assert list(answers) == []
print("ended with", client.exit_status)
"""


class Terminal:
    """A terminal with a host in it, from the side of the person who sits there."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._shown = ""

    def wait_for(self, text: str) -> None:
        """Read until a text is shown."""
        end = time.monotonic() + WAIT
        while text not in self._shown:
            ready, _, _ = select.select([self._fd], [], [], end - time.monotonic())
            assert ready, self._shown
            self._shown += os.read(self._fd, 4096).decode()

    def type(self, text: str) -> None:
        """Type."""
        os.write(self._fd, text.encode())


@contextlib.contextmanager
def in_terminal(*command: str) -> Iterator[Terminal]:
    ours, theirs = os.openpty()
    try:
        with subprocess.Popen(
            [sys.executable, "-c", IN_TERMINAL, os.ttyname(theirs), *command],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            start_new_session=True,
        ) as host:
            yield Terminal(ours)
            assert host.wait(WAIT) == 0
    finally:
        os.close(theirs)
        os.close(ours)


def test_plugin_reads_from_the_hosts_terminal() -> None:
    """go-plugin: `cmd.Stdin = os.Stdin`; a plugin may run ssh, which asks there."""
    with in_terminal(ASKING_HOST, str(binary("echo-plugin"))) as terminal:
        terminal.wait_for("Password: ")
        terminal.type("swordfish\n")
        terminal.wait_for("heard swordfish")


@pytest.mark.parametrize("plugin", ["go", "python"])
def test_ctrl_c_reaches_the_host_and_no_call_in_flight(plugin: str) -> None:
    """go-plugin: `Serve` swallows it; the host decides what is to end."""
    command = PYTHON_PLUGIN if plugin == "python" else [str(binary("echo-plugin"))]
    with in_terminal(CALLING_HOST, *command) as terminal:
        terminal.wait_for("ready")
        terminal.type("\x03")
        terminal.wait_for("after it came 2")
        terminal.wait_for("ended with 0")
