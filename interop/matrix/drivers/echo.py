"""The Echo plugin in Go under a Python host."""

import hashlib
import io
import threading

import grpc
import pytest

from interop.echo_pb2 import FailRequest, LogRequest, Payload, PrintRequest
from interop.echo_pb2 import StreamRequest as Count
from interop.echo_pb2_grpc import EchoStub
from interop.matrix.drivers.python_host import PythonHost, recorded
from interop.matrix.drivers.session import Session
from interop.python_host import WAIT

BLOCK = bytes(range(256)) * 256


class _Sink(io.BytesIO):
    """A file that announces when a block has come."""

    def __init__(self) -> None:
        super().__init__()
        self._full = threading.Event()

    def write(self, data: object, /) -> int:
        count = super().write(data)  # type: ignore[arg-type]
        if self.tell() >= len(BLOCK):
            self._full.set()
        return count

    def wait(self) -> bytes:
        """Return what has come, once it is a block."""
        assert self._full.wait(WAIT), f"only {self.tell()} of {len(BLOCK)} bytes"
        return self.getvalue()


class Echo(PythonHost):
    """proto/echo.proto has something for each behaviour but the broker."""

    plugins = {"echo": EchoStub}  # noqa: RUF012

    @property
    def fixture(self) -> str:
        # The second one is the same on TCP.
        return self.peer.fixtures[self.combination.transport == "tcp"]

    def unary(self) -> None:
        sent = Payload(data=BLOCK, number=-1)
        with self.session() as session:
            echo = session.dispense("echo")
            assert session.do(lambda: echo.Unary(sent, timeout=WAIT)) == sent

    def stream(self) -> None:
        sent = [Payload(data=b"%d" % n, number=n) for n in range(50)]
        digest = hashlib.sha256(b"".join(each.data for each in sent)).digest()
        with self.session() as session:
            echo = session.dispense("echo")
            count = Count(count=50, size=1000)
            received = session.collect(lambda: echo.ServerStream(count, timeout=WAIT))
            assert [each.number for each in received] == list(range(50))
            summary = session.do(lambda: echo.ClientStream(iter(sent), timeout=WAIT))
            assert (summary.messages, summary.sha256) == (50, digest)
            assert session.collect(lambda: echo.Bidi(iter(sent), timeout=WAIT)) == sent

    def error(self) -> None:
        with self.session() as session, pytest.raises(grpc.RpcError) as caught:
            self._fail(session)
        assert isinstance(caught.value, grpc.Call | grpc.aio.AioRpcError)
        assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
        assert caught.value.details() == "nöt tödäy: 100 %"

    @staticmethod
    def _fail(session: Session) -> None:
        echo = session.dispense("echo")
        request = FailRequest(code=9, message="nöt tödäy: 100 %")
        session.do(lambda: echo.Fail(request, timeout=WAIT))

    def stdio(self) -> None:
        out, err = _Sink(), _Sink()
        with self.session(sync_stdout=out, sync_stderr=err) as session:
            echo = session.dispense("echo")
            request = PrintRequest(stdout=BLOCK, stderr=BLOCK[::-1])
            session.do(lambda: echo.Print(request, timeout=WAIT))
            assert out.wait() == BLOCK
            assert err.wait() == BLOCK[::-1]

    def log(self) -> None:
        request = LogRequest(
            level="warn", message="there ✓", module="sub", pairs={"answer": "42"}
        )
        with recorded() as (logger, records), self.session(logger=logger) as session:
            echo = session.dispense("echo")
            session.do(lambda: echo.Log(request, timeout=WAIT))
            record = records.wait_for("there ✓")
        assert record.levelname == "WARNING"
        assert vars(record)["answer"] == "42"
        assert vars(record)["plugin_module"] == "sub"
