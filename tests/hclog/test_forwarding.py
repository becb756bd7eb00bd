"""A plugin's records in the logger of its host."""

import json
import logging
from datetime import UTC, datetime, timedelta

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import CapturingLogger, capture_logs

from goplugin_py.hclog import (
    JSONFormatter,
    Level,
    Record,
    forward,
    parse_line,
)
from tests.hclog.logs import NOON, formatted


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
