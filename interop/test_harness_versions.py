"""Go plugins built with older versions of go-plugin, under a Python host.

1.4.3 is in Terraform 1.5; 1.6.3 has multiplexing. The tests of test_python_host*.py
show what the current version does, those of test_broker_versions.py the broker.
"""

import hashlib
import io
import logging
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import grpc
import pytest

from goplugin_py import (
    Client,
    ClientConfig,
    ConnectionLost,
    ExitedEarly,
    HandshakeConfig,
    MultiplexUnsupported,
    VersionMismatch,
)
from interop.echo_pb2 import (
    CrashRequest,
    FailRequest,
    LogRequest,
    Payload,
    PrintRequest,
    SleepRequest,
    StreamRequest,
)
from interop.echo_pb2_grpc import EchoStub
from interop.fixtures import binary
from interop.python_host import ECHO, WAIT, code_of, echo, echo_config, stop
from tests.peers import until

pytestmark = pytest.mark.usefixtures("nothing_left")

MIB = 1 << 20
OLDEST, OLDER = "1.4.3", "1.6.3"
versions = pytest.mark.parametrize("version", [OLDEST, OLDER])


@dataclass(frozen=True, slots=True)
class Link:
    """A Go plugin, and how a host is connected to it."""

    version: str
    network: str = "unix"
    mtls: bool = False
    mux: bool = False

    @property
    def program(self) -> str:
        """The fixture."""
        name = "tcp-plugin" if self.network == "tcp" else "echo-plugin"
        return f"{name}-{self.version}"

    def config(self, **changes: Any) -> ClientConfig:
        """Configure a host."""
        command = str(binary(self.program))
        return echo_config(
            command, auto_mtls=self.mtls, broker_multiplex=self.mux, **changes
        )

    def __str__(self) -> str:
        security = "mtls" if self.mtls else "plain"
        return f"{self.version}-{self.network}-{security}" + "-mux" * self.mux


LINKS = [
    *(
        Link(version, network, mtls)
        for version in (OLDEST, OLDER)
        for network in ("unix", "tcp")
        for mtls in (False, True)
    ),
    *(Link(OLDER, mtls=mtls, mux=True) for mtls in (False, True)),
]
links = pytest.mark.parametrize("link", LINKS, ids=str)


@pytest.fixture(params=LINKS, ids=str)
def stub(request: pytest.FixtureRequest, nothing_left: object) -> Iterator[EchoStub]:
    """Give the Echo of each older plugin, on each kind of link."""
    with echo(request.param.config()) as (_, stub):
        yield stub


# Calls


def test_older_plugins_answer_calls_of_every_kind(stub: EchoStub) -> None:
    """The four kinds of rpc, with more than grpcio's 4 MiB where it matters."""
    big = Payload(data=bytes(range(256)) * (5 * MIB // 256), number=-1)
    assert stub.Unary(big, timeout=4 * WAIT) == big
    received = stub.ServerStream(StreamRequest(count=500, size=1000), timeout=4 * WAIT)
    assert [payload.number for payload in received] == list(range(500))
    sent = [Payload(data=bytes([n]) * 5000, number=n) for n in range(200)]
    summary = stub.ClientStream(iter(sent), timeout=4 * WAIT)
    assert summary.sha256 == hashlib.sha256(b"".join(b.data for b in sent)).digest()
    assert list(stub.Bidi(iter(sent), timeout=4 * WAIT)) == sent


def test_older_plugins_send_status_details_and_metadata(stub: EchoStub) -> None:
    """gRPC's errors, and metadata in all three places."""
    request = FailRequest(code=9, message="not now \u20ac", detail="the detail")
    with pytest.raises(grpc.RpcError) as caught:
        stub.Fail(request, timeout=WAIT)
    assert isinstance(caught.value, grpc.Call)
    assert code_of(caught.value) is grpc.StatusCode.FAILED_PRECONDITION
    assert caught.value.details() == "not now \u20ac"
    details = dict(caught.value.trailing_metadata() or ())["grpc-status-details-bin"]
    assert b"the detail" in details

    reply, call = stub.Metadata.with_call(
        Payload(), metadata=(("x-echo", "there and back"),), timeout=WAIT
    )
    assert reply.received["x-echo"] == "there and back"
    assert dict(call.initial_metadata())["x-initial"] == "there and back"
    assert dict(call.trailing_metadata())["x-trailing"] == "there and back"


def test_older_plugins_end_calls_by_deadline_and_by_cancelling(stub: EchoStub) -> None:
    """The link is good for the next call after both."""
    with pytest.raises(grpc.RpcError) as caught:
        stub.Sleep(SleepRequest(seconds=60), timeout=0.2)
    assert code_of(caught.value) is grpc.StatusCode.DEADLINE_EXCEEDED
    call = stub.ServerStream(StreamRequest(count=100_000, size=1000), timeout=60)
    assert next(call).number == 0
    assert call.cancel()
    assert stub.Unary(Payload(number=7), timeout=WAIT).number == 7


# Output and logs


@links
def test_older_plugins_output_and_log_arrive(
    link: Link, caplog: pytest.LogCaptureFixture
) -> None:
    """1 MiB of stdout and of stderr by the stdio service; hclog's records as such."""
    caplog.set_level(5, "goplugin")
    out, err = io.BytesIO(), io.BytesIO()
    with echo(link.config(sync_stdout=out, sync_stderr=err)) as (_, stub):
        block = bytes(range(256)) * 256
        request = PrintRequest(stdout=block, stderr=block[::-1], repeat=16)
        stub.Print(request, timeout=4 * WAIT)
        until(lambda: out.tell() >= MIB and err.tell() >= MIB)
        stub.Log(
            LogRequest(level="warn", message="careful", module="sub", pairs={"k": "v"}),
            timeout=WAIT,
        )
        until(lambda: "careful" in caplog.messages)
    assert out.getvalue() == block * 16
    assert err.getvalue() == block[::-1] * 16
    [record] = [r for r in caplog.records if r.getMessage() == "careful"]
    assert record.levelno == logging.WARNING
    assert (record.__dict__["plugin_module"], record.__dict__["k"]) == ("sub", "v")


# Start


@versions
def test_older_plugins_settle_on_the_highest_common_version(version: str) -> None:
    """go-plugin: `protocolVersion`."""
    sets = {2: ECHO, 3: ECHO, 5: ECHO}
    config = Link(version).config(
        versioned_plugins=sets, env={"ECHO_VERSIONS": "1,2,3"}
    )
    with Client(config) as client:
        assert client.negotiated_version == 3


@versions
def test_older_plugins_without_a_common_version_are_refused(version: str) -> None:
    """go-plugin: `protocolVersion` answers with the lowest, and the host says no."""
    client = Client(Link(version).config(env={"ECHO_VERSIONS": "2,3"}))
    with pytest.raises(VersionMismatch) as caught:
        client.start()
    assert caught.value.plugin == 2


@versions
def test_older_plugins_without_their_cookie_explain_themselves(version: str) -> None:
    """go-plugin: `Serve` tells people on stderr; the host's error shows it."""
    wrong = HandshakeConfig(1, "ECHO_PLUGIN", "wrong")
    config = Link(version).config(handshake=wrong)
    with pytest.raises(ExitedEarly, match="This binary is a plugin") as caught:
        Client(config).start()
    assert caught.value.status == 1


def test_plugin_of_1_4_3_is_refused_for_multiplexing() -> None:
    """go-plugin 1.4.3 prints six fields; 1.8.0: ErrGRPCBrokerMuxNotSupported."""
    with pytest.raises(MultiplexUnsupported):
        Client(Link(OLDEST, mtls=True, mux=True).config()).start()


# End


@links
def test_older_plugins_end_when_they_are_asked_to(
    link: Link, caplog: pytest.LogCaptureFixture
) -> None:
    """go-plugin: `Client.Kill` calls Shutdown, which is hardly ever answered."""
    with echo(link.config()) as (client, stub):
        call = stub.Sleep.future(SleepRequest(seconds=60), timeout=60)
        client.ping()
        client.kill()
        assert call.exception(timeout=WAIT) is not None
    assert client.exit_status == 0
    assert "did not end gracefully" not in caplog.text


@versions
def test_older_plugins_that_do_not_end_are_killed(version: str) -> None:
    """go-plugin: `Client.Kill` after its grace."""
    with Client(Link(version, mtls=True).config()) as client:
        stop(client.pid)
        client.kill(0.1)
        assert client.exit_status == -signal.SIGKILL


@links
def test_older_plugins_that_crash_tell_their_status(link: Link) -> None:
    """The call is UNAVAILABLE, and the next one says how the process ended."""
    with echo(link.config()) as (client, stub):
        with pytest.raises(grpc.RpcError) as caught:
            stub.Crash(CrashRequest(kind=CrashRequest.EXIT, status=3), timeout=WAIT)
        assert code_of(caught.value) is grpc.StatusCode.UNAVAILABLE
        with pytest.raises(ConnectionLost) as lost:
            client.ping()
        assert lost.value.status == 3
