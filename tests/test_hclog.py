"""Logs from `logging` and structlog to a host, and a plugin's records into a host's."""

import io
import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from logging.handlers import QueueHandler
from pathlib import Path
from queue import SimpleQueue

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import CapturingLogger, capture_logs

from goplugin_py import hclog
from goplugin_py.errors import ConfigError
from goplugin_py.hclog import (
    HCLogRenderer,
    JSONFormatter,
    Level,
    Record,
    StderrHandler,
    configure,
    forward,
    parse_line,
    redirect,
)

NOON = datetime(2024, 2, 29, 12, 0, 0, 123456, tzinfo=UTC)
TIMEOUT = 5.0


@pytest.fixture(autouse=True)
def restored_logging() -> Iterator[None]:
    """Leave the root logger and structlog as they were."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
    hclog._reported.clear()


@pytest.fixture
def logger() -> logging.Logger:
    """A logger of its own for the test, below no other."""
    logger = logging.Logger("host")
    logger.setLevel(Level.TRACE)
    return logger


class Keeper(logging.Handler):
    """Keeps the records that it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@pytest.fixture
def kept(logger: logging.Logger) -> list[logging.LogRecord]:
    keeper = Keeper()
    logger.addHandler(keeper)
    return keeper.records


def parsed(line: str | bytes) -> Record:
    record = parse_line(line)
    assert record is not None, line
    return record


def formatted(record: logging.LogRecord, **options: bool) -> Record:
    return parsed(JSONFormatter(**options).format(record))


def log_record(level: int, message: object, *args: object) -> logging.LogRecord:
    return logging.LogRecord("kv", level, "kv.py", 7, str(message), args, None)


# JSONFormatter


def test_a_log_record_becomes_an_hclog_record() -> None:
    """hclog: intLogger.logJSON."""
    record = logging.makeLogRecord(
        {
            "name": "kv.store",
            "levelno": logging.WARNING,
            "msg": "only %d left",
            "args": (3,),
            "created": NOON.timestamp(),
            "user_id": 42,
            "tags": ["a", None],
            "ratio": 0.5,
        }
    )
    pairs = {"user_id": 42, "tags": ["a", None], "ratio": 0.5}
    assert formatted(record) == Record(
        Level.WARN, "only 3 left", "kv.store", NOON, pairs
    )


@pytest.mark.parametrize(
    ("number", "level"),
    [
        (1, Level.TRACE),
        (logging.DEBUG, Level.DEBUG),
        (logging.INFO, Level.INFO),
        (25, Level.INFO),
        (logging.ERROR, Level.ERROR),
        (logging.CRITICAL, Level.ERROR),
    ],
)
def test_every_level_of_logging_is_one_of_hclog_s(number: int, level: Level) -> None:
    """go-plugin: logStderr knows five levels."""
    assert formatted(log_record(number, "m")).level is level


def test_the_root_logger_has_no_module() -> None:
    """hclog: jsonMapEntry omits an empty name."""
    record = logging.makeLogRecord({"name": "root", "msg": "m"})
    assert "@module" not in JSONFormatter().format(record)


def test_an_exception_becomes_error_and_stacktrace() -> None:
    """hclog: logJSON, errors become their text; Stacktrace has its own key."""
    record = log_record(logging.ERROR, "failed")
    try:
        raise KeyError("name")
    except KeyError:
        record.exc_info = sys.exc_info()
    pairs = formatted(record).pairs
    assert pairs["error"] == "KeyError: 'name'"
    assert str(pairs["stacktrace"]).startswith("Traceback (most recent call last):")
    assert str(pairs["stacktrace"]).endswith("KeyError: 'name'")


def test_a_value_of_the_user_s_wins_over_the_exception_s() -> None:
    """What the author names explicitly is what the author means."""
    record = log_record(logging.ERROR, "failed")
    record.exc_info = (ValueError, ValueError("x"), None)
    record.error = "mine"
    assert formatted(record).pairs["error"] == "mine"


@pytest.mark.parametrize("exc_info", [None, False, (None, None, None)])
def test_no_exception_adds_nothing(exc_info: object) -> None:
    """logging.Logger.error(exc_info=True) outside an except block."""
    record = log_record(logging.ERROR, "m")
    record.__dict__["exc_info"] = exc_info
    assert formatted(record).pairs == {}


def test_a_stack_is_a_stacktrace() -> None:
    """logging's stack_info=True."""
    record = log_record(logging.INFO, "m")
    record.stack_info = "Stack (most recent call last):\n  ..."
    assert formatted(record).pairs == {"stacktrace": record.stack_info}


def test_a_record_keeps_its_pairs_through_a_queue(logger: logging.Logger) -> None:
    """logging.handlers.QueueHandler.prepare."""
    queue: SimpleQueue[logging.LogRecord] = SimpleQueue()
    logger.addHandler(QueueHandler(queue))
    logger.info("n is %d", 1, extra={"n": 1})
    record = formatted(queue.get(timeout=TIMEOUT))
    assert (record.message, record.pairs) == ("n is 1", {"n": 1})


def test_arguments_that_do_not_fit_are_shown() -> None:
    """logging prints a traceback to stderr then, which a host shows as Debug noise."""
    record = formatted(log_record(logging.INFO, "%d files", "many"))
    assert record.message == "%d files"
    assert record.pairs["logging_args"] == ["many"]
    assert "%d format" in str(record.pairs["logging_error"])


class Unprintable:
    def __str__(self) -> str:
        raise RuntimeError("no text")


def test_a_message_without_text_is_named() -> None:
    """A raising __str__ must not break logging."""
    record = logging.makeLogRecord({"msg": Unprintable()})
    assert formatted(record).message == "<unprintable Unprintable>"


def test_the_caller_is_optional() -> None:
    """hclog: IncludeLocation, jsonMapEntry."""
    record = log_record(logging.INFO, "m")
    assert formatted(record).caller == ""
    assert formatted(record, include_caller=True).caller == "kv.py:7"


def test_a_time_that_no_calendar_has_is_left_out() -> None:
    """A LogRecord may be made by hand."""
    record = logging.makeLogRecord({"msg": "m", "created": float("inf")})
    assert formatted(record).timestamp is None


# HCLogRenderer


def rendered(method: str = "info", wrapped: object = None, **event: object) -> Record:
    return parsed(HCLogRenderer()(wrapped, method, dict(event)))


def test_an_event_becomes_an_hclog_record() -> None:
    """structlog's usual keys."""
    assert rendered(
        event="stored",
        level="warning",
        logger="kv.store",
        timestamp="2024-02-29T12:00:00.123456Z",
        user_id=42,
    ) == Record(Level.WARN, "stored", "kv.store", NOON, {"user_id": 42})


@pytest.mark.parametrize(
    ("name", "level"),
    [
        ("trace", Level.TRACE),
        ("debug", Level.DEBUG),
        ("info", Level.INFO),
        ("msg", Level.INFO),
        ("warn", Level.WARN),
        ("WARNING", Level.WARN),
        ("exception", Level.ERROR),
        ("critical", Level.ERROR),
        ("fatal", Level.ERROR),
        (35, Level.WARN),
    ],
)
def test_structlog_s_levels_are_mapped(name: str | int, level: Level) -> None:
    """structlog: map_method_name, add_log_level."""
    assert rendered(level=name).level is level
    if isinstance(name, str):
        assert rendered(name).level is level


@pytest.mark.parametrize(
    "stamp",
    [
        NOON,
        NOON.timestamp(),
        "2024-02-29T13:00:00.123456+01:00",
        "2024-02-29 12:00:00.123456",
        NOON.astimezone().replace(tzinfo=None),
    ],
)
def test_timestamps_of_any_kind_are_understood(stamp: object) -> None:
    """structlog.processors.TimeStamper; naive text is its UTC, naive objects local."""
    assert rendered(timestamp=stamp).timestamp == NOON


def test_an_event_without_a_time_gets_the_present() -> None:
    """A Go host would show the year 1."""
    before = datetime.now(UTC)
    for event in ({}, {"timestamp": "noon"}):
        timestamp = rendered(**event).timestamp
        assert timestamp is not None
        assert before <= timestamp <= datetime.now(UTC)
    assert rendered(timestamp="noon").pairs == {"timestamp": "noon"}


def test_the_module_is_the_first_name_found() -> None:
    """structlog.stdlib.add_logger_name, and loggers that have a name."""
    named = logging.Logger("wrapped")
    assert rendered(logger_name="kv").module == "kv"
    assert rendered(wrapped=named).module == "wrapped"
    assert rendered(wrapped=logging.getLogger()).module == ""
    assert rendered(wrapped=object()).module == ""


def test_exceptions_are_named_as_hclog_names_them() -> None:
    """structlog's three forms of exc_info, and format_exc_info's result."""
    error = ValueError("bad")
    for exc_info in (error, (ValueError, error, None), [ValueError, error, None]):
        pairs = rendered(exc_info=exc_info).pairs
        assert pairs == {"error": "ValueError: bad", "stacktrace": "ValueError: bad"}
    try:
        raise error
    except ValueError:
        assert rendered(exc_info=True).pairs["error"] == "ValueError: bad"
    assert rendered(exception="Traceback").pairs == {"stacktrace": "Traceback"}
    assert rendered(exc_info=True).pairs == {}


class Shy(Exception):
    @property
    def __cause__(self) -> BaseException:  # type: ignore[override]
        raise RuntimeError("not telling")

    def __str__(self) -> str:
        raise RuntimeError("not telling")


def test_an_exception_that_can_not_be_shown_is_named() -> None:
    """A raising __str__ must not break logging."""
    assert "Shy" in str(rendered(exc_info=Shy()).pairs["error"])


@given(st.dictionaries(st.text(), st.text() | st.integers() | st.floats() | st.none()))
def test_any_event_is_rendered(event: dict[str, object]) -> None:
    """A processor that raises breaks the caller's own code."""
    parsed(HCLogRenderer()(None, "info", event))


# The descriptor


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
    monkeypatch.setattr(hclog, "STALL_TIMEOUT", 0.01)
    os.set_blocking(pipe[1], False)
    for _ in range(20):
        StderrHandler().handle(log_record(logging.INFO, "x" * 10_000))


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
    with hclog._log_file._lock:
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


# configure


def lines_of(stream: io.StringIO) -> list[Record]:
    return [parsed(line) for line in stream.getvalue().splitlines()]


def test_configure_sends_logging_to_the_stream() -> None:
    """hclog: New with JSONFormat and Trace, go-plugin: Serve's default logger."""
    stream = io.StringIO()
    configure(stream=stream)
    logging.getLogger("kv").log(Level.TRACE, "m", extra={"n": 1})
    (record,) = lines_of(stream)
    assert (record.level, record.module, record.pairs) == (Level.TRACE, "kv", {"n": 1})
    assert logging.getLevelName(5) == "TRACE"


@pytest.mark.parametrize(
    ("level", "shown"),
    [
        ("trace", "trace debug info warning error critical"),
        ("INFO", "info warning error critical"),
        (" warn ", "warning error critical"),
        ("warning", "warning error critical"),
        ("critical", "critical"),
        ("off", ""),
        (logging.ERROR, "error critical"),
        (7, "debug info warning error critical"),
        (Level.DEBUG, "debug info warning error critical"),
    ],
)
@pytest.mark.parametrize("kind", ["logging", "structlog"])
def test_configure_takes_names_and_numbers(
    level: str | int, shown: str, kind: str
) -> None:
    """hclog: LevelFromString, and the names of logging."""
    stream = io.StringIO()
    configure(level, stream, structlog=True)
    names = ["trace", "debug", "info", "warning", "error", "critical"]
    for name, number in zip(names, (5, 10, 20, 30, 40, 50), strict=True):
        if kind == "logging":
            logging.getLogger("kv").log(number, name)
        else:
            getattr(structlog.get_logger("kv"), name)(name)
    records = lines_of(stream)
    assert " ".join(record.message for record in records) == shown
    assert {record.module for record in records} <= {"kv"}


def test_configure_refuses_other_names() -> None:
    """A misspelt level must not silence a plugin."""
    with pytest.raises(ConfigError, match="unknown log level 'loud'"):
        configure("loud")


def test_configure_again_replaces_its_own_handler_only() -> None:
    """Idempotent."""
    root = logging.getLogger()
    own = StderrHandler(io.StringIO())
    root.addHandler(own)
    before = root.handlers[:]
    configure(stream=io.StringIO())
    stream = io.StringIO()
    configure("info", stream)
    assert own in root.handlers
    assert len(root.handlers) == len(before) + 1
    logging.info("m")
    assert len(lines_of(stream)) == 1


def test_configure_can_add_the_caller() -> None:
    """hclog: IncludeLocation."""
    stream = io.StringIO()
    configure(stream=stream, include_caller=True)
    logging.info("m")
    assert Path(__file__).name in lines_of(stream)[0].caller


def test_configure_sends_structlog_to_the_same_place() -> None:
    """structlog: bound values, contextvars and key-values all become pairs."""
    stream = io.StringIO()
    configure(stream=stream)
    log = structlog.get_logger("kv").bind(user_id=42)
    with structlog.contextvars.bound_contextvars(request="r1"):
        log.trace("for %s", "you", n=1.5)
        log.trace("100%")
    try:
        raise ValueError("bad")
    except ValueError:
        log.exception("failed")
    first, second, third = lines_of(stream)
    assert (first.level, first.message, first.module) == (Level.TRACE, "for you", "kv")
    assert first.pairs == {"user_id": 42, "request": "r1", "n": 1.5}
    assert second.message == "100%"
    assert (third.level, third.pairs["error"]) == (Level.ERROR, "ValueError: bad")


def test_configure_respects_a_structlog_that_is_configured_otherwise() -> None:
    """The author's own chain stays; asking for it explicitly replaces it."""
    capturing = CapturingLogger()
    structlog.configure(processors=[], logger_factory=lambda *_: capturing)
    stream = io.StringIO()
    configure(stream=stream)
    structlog.get_logger().info("m")
    assert lines_of(stream) == []
    configure(stream=stream, structlog=True)
    structlog.get_logger().info("m")
    assert len(lines_of(stream)) == 1


def test_configure_follows_its_own_structlog_configuration() -> None:
    """Calling it again changes the level of structlog as well; False does not."""
    first, second = io.StringIO(), io.StringIO()
    configure(stream=first)
    log = structlog.get_logger()
    log.info("to the first")
    configure("error", second)
    log.info("to none")
    log.error("to the second")
    configure(stream=io.StringIO(), structlog=False)
    log.error("to the second, too")
    assert [record.message for record in lines_of(first)] == ["to the first"]
    assert len(lines_of(second)) == 2


@pytest.mark.parametrize("kind", ["logging", "structlog"])
def test_a_closed_stream_is_no_error(
    kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Test runners close the streams that they capture with."""
    stream = io.StringIO()
    configure(stream=stream)
    stream.close()
    log = structlog.get_logger() if kind == "structlog" else logging.getLogger()
    log.info("m")
    assert capsys.readouterr().err == ""


def run_python(code: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, timeout=30
    )


def test_structlog_is_imported_only_on_demand() -> None:
    """Start-up time is a feature: importing structlog takes 90 ms."""
    code = (
        "import sys; from goplugin_py import hclog; hclog.configure();"
        "print([m for m in ('structlog', 'grpc', 'cryptography') if m in sys.modules]);"
        "hclog.configure(structlog=True); print('structlog' in sys.modules)"
    )
    assert run_python(code).stdout == b"[]\nTrue\n"


def test_a_plugin_s_stderr_has_whole_lines_only() -> None:
    """Concurrent partial lines would merge, and be text to a host."""
    code = """
import logging, os, sys, threading
from goplugin_py import hclog
import structlog
hclog.configure()
hclog.redirect(os.dup(2))
os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
def log(number):
    for n in range(200):
        logging.getLogger("a").info("x" * 3000, extra={"n": n})
        structlog.get_logger("b").info("y" * 3000, n=n)
threads = [threading.Thread(target=log, args=(n,)) for n in range(4)]
for t in threads: t.start()
for t in threads: t.join()
print("not a log line", file=sys.stderr)
"""
    lines = run_python(code).stderr.splitlines()
    assert len(lines) == 1600
    assert {parsed(line).module for line in lines} == {"a", "b"}


# forward


def test_a_plugin_s_record_becomes_a_log_record(
    logger: logging.Logger, kept: list[logging.LogRecord]
) -> None:
    """As `extra=` would: level, module, timestamp and key-values are attributes."""
    pairs = {"user_id": 42, "tags": ["a"]}
    forward(Record(Level.WARN, "100% of %s", "kv.store", NOON, pairs), logger)
    (record,) = kept
    assert record.name == "host"
    assert record.levelno == logging.WARNING
    assert record.getMessage() == "100% of %s"
    assert vars(record)["plugin_module"] == "kv.store"
    assert vars(record)["plugin_timestamp"] == NOON
    assert vars(record)["plugin_pairs"] == pairs
    assert vars(record)["user_id"] == 42
    assert record.created == NOON.timestamp()
    assert int(record.msecs) == 123
    text = logging.Formatter("%(asctime)s %(levelname)s %(user_id)s").format(record)
    assert text.endswith(",123 WARNING 42")


def test_pairs_that_clash_are_only_in_the_dict(
    logger: logging.Logger, kept: list[logging.LogRecord]
) -> None:
    """logging.Logger.makeRecord refuses them in extra=."""
    pairs = {
        **{"name": 1, "msg": 2, "getMessage": 3, "message": 4, "asctime": 5},
        **{"taskName": 6, "plugin_pairs": 7, "plugin_module": 8, "__class__": 9},
        "has space": 10,
    }
    forward(Record(Level.INFO, "m", pairs=pairs), logger)
    (record,) = kept
    assert (record.name, record.getMessage()) == ("host", "m")
    assert vars(record)["plugin_pairs"] == pairs
    assert vars(record)["plugin_module"] == ""
    assert vars(record)["has space"] == 10


@pytest.mark.parametrize(
    "moment", [None, datetime.min.replace(tzinfo=UTC), NOON - timedelta(days=30_000)]
)
def test_a_time_that_logging_can_not_show_is_the_present(
    logger: logging.Logger, kept: list[logging.LogRecord], moment: datetime | None
) -> None:
    """time.localtime does not take every time on every system."""
    before = datetime.now(UTC).timestamp()
    forward(Record(Level.INFO, "m", timestamp=moment), logger)
    assert kept[0].created >= before - 0.001
    assert vars(kept[0])["plugin_timestamp"] == moment


@pytest.mark.parametrize("level", Level)
def test_levels_keep_their_numbers_and_names(
    logger: logging.Logger, kept: list[logging.LogRecord], level: Level
) -> None:
    """hclog's Trace has no counterpart in logging: it is 5, named TRACE."""
    forward(Record(level, "m"), logger)
    assert kept[0].levelno == level
    assert kept[0].levelname.startswith(level.name)


def test_a_disabled_level_makes_no_record(
    logger: logging.Logger, kept: list[logging.LogRecord]
) -> None:
    """go-plugin: logStderr, logLevel < loggerLevel."""
    logger.setLevel(logging.INFO)
    forward(Record(Level.DEBUG, "m"), logger)
    forward(Record(Level.INFO, "m"), logger)
    assert len(kept) == 1


def test_a_forwarded_record_can_be_sent_on(
    logger: logging.Logger, kept: list[logging.LogRecord]
) -> None:
    """A host that is a plugin itself: no pair is lost and none is doubled."""
    forward(Record(Level.INFO, "m", "kv", NOON, {"name": "n", "user_id": 42}), logger)
    record = formatted(kept[0])
    assert (record.message, record.timestamp) == ("m", NOON)
    assert record.pairs == {
        "name": "n",
        "user_id": 42,
        "plugin_module": "kv",
        "plugin_timestamp": NOON.isoformat(),
    }


def test_a_structlog_logger_gets_keys() -> None:
    """As structlog passes them on: everything is a key of the event."""
    with capture_logs() as events:
        record = Record(Level.WARN, "100% of %s", "kv.store", NOON, {"user_id": 42})
        forward(record, structlog.get_logger())
    assert events == [
        {
            "event": "100% of %s",
            "log_level": "warning",
            "module": "kv.store",
            "timestamp": NOON,
            "user_id": 42,
        }
    ]


def test_keys_that_clash_with_structlog_s_are_renamed() -> None:
    """structlog: the parameters of its methods, the keys of its processors."""
    pairs = {
        **{"self": 1, "event": 2, "level": 3, "module": 4, "timestamp": 5},
        **{"exc_info": True, "method_name": 7, "stack_info": True, "log_level": 9},
        **{"plugin_event": 10, "has space": 11},
    }
    with capture_logs() as events:
        forward(Record(Level.INFO, "m", "kv", NOON, pairs), structlog.get_logger())
    (event,) = events
    assert (event["event"], event["module"], event["log_level"]) == ("m", "kv", "info")
    assert event["plugin_level"] == 3
    assert {event["plugin_event"], event.get("plugin_plugin_event")} == {2, 10}
    assert event["plugin_exc_info"] is True
    assert event["has space"] == 11
    assert len(event) == len(pairs) + 4


@pytest.mark.parametrize(
    ("level", "method"),
    [
        (Level.TRACE, "trace"),
        (Level.DEBUG, "debug"),
        (Level.INFO, "info"),
        (Level.WARN, "warning"),
        (Level.ERROR, "error"),
    ],
)
def test_structlog_s_methods_are_called_by_level(level: Level, method: str) -> None:
    """Trace is debug where the logger has none, as with structlog's own filters."""
    capturing = CapturingLogger()
    forward(Record(level, "m"), structlog.BoundLogger(capturing, [], {}))
    assert capturing.calls[0].method_name == method
    with capture_logs() as events:
        forward(Record(level, "m"), structlog.get_logger())
    assert events[0]["log_level"] == {"trace": "debug"}.get(method, method)


def test_a_structlog_logger_on_top_of_logging_works(
    logger: logging.Logger, kept: list[logging.LogRecord]
) -> None:
    """structlog.stdlib: its chain hands the keys to extra=, where some may clash."""
    bound = structlog.stdlib.BoundLogger(
        logger, [structlog.stdlib.render_to_log_kwargs], {}
    )
    forward(Record(Level.TRACE, "m", pairs={"user_id": 42}), bound)
    forward(Record(Level.INFO, "m", "kv", NOON, {"user_id": 42}), bound)
    assert [record.levelno for record in kept] == [logging.DEBUG, logging.INFO]
    assert vars(kept[0])["user_id"] == 42
    assert vars(kept[1])["plugin_module"] == "kv"
    assert vars(kept[1])["plugin_pairs"] == {"user_id": 42}


class Broken(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        raise RuntimeError("disk full")


def test_a_logger_that_raises_is_reported_once(
    logger: logging.Logger, caplog: pytest.LogCaptureFixture
) -> None:
    """The reader's thread has to survive the user's handlers."""
    logger.addHandler(Broken())
    for _ in range(3):
        forward(Record(Level.INFO, "m"), logger)
    assert [record.name for record in caplog.records] == ["goplugin.hclog"]
    assert "disk full" in caplog.text


def test_a_report_that_fails_too_is_not_raised(logger: logging.Logger) -> None:
    """The report may end at the same broken handler."""
    logger.addHandler(Broken())
    logging.getLogger().addHandler(Broken())
    forward(Record(Level.INFO, "m"), logger)


def test_what_is_no_logger_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    """A wrong ClientConfig.logger must not end the reader's thread."""

    class NoLogger:
        def bind(self, **new_values: object) -> object:
            return self

    forward(Record(Level.TRACE, "m"), NoLogger())
    assert "has no method for" in caplog.text


@given(st.binary())
def test_whatever_a_plugin_writes_can_be_forwarded(line: bytes) -> None:
    """Parsed or not, at both kinds of logger."""
    record = parse_line(line) or Record(Level.ERROR, line.decode("utf-8", "replace"))
    keeper = Keeper()
    logger = logging.Logger("host")
    logger.addHandler(keeper)
    forward(record, logger)
    assert len(keeper.records) == 1
    json.loads(JSONFormatter().format(keeper.records[0]))
