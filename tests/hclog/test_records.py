"""Records of `logging` and structlog as hclog's lines."""

import logging
import sys
from datetime import UTC, datetime
from logging.handlers import QueueHandler
from queue import SimpleQueue

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goplugin_py.hclog import (
    HCLogRenderer,
    JSONFormatter,
    Level,
    Record,
)
from tests.hclog.logs import NOON, TIMEOUT, formatted, log_record, parsed

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
