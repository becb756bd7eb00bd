"""The example of complex arguments, as a user would run it."""

import gzip
import os
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest

from interop.fixtures import ROOT, binary

EXAMPLE = ROOT / "examples" / "streams"
TIMEOUT = 60  # seconds; a run takes about one, more on a busy machine

COMMANDS = {
    "go": lambda: [str(binary("streams-plugin"))],
    "python": lambda: [sys.executable, str(EXAMPLE / "gzip_plugin.py")],
}

pytestmark = pytest.mark.usefixtures("nothing_left")


def run(source: Path, target: Path, *plugin: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, EXAMPLE / "compress.py", source, target, *plugin],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )


@pytest.mark.parametrize("plugin", COMMANDS)
@pytest.mark.parametrize("size", [0, 1, 10_000_000])
def test_a_plugin_compresses_a_file_that_its_host_has_opened(
    plugin: str, size: int, tmp_path: Path
) -> None:
    """Complex arguments: with AutoMTLS, in chunks, against Go and Python."""
    # Every other byte is random: what is sent back is long as well.
    content = random.Random(size).randbytes(size // 2) + b"\0" * (size - size // 2)
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(content)
    done = run(source, target, *COMMANDS[plugin]())
    assert (done.returncode, done.stderr) == (0, "")
    assert re.match(rf"{size} bytes, compressed to \d+\n", done.stdout)
    assert gzip.decompress(target.read_bytes()) == content


@pytest.mark.parametrize("plugin", COMMANDS)
def test_a_file_that_can_not_be_read_fails_the_call(
    plugin: str, tmp_path: Path
) -> None:
    """An error in the host's servicer reaches the plugin, and through it the host."""
    unreadable = Path("/proc/self/mem")
    done = run(unreadable, tmp_path / "target", *COMMANDS[plugin]())
    assert done.returncode == 1
    assert "status = StatusCode.UNKNOWN" in done.stderr
