"""`configure`, for `logging` and for structlog."""

import io
import logging
import subprocess
import sys
from pathlib import Path

import pytest
import structlog
from structlog.testing import CapturingLogger

from goplugin_py.errors import ConfigError
from goplugin_py.hclog import (
    Level,
    Record,
    StderrHandler,
    configure,
)
from tests.hclog.logs import parsed


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
