"""What a Python plugin does when the Go host that started it is killed."""

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from interop.echo_plugin import COMMAND
from interop.fixtures import ROOT, binary
from interop.go_host import LINKS, Link
from interop.python_host import eventually


def is_running(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2]
    except OSError:  # also where it ends while it is read
        return False
    return status.split()[0] != "Z"


@pytest.mark.parametrize("link", LINKS, ids=str)
def test_plugin_ends_with_a_go_host_that_is_killed(link: Link, short_tmp: Path) -> None:
    """Requirement: gone within 2 seconds; nothing in go-plugin sees to that."""
    log = short_tmp / "log"
    flags = [f"-log-file={log}", f"-scenario={','.join(['big'] * 100)}", *link.flags]
    with subprocess.Popen(
        [str(binary("echo-host")), *flags, "--", *COMMAND],
        cwd=ROOT,
        env={**os.environ, **link.env, "TMPDIR": str(short_tmp)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    ) as host:
        assert host.stdout is not None
        assert json.loads(host.stdout.readline())["ok"]
        records = [json.loads(line) for line in log.read_text().splitlines()]
        (pid,) = [
            each["pid"] for each in records if each["@message"] == "plugin started"
        ]
        assert is_running(pid)
        host.send_signal(signal.SIGKILL)
    assert eventually(lambda: not is_running(pid))
    assert [path for path in short_tmp.iterdir() if path != log] == []
