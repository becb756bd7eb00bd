"""Python hosts receive all that a Go plugin prints and logs."""

import hashlib
import io
import logging
import threading
from datetime import UTC, datetime, timedelta

import grpc
import pytest
import structlog

from goplugin_py import ConnectionLost, link
from interop.echo_pb2 import CrashRequest, LogRequest, Payload, PrintRequest
from interop.fixtures import binary
from interop.python_host import WAIT, code_of, echo, echo_config, eventually

pytestmark = pytest.mark.usefixtures("nothing_left")

MIB = 1024 * 1024
LOGGER = "goplugin.echo-plugin"


class Sink(io.BytesIO):
    """A file that announces when it has received so many bytes."""

    def __init__(self, size: int = 0) -> None:
        super().__init__()
        self.threads: set[str] = set()
        self._size = size
        self._full = threading.Event()

    def write(self, data: object, /) -> int:
        """Take bytes, and remember on which thread they came."""
        self.threads.add(threading.current_thread().name)
        count = super().write(data)  # type: ignore[arg-type]
        if self.tell() >= self._size:
            self._full.set()
        return count

    def wait(self) -> bytes:
        """Return all bytes, once the announced number has come."""
        assert self._full.wait(WAIT), f"only {self.tell()} of {self._size} bytes"
        return self.getvalue()


class FailingSink(io.BytesIO):
    """A file on a full disk."""

    def write(self, data: object, /) -> int:
        """Fail."""
        raise OSError("no space left on device")


def pattern(size: int) -> bytes:
    """Return bytes in which every displaced or lost chunk shows."""
    seeds = (hashlib.sha256(b"%d" % n).digest() for n in range(size // 32 + 1))
    return b"".join(seeds)[:size]


def records(caplog: pytest.LogCaptureFixture, message: str) -> list[logging.LogRecord]:
    """Wait until the plugin's log has a message, and return its records."""

    def found() -> list[logging.LogRecord]:
        return [r for r in caplog.records if r.getMessage() == message]

    assert eventually(lambda: bool(found())), caplog.text
    return found()


@pytest.fixture(autouse=True)
def _log_everything(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(5, "goplugin")


@pytest.mark.parametrize("auto_mtls", [False, True], ids=["plain", "mtls"])
@pytest.mark.parametrize("name", ["echo-plugin", "tcp-plugin"])
def test_megabyte_on_both_streams_arrives_intact(name: str, auto_mtls: bool) -> None:
    """go-plugin: `grpcStdioClient.Run`; requirement: 1 MB of each, byte for byte."""
    block = pattern(64 * 1024)
    out, err = Sink(MIB), Sink(MIB)
    config = echo_config(
        str(binary(name)), auto_mtls=auto_mtls, sync_stdout=out, sync_stderr=err
    )
    with echo(config) as (_, stub):
        request = PrintRequest(stdout=block, stderr=block[::-1], repeat=16)
        stub.Print(request, timeout=4 * WAIT)
        assert out.wait() == block * 16
        assert err.wait() == block[::-1] * 16
    assert out.threads == err.threads == {f"goplugin-stdio-{name}"}


def test_ten_megabytes_without_a_newline_or_a_character_arrive_on_both() -> None:
    """Requirement: what is printed is bytes, and no lines: none is UTF-8 here."""
    size, block = 10 * MIB, b"\xff\x80" * (32 * 1024)
    out, err = Sink(size), Sink(size)
    with echo(echo_config(sync_stdout=out, sync_stderr=err)) as (_, stub):
        request = PrintRequest(stdout=block, stderr=block, repeat=size // len(block))
        stub.Print(request, timeout=4 * WAIT)
        assert out.wait() == err.wait() == b"\xff\x80" * (size // 2)


def test_output_without_a_sink_is_discarded_and_blocks_nobody() -> None:
    """go-plugin: `SyncStdout` is `io.Discard` by default; a pipe holds 64 KiB."""
    with echo(echo_config()) as (_, stub):
        block = b"x" * (64 * 1024)
        request = PrintRequest(stdout=block, stderr=block, repeat=32)
        stub.Print(request, timeout=4 * WAIT)
        assert stub.Unary(Payload(number=1), timeout=WAIT).number == 1


def test_failing_sink_loses_only_its_own_stream(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Requirement: unread output would block the plugin, so reading goes on."""
    err = Sink(MIB)
    config = echo_config(sync_stdout=FailingSink(), sync_stderr=err)
    with echo(config) as (_, stub):
        block = pattern(64 * 1024)
        request = PrintRequest(stdout=block, stderr=block, repeat=16)
        stub.Print(request, timeout=4 * WAIT)
        assert err.wait() == block * 16
    assert "a stdio file failed and gets no more" in caplog.text


def test_raw_stderr_of_the_plugin_goes_to_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """go-plugin: `logStderr` shows text at Debug, or at the level of its tag."""
    with echo(echo_config()) as (_, stub):
        text = b"plain text\n[WARN] tagged text\n[ERR] no tag\n{not json}\n"
        stub.Print(PrintRequest(stderr=text, raw_fd=True), timeout=WAIT)
        for message, level in {
            "plain text": logging.DEBUG,
            "[WARN] tagged text": logging.WARNING,
            "[ERR] no tag": logging.DEBUG,
            "{not json}": logging.DEBUG,
        }.items():
            [record] = records(caplog, message)
            assert (record.name, record.levelno) == (LOGGER, level)


def test_raw_stdout_of_the_plugin_is_read_and_thrown_away() -> None:
    """go-plugin: `Client.Start` drains stdout for ever; without lines, unlike there."""
    out = Sink()
    with echo(echo_config(sync_stdout=out)) as (client, stub):
        request = PrintRequest(stdout=b"x" * (64 * 1024), repeat=160, raw_fd=True)
        stub.Print(request, timeout=4 * WAIT)
        client.ping()
    assert out.getvalue() == b""


def test_ten_megabytes_without_a_newline_on_stderr_arrive_in_pieces(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Requirement: a 10 MB line is no hang, no loss, bounded memory.

    go-plugin logs the pieces of a line longer than its buffer (64 KiB) as text.
    """
    with echo(echo_config()) as (_, stub):
        block = b"y" * (64 * 1024)
        request = PrintRequest(stderr=block, repeat=160, raw_fd=True)
        stub.Print(request, timeout=4 * WAIT)
    pieces = [len(r.getMessage()) for r in caplog.records if "yyy" in r.getMessage()]
    assert sum(pieces) == 160 * 64 * 1024
    assert max(pieces) <= 64 * 1024


@pytest.mark.parametrize(
    ("level", "number"),
    [("trace", 5), ("debug", 10), ("info", 20), ("warn", 30), ("error", 40)],
)
def test_log_record_arrives_in_logging_with_all_its_parts(
    caplog: pytest.LogCaptureFixture, level: str, number: int
) -> None:
    """Requirement: level, module, timestamp and key-values, as record attributes."""
    with echo(echo_config()) as (_, stub):
        request = LogRequest(
            level=level,
            message=f"at {level} \u2713",
            pairs={"answer": "42", "path": "a=b <c>", "name": "clashes"},
            module="sub",
        )
        stub.Log(request, timeout=WAIT)
        [record] = records(caplog, f"at {level} \u2713")
    attributes = vars(record)
    assert record.levelno == number
    assert record.name == LOGGER
    assert attributes["answer"] == "42"
    assert attributes["path"] == "a=b <c>"
    assert attributes["plugin_module"] == "sub"
    assert attributes["plugin_pairs"]["name"] == "clashes"
    stamp = attributes["plugin_timestamp"]
    assert abs(datetime.now(UTC) - stamp) < timedelta(minutes=1)
    assert record.created == pytest.approx(stamp.timestamp())


def test_log_records_go_to_a_logger_of_the_users_own(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """`ClientConfig.logger`: the plugin's name becomes a child of a stdlib logger."""
    logger = logging.getLogger("application.plugins")
    caplog.set_level(logging.INFO, logger.name)
    with echo(echo_config(logger=logger)) as (_, stub):
        stub.Log(LogRequest(level="info", message="over there"), timeout=WAIT)
        [record] = records(caplog, "over there")
    assert record.name == "application.plugins.echo-plugin"


def test_log_records_arrive_in_structlog_as_keys() -> None:
    """Requirement: structlog gets event, level, module, timestamp and pairs as keys."""
    events: list[dict[str, object]] = []
    arrived = threading.Event()

    def collect(_: object, method: str, event: structlog.typing.EventDict) -> str:
        events.append({"method": method, **event})
        if event["event"] == "structured":
            arrived.set()
        return ""

    logger = structlog.wrap_logger(
        structlog.ReturnLogger(),
        processors=[collect],
        wrapper_class=structlog.BoundLogger,
    )
    with echo(echo_config(logger=logger.bind(host="here"))) as (_, stub):
        request = LogRequest(
            level="warn",
            message="structured",
            pairs={"answer": "42", "level": "of water"},
            module="sub",
        )
        stub.Log(request, timeout=WAIT)
        assert arrived.wait(WAIT)
    [event] = [event for event in events if event["event"] == "structured"]
    timestamp = event.pop("timestamp")
    assert isinstance(timestamp, datetime)
    assert abs(datetime.now(UTC) - timestamp) < timedelta(minutes=1)
    assert event == {
        "method": "warning",
        "event": "structured",
        "host": "here",
        "module": "sub",
        "answer": "42",
        "plugin_level": "of water",
    }


def test_go_panic_is_logged_as_an_error_from_its_first_line_to_its_last(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """go-plugin: `logStderr` puts a panic and all text after it at Error (1.7)."""
    with echo(echo_config()) as (client, stub):
        with pytest.raises(grpc.RpcError) as caught:
            stub.Crash(CrashRequest(kind=CrashRequest.PANIC), timeout=WAIT)
        assert code_of(caught.value) is grpc.StatusCode.UNAVAILABLE
        assert client.wait(WAIT) == 2  # the Go runtime's status for a panic
        with pytest.raises(ConnectionLost) as lost:
            client.ping()
        assert lost.value.status == 2
    errors = [r.getMessage() for r in caplog.records if r.levelno == logging.ERROR]
    assert errors[0] == "panic: crash requested"
    assert any(line.startswith("goroutine ") for line in errors)
    assert any("service.(*Server).Crash" in line for line in errors)


@pytest.mark.parametrize("auto_mtls", [False, True], ids=["plain", "mtls"])
def test_kill_loses_nothing_that_was_printed_before_it(
    auto_mtls: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Go plugin drops what it has not sent at Shutdown (`grpcServer.Stop`)."""
    # A busy machine makes pauses of its own.
    monkeypatch.setattr(link, "OUTPUT_PAUSE", 1.0)
    out = Sink()
    block = pattern(64 * 1024)
    config = echo_config(auto_mtls=auto_mtls, sync_stdout=out, kill_timeout=4 * WAIT)
    with echo(config) as (_, stub):
        stub.Print(PrintRequest(stdout=block, repeat=16), timeout=4 * WAIT)
    assert out.getvalue() == block * 16


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(b"\xff\xfe\x00 not text \x80", id="binary"),
        pytest.param(b"{" + b'"k":' * 20, id="cut-json"),
        pytest.param(b"[" * 60_000, id="deep-array"),
        pytest.param(b'{"a":' * 9_000 + b"1" + b"}" * 9_000, id="deep-object"),
        pytest.param(b'{"@message":1,"@level":"info"}', id="message-is-a-number"),
        pytest.param(b'{"@level":["info"]}', id="level-is-a-list"),
        pytest.param(b'{"@message":"m","@timestamp":null}', id="no-timestamp"),
        pytest.param(b'{"@message":"%s %d","@level":"info"}', id="percent-signs"),
        pytest.param(b'{"n":' + b"9" * 50_000 + b"}", id="huge-number"),
        pytest.param(b'{"@level":"info","k":"' + b"v" * 60_000 + b'"}', id="huge-json"),
        pytest.param(b'{"@level":"info","msg":"x","args":[1]}', id="record-keys"),
        pytest.param(b"\x1b]0;title\x07\x1b[2J", id="terminal-escapes"),
        pytest.param(b"\r\r\n", id="carriage-returns"),
    ],
)
def test_hostile_line_on_stderr_does_not_stop_the_log(
    caplog: pytest.LogCaptureFixture, line: bytes
) -> None:
    """Requirement: the host survives any line; Go's host panics on some of these."""
    with echo(echo_config()) as (client, stub):
        text = line + b"\nthe line after\n"
        stub.Print(PrintRequest(stderr=text, raw_fd=True), timeout=WAIT)
        records(caplog, "the line after")
        client.ping()
    assert client.exit_status == 0
    assert not [r for r in caplog.records if r.levelno >= logging.WARNING]


def test_logging_handler_that_raises_does_not_stop_the_log() -> None:
    """Requirement: a host's own bug must not block its plugin's stderr."""
    calls = []
    enough = threading.Event()

    class Broken(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            calls.append(record.getMessage())
            if "second" in calls[-1]:
                enough.set()
            raise ValueError("broken handler")

    logger = logging.getLogger("goplugin.echo-plugin")
    broken = Broken()
    logger.addHandler(broken)
    try:
        with echo(echo_config()) as (_, stub):
            stub.Print(PrintRequest(stderr=b"first\nsecond\n", raw_fd=True))
            assert enough.wait(WAIT)
            stub.Print(PrintRequest(stderr=b"z" * MIB, raw_fd=True), timeout=WAIT)
    finally:
        logger.removeHandler(broken)
