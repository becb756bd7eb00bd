"""Reading what a process writes: lines, the handshake line, and the very end."""

import itertools
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goplugin_py.process.local import LocalRunner
from goplugin_py.process.output import FirstLine, LineSplitter, OutputReader
from goplugin_py.wire.handshake import MAX_LINE_LENGTH
from tests.peers import WAIT

Line = tuple[bytes, bool]


def split(limit: int, *pieces: bytes) -> list[Line]:
    """Feed pieces; return the lines and whether each is part of a longer one."""
    lines: list[Line] = []
    splitter = LineSplitter(limit, lambda *line: lines.append(line))
    for piece in pieces:
        splitter.feed(piece)
    splitter.finish()
    return lines


# LineSplitter


def test_lines_come_without_their_ends() -> None:
    """Go's bufio.ReadLine drops a carriage return too."""
    assert split(100, b"one\ntwo\r\n\nfour") == [
        (b"one", False),
        (b"two", False),
        (b"", False),
        (b"four", False),
    ]


def test_nothing_gives_no_line() -> None:
    assert split(100) == split(100, b"") == []


def test_a_line_comes_as_soon_as_it_is_complete() -> None:
    lines: list[Line] = []
    splitter = LineSplitter(100, lambda *line: lines.append(line))
    splitter.feed(b"one")
    assert lines == []
    splitter.feed(b"\ntwo")
    assert lines == [(b"one", False)]


def test_a_line_of_just_the_limit_is_whole() -> None:
    assert split(4, b"abcd\nx\n") == [(b"abcd", False), (b"x", False)]


def test_a_longer_line_comes_in_pieces() -> None:
    """go-plugin: logStderr, which tells continued lines from new ones."""
    assert split(4, b"abcdefghij\nx\n") == [
        (b"abcd", True),
        (b"efgh", True),
        (b"ij", True),
        (b"x", False),
    ]


def test_pieces_come_before_the_line_ends() -> None:
    lines: list[Line] = []
    splitter = LineSplitter(4, lambda *line: lines.append(line))
    splitter.feed(b"abcdefghij")
    assert lines == [(b"abcd", True), (b"efgh", True)]


def test_a_long_line_may_lack_its_end() -> None:
    assert split(4, b"abcdef") == [(b"abcd", True), (b"ef", True)]


@given(data=st.text("ab\r\n").map(str.encode), cuts=st.lists(st.integers(0, 30)))
def test_lines_do_not_depend_on_how_the_bytes_were_cut(
    data: bytes, cuts: list[int]
) -> None:
    edges = [0, *sorted(cut for cut in cuts if cut < len(data)), len(data)]
    pieces = [data[a:b] for a, b in itertools.pairwise(edges)]
    single = [data[i : i + 1] for i in range(len(data))]
    whole = split(3, data)
    assert split(3, *pieces) == split(3, *single) == whole
    assert all(len(line) <= 3 for line, _ in whole)


# FirstLine


def first_line(*pieces: bytes) -> FirstLine:
    first = FirstLine()
    for piece in pieces:
        first.feed(piece)
    return first


@pytest.mark.parametrize(
    "pieces",
    [
        (b"1|1|unix|/p\n",),
        (b"1|1|", b"unix|/p", b"\n"),
        tuple(bytes([byte]) for byte in b"1|1|unix|/p\n"),
        (b"1|1|unix|/p\nsecond\n",),
        (b"1|1|unix|/p\n", b"second\n"),
    ],
)
def test_the_first_line_ends_at_its_newline(pieces: tuple[bytes, ...]) -> None:
    first = first_line(*pieces)
    assert first.wait(0)
    assert first.text == "1|1|unix|/p"
    assert not first.is_overlong


def test_the_first_line_is_awaited() -> None:
    first = first_line(b"1|1|")
    assert not first.wait(0)
    timer = threading.Timer(0.01, first.feed, [b"unix|/p\n"])
    timer.start()
    assert first.wait(WAIT)
    timer.join(WAIT)


def test_the_end_of_stdout_completes_the_line() -> None:
    """go-plugin reads it with a bufio.Scanner."""
    first = first_line(b"1|1|unix|/p")
    first.finish()
    assert first.wait(0)
    assert first.text == "1|1|unix|/p"


def test_no_output_is_no_line_and_an_empty_line_is_one() -> None:
    silent = first_line()
    silent.finish()
    assert silent.wait(0)
    assert silent.text is None
    assert first_line(b"\n").text == ""


def test_an_endless_line_is_cut_where_go_plugin_gives_up() -> None:
    """Go: bufio.MaxScanTokenSize."""
    first = first_line(*[bytes(1000).replace(b"\0", b"x")] * 66)
    assert first.wait(0)
    assert first.is_overlong
    assert first.text == "x" * MAX_LINE_LENGTH


def test_the_longest_line_that_is_not_overlong() -> None:
    assert not first_line(b"x" * (MAX_LINE_LENGTH - 1) + b"\n").is_overlong


def test_bytes_that_are_no_text_are_kept() -> None:
    """Paths are bytes; go-plugin's host connects to such a path, too."""
    text = first_line(b"1|1|unix|/tmp/\xff\n").text
    assert text is not None
    assert os.fsencode(text) == b"1|1|unix|/tmp/\xff"


# OutputReader


@dataclass
class Collected:
    """What a reader has handed on."""

    stdout: list[bytes] = field(default_factory=list)
    stderr: list[bytes] = field(default_factory=list)
    statuses: list[int | None] = field(default_factory=list)


def read(
    script: str,
    *,
    on_stdout: Callable[[bytes], None] | None = None,
    command: list[str] | None = None,
) -> tuple[LocalRunner, OutputReader, Collected]:
    """Start a shell script, or a command, and its reader."""
    runner = LocalRunner(command or ["/bin/sh", "-c", script], dict(os.environ))
    runner.start()
    got = Collected()
    reader = OutputReader(
        runner,
        on_stdout=on_stdout or got.stdout.append,
        on_stderr=got.stderr.append,
        on_exit=got.statuses.append,
    )
    reader.start()
    return runner, reader, got


def test_everything_is_delivered_before_the_exit_is_announced() -> None:
    runner, reader, got = read("echo out; echo err >&2; exit 7")
    assert reader.exited.wait(WAIT)
    assert b"".join(got.stdout) == b"out\n"
    assert b"".join(got.stderr) == b"err\n"
    assert got.stdout[-1] == got.stderr[-1] == b""
    assert got.statuses == [7]
    assert runner.status == 7
    assert reader.join(WAIT)


def test_a_megabyte_on_each_stream_is_delivered_whole() -> None:
    _, reader, got = read("head -c 1000000 /dev/zero; head -c 1000000 /dev/zero >&2")
    assert reader.exited.wait(WAIT)
    assert len(b"".join(got.stdout)) == len(b"".join(got.stderr)) == 1_000_000


def test_a_grandchild_that_keeps_the_pipes_does_not_delay_the_end() -> None:
    """Everything that the process itself wrote is delivered nonetheless."""
    _, reader, got = read("sleep 60 & echo $!; head -c 50000 /dev/zero >&2; exit 3")
    assert reader.exited.wait(WAIT)
    os.kill(int(b"".join(got.stdout)), signal.SIGKILL)
    assert len(b"".join(got.stderr)) == 50_000
    assert got.stdout[-1] == got.stderr[-1] == b""
    assert got.statuses == [3]


def test_a_grandchild_that_writes_without_end_does_not_delay_the_end() -> None:
    _, reader, got = read("yes & echo $! >&2; exit 0")
    assert reader.exited.wait(WAIT)
    os.kill(int(b"".join(got.stderr)), signal.SIGKILL)
    assert got.statuses == [0]


def test_a_process_may_close_its_output_and_run_on() -> None:
    ended = threading.Event()

    def take(data: bytes) -> None:
        if not data:
            ended.set()

    runner, reader, got = read("exec >&-; exec sleep 60", on_stdout=take)
    assert ended.wait(WAIT)
    assert not reader.exited.is_set()
    runner.kill()
    assert reader.exited.wait(WAIT)
    assert got.statuses == [-signal.SIGKILL]


def test_a_process_that_has_ended_leaves_no_zombie_and_no_descriptor() -> None:
    runner, reader, _ = read("exit 0")
    assert reader.exited.wait(WAIT)
    assert runner.pid is not None
    with pytest.raises(ProcessLookupError):
        os.kill(runner.pid, 0)
    with pytest.raises(ValueError, match="closed"):
        _ = runner.stdout
    runner.kill()  # harmless: nobody else gets the signal


def test_a_consumer_that_fails_does_not_stop_the_reading(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(_data: bytes) -> None:
        raise RuntimeError("a bug")

    _, reader, got = read("head -c 500000 /dev/zero; echo end >&2", on_stdout=fail)
    assert reader.exited.wait(WAIT)
    assert b"".join(got.stderr) == b"end\n"
    assert got.statuses == [0]
    assert "a consumer of plugin output failed" in caplog.text


def test_without_pidfds_a_thread_waits_for_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What systems other than Linux do."""
    monkeypatch.delattr(os, "pidfd_open")
    runner, reader, got = read("echo out; exit 5")
    assert reader.exited.wait(WAIT)
    assert b"".join(got.stdout) == b"out\n"
    assert got.statuses == [5]
    assert runner.status == 5


def test_the_readers_own_thread_may_join_it() -> None:
    joined: list[bool] = []
    holder: list[OutputReader] = []
    ready = threading.Event()

    def take(data: bytes) -> None:
        ready.wait(WAIT)
        joined.append(holder[0].join(WAIT))

    _, reader, _ = read("echo out", on_stdout=take)
    holder.append(reader)
    ready.set()
    assert reader.join(WAIT)
    assert joined[0] is False


def test_the_readers_thread_is_named_after_the_program() -> None:
    _, reader, _ = read("", command=[sys.executable, "-c", ""])
    name = f"goplugin-output-{os.path.basename(sys.executable)}"
    assert reader._thread.name == name
    assert reader._thread.daemon
    assert reader.join(WAIT)


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "goplugin")
