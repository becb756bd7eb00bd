"""Python hosts call real Go plugins: {plain, AutoMTLS} on {unix, tcp}."""

import hashlib
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from google.protobuf import any_pb2, wrappers_pb2

from goplugin_py import Client
from interop.echo_pb2 import FailRequest, Payload, SleepRequest, StreamRequest
from interop.echo_pb2_grpc import EchoStub
from interop.fixtures import binary
from interop.python_host import WAIT, code_of, echo, echo_config

pytestmark = pytest.mark.usefixtures("nothing_left")

MIB = 1024 * 1024
# 64 MiB each way through TLS in Python; a second on an idle machine.
BIG_TIMEOUT = 60.0

LINKS = {
    "unix-plain": ("echo-plugin", False),
    "unix-mtls": ("echo-plugin", True),
    "tcp-plain": ("tcp-plugin", False),
    "tcp-mtls": ("tcp-plugin", True),
}


@pytest.fixture(params=LINKS.values(), ids=list(LINKS))
def link(
    request: pytest.FixtureRequest, nothing_left: object
) -> Iterator[tuple[Client, EchoStub]]:
    """Give a client of each kind of Go plugin, and its Echo."""
    name, auto_mtls = request.param
    config = echo_config(str(binary(name)), auto_mtls=auto_mtls)
    with echo(config) as started:
        yield started


@pytest.fixture
def stub(link: tuple[Client, EchoStub]) -> EchoStub:
    """Give the Echo of each kind of Go plugin."""
    return link[1]


def blocks(count: int, size: int) -> list[Payload]:
    return [Payload(data=bytes([n % 256]) * size, number=n) for n in range(count)]


@pytest.mark.parametrize(("name", "auto_mtls"), LINKS.values(), ids=list(LINKS))
def test_link_is_what_the_plugin_listens_on(name: str, auto_mtls: bool) -> None:
    """go-plugin: `Client.Start` takes unix and tcp; TLS goes through a relay."""
    with Client(echo_config(str(binary(name)), auto_mtls=auto_mtls)) as client:
        assert client.address.network == ("tcp" if name == "tcp-plugin" else "unix")
        assert (client.target != client.address.target) is auto_mtls
        assert client.negotiated_version == 1
        assert client.id == str(client.pid)
        assert not client.exited
        assert client.exit_status is None


@pytest.mark.parametrize("size", [0, 1, 16 * 1024, 16 * 1024 + 1, MIB])
def test_unary_call_returns_what_was_sent(stub: EchoStub, size: int) -> None:
    """gRPC unary; the sizes lie around a TLS record's and an HTTP/2 frame's."""
    sent = Payload(data=bytes(range(256)) * (size // 256) + b"x" * (size % 256))
    assert stub.Unary(sent, timeout=WAIT) == sent


def test_server_stream_arrives_whole_and_in_order(stub: EchoStub) -> None:
    """gRPC server streaming."""
    request = StreamRequest(count=500, size=1000)
    received = list(stub.ServerStream(request, timeout=4 * WAIT))
    assert [payload.number for payload in received] == list(range(500))
    assert {len(payload.data) for payload in received} == {1000}


def test_client_stream_arrives_whole_and_in_order(stub: EchoStub) -> None:
    """gRPC client streaming; the plugin answers with a digest in order of arrival."""
    sent = blocks(200, 5000)
    summary = stub.ClientStream(iter(sent), timeout=4 * WAIT)
    assert (summary.messages, summary.bytes) == (200, 200 * 5000)
    assert summary.sha256 == hashlib.sha256(b"".join(b.data for b in sent)).digest()


def test_bidirectional_stream_answers_each_message_before_the_next(
    stub: EchoStub,
) -> None:
    """gRPC bidirectional streaming, in lockstep: nothing on the way may hold back."""
    answered = threading.Semaphore(1)

    def requests() -> Iterator[Payload]:
        for block in blocks(50, 100):
            assert answered.acquire(timeout=WAIT)
            yield block

    received = []
    for payload in stub.Bidi(requests(), timeout=4 * WAIT):
        received.append(payload)
        answered.release()
    assert received == blocks(50, 100)


def test_empty_streams_end_regularly(stub: EchoStub) -> None:
    """gRPC: a stream may carry no message at all."""
    assert list(stub.ServerStream(StreamRequest(), timeout=WAIT)) == []
    assert stub.ClientStream(iter(()), timeout=WAIT).messages == 0
    assert list(stub.Bidi(iter(()), timeout=WAIT)) == []


def test_message_of_64_mib_passes_in_both_directions(stub: EchoStub) -> None:
    """go-plugin: `dialGRPCConn` lifts the limits, grpcio's default is 4 MiB."""
    sent = Payload(data=bytes(256) * (64 * MIB // 256))
    sent.data = sent.data[:-4] + b"end."
    assert stub.Unary(sent, timeout=BIG_TIMEOUT) == sent


def test_server_stream_of_64_mib_arrives_whole(stub: EchoStub) -> None:
    """HTTP/2 flow control reaches through the relay; nothing is held back or lost."""
    request = StreamRequest(count=64, size=MIB)
    sizes = [len(p.data) for p in stub.ServerStream(request, timeout=BIG_TIMEOUT)]
    assert sizes == [MIB] * 64


def test_expired_deadline_ends_a_call_in_time(stub: EchoStub) -> None:
    """gRPC deadlines: DEADLINE_EXCEEDED, and long before the plugin would answer."""
    started = time.monotonic()
    with pytest.raises(grpc.RpcError) as caught:
        stub.Sleep(SleepRequest(seconds=60), timeout=0.2)
    assert code_of(caught.value) is grpc.StatusCode.DEADLINE_EXCEEDED
    assert time.monotonic() - started < WAIT


def test_cancelled_unary_call_ends_at_once(stub: EchoStub) -> None:
    """gRPC cancellation."""
    call = stub.Sleep.future(SleepRequest(seconds=60), timeout=60)
    assert call.cancel()
    with pytest.raises(grpc.FutureCancelledError):
        call.result(timeout=WAIT)
    assert call.code() is grpc.StatusCode.CANCELLED


def test_cancelled_stream_ends_and_leaves_the_link_usable(stub: EchoStub) -> None:
    """gRPC cancellation of a stream of which most is still to come."""
    call = stub.ServerStream(StreamRequest(count=100_000, size=1000), timeout=60)
    assert next(call).number == 0
    call.cancel()
    with pytest.raises(grpc.RpcError) as caught:
        for _ in call:
            pass
    assert code_of(caught.value) is grpc.StatusCode.CANCELLED
    assert stub.Unary(Payload(number=7), timeout=WAIT).number == 7


@pytest.mark.parametrize(
    "code", [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK]
)
def test_every_status_code_arrives_with_its_message(code: grpc.StatusCode) -> None:
    """gRPC status codes 1 to 16; a message with what percent-encoding must carry."""
    number: int = code.value[0]
    message = f"failed as asked: 100 % \u20ac {number}\nsecond line"
    with echo(echo_config()) as (_, stub), pytest.raises(grpc.RpcError) as caught:
        stub.Fail(FailRequest(code=number, message=message), timeout=WAIT)
    assert code_of(caught.value) is code
    assert isinstance(caught.value, grpc.Call)
    assert caught.value.details() == message


def test_status_details_arrive_in_the_trailing_metadata(stub: EchoStub) -> None:
    """grpc-go sends `google.rpc.Status` as grpc-status-details-bin."""
    request = FailRequest(code=9, message="not now", detail="the detail \u2713")
    with pytest.raises(grpc.RpcError) as caught:
        stub.Fail(request, timeout=WAIT)
    assert code_of(caught.value) is grpc.StatusCode.FAILED_PRECONDITION
    assert isinstance(caught.value, grpc.Call)
    trailing = dict(caught.value.trailing_metadata() or ())
    packed = any_pb2.Any()
    packed.Pack(wrappers_pb2.StringValue(value="the detail \u2713"))
    details = trailing["grpc-status-details-bin"]
    assert isinstance(details, bytes)
    assert packed.SerializeToString() in details


def test_metadata_passes_in_all_three_places(stub: EchoStub) -> None:
    """gRPC request, initial and trailing metadata; keys may repeat and be binary."""
    reply, call = stub.Metadata.with_call(
        Payload(),
        metadata=(
            ("x-echo", "there and back"),
            ("x-many", "1"),
            ("x-many", "2"),
            ("x-raw-bin", b"\0\x7f"),
        ),
        timeout=WAIT,
    )
    assert reply.received["x-echo"] == "there and back"
    assert reply.received["x-many"] == "1,2"
    assert reply.received["x-raw-bin"] == "\0\x7f"
    assert dict(call.initial_metadata())["x-initial"] == "there and back"
    assert dict(call.trailing_metadata())["x-trailing"] == "there and back"


def test_fifty_threads_share_one_link(stub: EchoStub) -> None:
    """Requirement: all methods are safe from any thread; 50 threads, 20 calls each."""

    def calls(caller: int) -> None:
        for number in range(20):
            sent = Payload(data=b"%d" % caller, number=number)
            assert stub.Unary(sent, timeout=4 * WAIT) == sent

    with ThreadPoolExecutor(50) as pool:
        list(pool.map(calls, range(50)))


def test_ping_and_health_answer(link: tuple[Client, EchoStub]) -> None:
    """go-plugin: `GRPCClient.Ping` asks for the health of the service `plugin`."""
    client, _ = link
    client.ping()
    check = client.channel.unary_unary(
        "/grpc.health.v1.Health/Check",
        request_serializer=bytes,
        response_deserializer=bytes,
    )
    serving = b"\x08\x01"  # HealthCheckResponse{status: SERVING}
    assert check(b"", timeout=WAIT) == serving
    assert check(b"\x0a\x06plugin", timeout=WAIT) == serving
    with pytest.raises(grpc.RpcError) as caught:
        check(b"\x0a\x05other", timeout=WAIT)
    assert code_of(caught.value) is grpc.StatusCode.NOT_FOUND


def test_killed_plugin_has_exited_gracefully(
    link: tuple[Client, EchoStub], caplog: pytest.LogCaptureFixture
) -> None:
    """go-plugin: `Client.Kill` asks first; a Go plugin then ends with status 0."""
    client, _ = link
    client.kill()
    assert client.exited
    assert client.exit_status == 0
    assert client.wait(timeout=0) == 0
    assert "did not end gracefully" not in caplog.text


def test_several_clients_live_side_by_side() -> None:
    """Requirement: nothing is global; each client has a process of its own."""
    configs = [
        echo_config(str(binary(name)), auto_mtls=auto_mtls)
        for name in ("echo-plugin", "tcp-plugin")
        for auto_mtls in (True, False)
    ]
    clients = [Client(config) for config in configs]
    try:
        stubs = [client.dispense("echo") for client in clients]
        assert len({client.pid for client in clients}) == len(clients)
        clients[0].kill()
        for number, stub in enumerate(stubs[1:]):
            assert stub.Unary(Payload(number=number), timeout=WAIT).number == number
    finally:
        for client in clients:
            client.kill()
    assert [client.exit_status for client in clients] == [0, 0, 0, 0]
