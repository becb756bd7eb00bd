"""examples/iglu: the tour, as a user would run it, on a terminal and not."""

import contextlib
import io
import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from interop.fixtures import ROOT, binary

TOUR = ROOT / "examples" / "iglu" / "tour.py"
TIMEOUT = 60  # seconds; the tour takes about four, more on a busy machine
ESCAPE = re.compile(r"\x1b\[\d+m")


@contextlib.contextmanager
def started(
    tmp: Path, stdout: int = subprocess.PIPE
) -> "Iterator[subprocess.Popen[str]]":
    assert binary("kv-plugin").exists()
    with subprocess.Popen(
        [sys.executable, str(TOUR)],
        env={**os.environ, "TMPDIR": str(tmp), "NO_COLOR": ""},
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
    ) as tour:
        try:
            yield tour
        finally:
            tour.kill()


@pytest.fixture
def output(short_tmp: Path) -> Iterator[str]:
    """Give what a tour prints; it must leave nothing behind."""
    with started(short_tmp) as tour:
        stdout, stderr = tour.communicate(timeout=TIMEOUT)
    assert (tour.returncode, stderr) == (0, ""), stdout
    yield stdout
    assert list(short_tmp.iterdir()) == []


def test_the_tour_shows_each_part_of_a_plugins_life(output: str) -> None:
    """Requirement: load, list, crash, mark, restart, reload, unload; both languages."""
    expected = [
        r"go-kv +1\.8\.0 +Key-value store in Go +HashiCorp +sha256:\w{8}",
        r"python-kv +1\.0\.0 +Key-value store in Python +The goplugin_py authors +-",
        r"! python-kv-1\.9/plugin\.yaml: version: '1\.9' is not a semantic version",
        r"\* running: go-kv, process 1",
        r"\* running: python-kv, process 1",
        r"go-kv answers: hello Written from plugin-go-grpc",
        r"go-kv says of itself: nothing",
        r"python-kv answers: hello, says version 1\.0\.0",
        r"python-kv says of itself: python-kv 1\.0\.0",
        r"ended in ConnectionLost: the plugin go-kv is gone: killed by SIGKILL",
        r"\* crashed: the plugin go-kv is gone: killed by SIGKILL; it is started again",
        r"\* running: go-kv, process 2",
        r"go-kv +1\.8\.0 +running +2",
        r"go-kv answers: hello Written from plugin-go-grpc",
        r"python-kv 1\.1\.0 is new",
        r"\* running: python-kv, process 2",
        r"python-kv +1\.1\.0 +running +2",
        r"[1-9]\d* calls meanwhile, 0 lost",
        r"python-kv answers: hello, says version 1\.1\.0",
        r"\* stopped: go-kv, after 2 processes",
        r"All plugins are gone",
    ]
    place = 0
    for words in expected:
        found = re.compile(words).search(output, place)
        assert found, f"{words} is not in what follows:\n{output[place:]}"
        place = found.end()


def test_it_is_plain_text_where_it_is_no_terminal(output: str) -> None:
    assert "\x1b" not in output
    assert max(map(len, output.splitlines())) < 130


def test_it_has_colours_on_a_terminal(short_tmp: Path) -> None:
    terminal, end = pty.openpty()
    with started(short_tmp, stdout=end) as tour, open(terminal, "rb", 0) as reader:
        os.close(end)
        shown = b"".join(until_hung_up(reader))
        assert tour.wait(TIMEOUT) == 0
    text = shown.decode()
    assert "\x1b[32mrunning\x1b[0m" in text
    assert "\x1b[31mcrashed\x1b[0m" in text
    assert "running: go-kv, process 2" in ESCAPE.sub("", text)


def until_hung_up(terminal: io.FileIO) -> Iterator[bytes]:
    with contextlib.suppress(OSError):  # Linux's word for a terminal that nobody holds
        while data := terminal.read(65536):
            yield data
