"""What the tests of logs share."""

import logging
from datetime import UTC, datetime

from goplugin_py.hclog import JSONFormatter, Record, parse_line

NOON = datetime(2024, 2, 29, 12, 0, 0, 123456, tzinfo=UTC)
TIMEOUT = 5.0


def parsed(line: str | bytes) -> Record:
    record = parse_line(line)
    assert record is not None, line
    return record


def formatted(record: logging.LogRecord, **options: bool) -> Record:
    return parsed(JSONFormatter(**options).format(record))


def log_record(level: int, message: object, *args: object) -> logging.LogRecord:
    return logging.LogRecord("kv", level, "kv.py", 7, str(message), args, None)
