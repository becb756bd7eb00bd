"""What a plugin writes to stderr, as log records and as the tail of an error."""

import contextlib
import logging

import pytest
from structlog.testing import CapturingLogger

from goplugin_py.process.log import MAX_TAIL_LINE, TAIL_LINES, StderrLog
from goplugin_py.wire.log_line import LINE_BUFFER_SIZE


class Records(logging.Handler):
    """Keeps what a logger hands it."""

    def __init__(self) -> None:
        super().__init__(0)
        self.seen: list[tuple[str, int, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.seen.append((record.name, record.levelno, record.getMessage()))


@pytest.fixture
def parent() -> logging.Logger:
    """A logger of the test's own, with its children."""
    root = logging.RootLogger(0)
    logger = logging.Manager(root).getLogger("host")
    logger.setLevel(1)
    return logger


@pytest.fixture
def records(parent: logging.Logger) -> Records:
    records = Records()
    parent.addHandler(records)
    return records


def test_a_line_goes_to_a_child_logger_named_after_the_plugin(
    parent: logging.Logger, records: Records
) -> None:
    log = StderrLog(parent, "kv")
    log.feed(b'{"@level":"warn","@message":"careful","@module":"kv.store"}\n')
    log.feed(b"plain\n")
    assert [level for _, level, _ in records.seen] == [logging.WARNING, logging.DEBUG]
    assert records.seen[0][2] == "careful"
    assert records.seen[1] == ("host.kv", logging.DEBUG, "plain")
    assert all(name.startswith("host.kv") for name, _, _ in records.seen)


def test_without_a_logger_the_records_go_to_goplugin(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.DEBUG, "goplugin"):
        StderrLog(None, "kv").feed(b"hello\n")
    assert caplog.record_tuples == [("goplugin.kv", logging.DEBUG, "hello")]


def test_a_structlog_logger_is_taken_as_it_is() -> None:
    class Logger(CapturingLogger):
        def bind(self, **_values: object) -> object:
            return self

    logger = Logger()
    StderrLog(logger, "kv").feed(b'{"@level":"info","@message":"hi","size":3}\n')
    (call,) = logger.calls
    assert (call.method_name, call.args) == ("info", ("hi",))
    assert call.kwargs["size"] == 3


def test_the_line_after_one_that_is_too_long_is_a_line_again(
    parent: logging.Logger, records: Records
) -> None:
    """go-plugin: logStderr, whose continuation ends with the line."""
    log = StderrLog(parent, "kv")
    log.feed(b"x" * (LINE_BUFFER_SIZE + 1) + b"\n")
    log.feed(b'{"@level":"error","@message":"seen"}\n')
    assert records.seen[2:] == [("host.kv", logging.ERROR, "seen")]


def test_a_line_may_come_in_pieces_and_lack_its_end(
    parent: logging.Logger, records: Records
) -> None:
    log = StderrLog(parent, "kv")
    for piece in (b"on", b"e\ntw", b"o", b""):
        log.feed(piece)
    assert [message for _, _, message in records.seen] == ["one", "two"]


def test_a_huge_line_is_logged_in_pieces(
    parent: logging.Logger, records: Records
) -> None:
    """go-plugin: defaultPluginLogBufferSize."""
    log = StderrLog(parent, "kv")
    log.feed(b"x" * (LINE_BUFFER_SIZE * 2 + 5) + b"\n")
    assert [len(message) for _, _, message in records.seen] == [
        LINE_BUFFER_SIZE,
        LINE_BUFFER_SIZE,
        5,
    ]


def test_a_panic_is_an_error_to_its_last_line(
    parent: logging.Logger, records: Records
) -> None:
    """go-plugin: logStderr."""
    log = StderrLog(parent, "kv")
    log.feed(b"before\npanic: boom\n\ngoroutine 1 [running]:\n")
    assert [level for _, level, _ in records.seen] == [
        logging.DEBUG,
        *[logging.ERROR] * 3,
    ]


def test_the_tail_keeps_the_last_lines_short_and_printable(
    parent: logging.Logger,
) -> None:
    log = StderrLog(parent, "kv")
    assert log.tail == []
    log.feed(b"".join(b"line %d\n" % number for number in range(100)))
    log.feed(b"y" * 5000 + b"\n\xff\xfe\n")
    assert len(log.tail) == TAIL_LINES
    assert log.tail[0] == "line 82"
    assert log.tail[-2:] == ["y" * MAX_TAIL_LINE, r"\xff\xfe"]


def test_a_handler_that_fails_does_not_lose_the_tail(parent: logging.Logger) -> None:
    class Failing(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise RuntimeError("a bug")

    parent.addHandler(Failing())
    log = StderrLog(parent, "kv")
    with contextlib.suppress(RuntimeError):  # the thread that reads logs it
        log.feed(b"one\n")
    assert log.tail == ["one"]
