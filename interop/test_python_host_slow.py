"""Python hosts whose files and log handlers take their time."""

import io
import logging
import threading
import time
from collections.abc import Iterator

import pytest

from goplugin_py import Client
from interop.echo_pb2 import Payload, PrintRequest
from interop.echo_pb2_grpc import EchoStub
from interop.python_host import WAIT, echo, echo_config, eventually

pytestmark = pytest.mark.usefixtures("nothing_left")

MIB = 1024 * 1024
GRACE = 0.5


class Gate:
    """Holds up whoever comes, until it is opened."""

    def __init__(self) -> None:
        self.is_reached = threading.Event()
        self._is_open = threading.Event()

    def pass_through(self) -> None:
        self.is_reached.set()
        assert self._is_open.wait(10 * WAIT)

    def open(self) -> None:
        self._is_open.set()


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.open()


class SlowFile(io.BytesIO):
    def __init__(self, gate: Gate) -> None:
        super().__init__()
        self._gate = gate

    def write(self, data: object, /) -> int:
        self._gate.pass_through()
        return super().write(data)  # type: ignore[arg-type]


@pytest.fixture
def slow_log(gate: Gate) -> Iterator[list[str]]:
    """A handler that waits at the gate; gives the messages that have passed."""
    passed: list[str] = []

    class SlowHandler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if "line" in record.getMessage():  # and not what Go logs at its start
                gate.pass_through()
                passed.append(record.getMessage())

    handler = SlowHandler()
    logger = logging.getLogger("goplugin.echo-plugin")
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    yield passed
    logger.removeHandler(handler)
    logger.setLevel(logging.NOTSET)


def call(stub: EchoStub) -> int:
    return stub.Unary(Payload(number=1), timeout=WAIT).number


def seconds_to_kill(client: Client) -> float:
    started = time.monotonic()
    client.kill(GRACE)
    return time.monotonic() - started


def test_slow_file_holds_up_neither_calls_nor_loses_anything(gate: Gate) -> None:
    """The stream waits, and with it who prints more than the pipes between hold."""
    out = SlowFile(gate)
    with echo(echo_config(sync_stdout=out)) as (_, stub):
        request = PrintRequest(stdout=b"x" * MIB, repeat=16)
        printing = stub.Print.future(request, timeout=10 * WAIT)
        assert gate.is_reached.wait(WAIT)
        assert call(stub) == 1
        gate.open()
        printing.result()
        assert eventually(lambda: out.tell() == 16 * MIB)


def test_slow_log_holds_up_neither_calls_nor_loses_anything(
    gate: Gate, slow_log: list[str]
) -> None:
    """As above, for stderr: a pipe holds 64 KiB."""
    with echo(echo_config()) as (_, stub):
        request = PrintRequest(stderr=b"a line of the log\n" * 1000, repeat=10)
        request.raw_fd = True
        printing = stub.Print.future(request, timeout=10 * WAIT)
        assert gate.is_reached.wait(WAIT)
        assert call(stub) == 1
        assert not printing.done()
        gate.open()
        printing.result()
        assert eventually(lambda: slow_log.count("a line of the log") == 10_000)


def test_kill_does_not_wait_for_a_file_that_is_stuck(gate: Gate) -> None:
    """Requirement: within grace and a second, whatever a user's own code does."""
    with echo(echo_config(sync_stdout=SlowFile(gate))) as (client, stub):
        stub.Print(PrintRequest(stdout=b"x"), timeout=WAIT)
        assert gate.is_reached.wait(WAIT)
        assert seconds_to_kill(client) < GRACE + 1
        assert client.exited
        gate.open()


def test_kill_does_not_wait_for_a_log_that_is_stuck(
    gate: Gate, slow_log: list[str]
) -> None:
    """As above; the status is known once the handler has let go."""
    with echo(echo_config()) as (client, stub):
        stub.Print(PrintRequest(stderr=b"line\n", raw_fd=True), timeout=WAIT)
        assert gate.is_reached.wait(WAIT)
        assert seconds_to_kill(client) < GRACE + 1
        gate.open()
        assert client.wait(WAIT) == 0
