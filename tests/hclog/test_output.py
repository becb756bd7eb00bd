"""Where log lines go, and what is met on the way."""

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from goplugin_py.hclog import (
    StderrHandler,
    output,
    redirect,
)
from tests.hclog.logs import TIMEOUT, log_record, parsed


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reader, writer = os.pipe()
    previous = redirect(writer)
    yield reader, writer
    redirect(previous)
    for fd in (reader, writer):
        with suppress(OSError):  # a test may have closed it
            os.close(fd)


def test_a_handler_writes_one_line_at_once(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """hclog: writer.Flush makes one write of each line."""
    writes: list[bytes] = []
    real_write = os.write

    def write(fd: int, data: bytes) -> int:
        writes.append(bytes(data))
        return real_write(fd, data)

    monkeypatch.setattr(os, "write", write)
    StderrHandler().handle(log_record(logging.INFO, "first"))
    assert os.read(pipe[0], 1 << 16) == writes[0]
    assert writes[0].endswith(b"}\n")
    assert len(writes) == 1


def test_a_line_is_finished_after_partial_writes(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """write(2) may take less than it is given."""
    real_write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: real_write(fd, data[:7]))
    StderrHandler().handle(log_record(logging.INFO, "first"))
    assert parsed(os.read(pipe[0], 1 << 16)).message == "first"


def test_a_full_non_blocking_pipe_is_waited_for(pipe: tuple[int, int]) -> None:
    """Some parents, and asyncio, leave the shared descriptor non-blocking."""
    reader, writer = pipe
    os.set_blocking(writer, False)
    handler = StderrHandler()
    lines = 40

    def log() -> None:
        for number in range(lines):
            handler.handle(log_record(logging.INFO, f"{number} " + "x" * 5000))

    thread = threading.Thread(target=log, daemon=True)
    thread.start()
    with open(reader, closefd=False) as stream:
        messages = [parsed(stream.readline()).message for _ in range(lines)]
    thread.join(TIMEOUT)
    assert [message.split()[0] for message in messages] == [*map(str, range(lines))]


def test_a_pipe_that_nobody_reads_costs_lines_not_the_plugin(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bounded by STALL_TIMEOUT."""
    monkeypatch.setattr(output, "STALL_TIMEOUT", 0.01)
    os.set_blocking(pipe[1], False)
    for _ in range(20):
        StderrHandler().handle(log_record(logging.INFO, "x" * 10_000))
    arrived = os.read(pipe[0], 1 << 20)
    assert 0 < arrived.count(b"\n") < 20
    assert parsed(arrived.split(b"\n", 1)[0]).message == "x" * 10_000


@pytest.mark.parametrize("end", [0, 1], ids=["reader", "writer"])
def test_a_host_that_is_gone_is_no_error(
    pipe: tuple[int, int], end: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """EPIPE and EBADF: there is nobody to tell."""
    os.close(pipe[end])
    StderrHandler().handle(log_record(logging.INFO, "m"))
    assert capsys.readouterr().err == ""


def test_redirect_moves_all_handlers_and_returns_the_previous(
    pipe: tuple[int, int],
) -> None:
    """serve: logs keep going to the original stderr after descriptor 2 has moved."""
    handler = StderrHandler()
    reader, writer = os.pipe()
    assert redirect(writer) == pipe[1]
    handler.handle(log_record(logging.INFO, "to the new"))
    assert redirect(pipe[1]) == writer
    handler.handle(log_record(logging.INFO, "to the old"))
    assert parsed(os.read(reader, 1 << 16)).message == "to the new"
    assert parsed(os.read(pipe[0], 1 << 16)).message == "to the old"
    os.close(reader)
    os.close(writer)


def test_a_formatter_that_fails_is_logging_s_affair(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """logging.Handler.handleError, silent without raiseExceptions."""
    handler = StderrHandler()
    handler.setFormatter(logging.Formatter("%(nothing)s"))
    handler.handle(log_record(logging.INFO, "m"))
    assert "nothing" in capsys.readouterr().err
    monkeypatch.setattr(logging, "raiseExceptions", False)
    handler.handle(log_record(logging.INFO, "m"))
    assert capsys.readouterr().err == ""


def test_a_forked_child_can_log_while_a_thread_of_its_parent_did(
    pipe: tuple[int, int],
) -> None:
    """The lock's owner does not exist in the child."""
    with output._log_file._lock:
        pid = os.fork()
        if pid == 0:
            thread = threading.Thread(
                target=StderrHandler().handle,
                args=(log_record(logging.INFO, "child"),),
                daemon=True,
            )
            thread.start()
            thread.join(TIMEOUT)
            os._exit(0)
    os.waitpid(pid, 0)
    os.set_blocking(pipe[0], False)
    assert parsed(os.read(pipe[0], 1 << 16)).message == "child"
