"""Controller, health and reflection, as hosts and tools ask for them."""

import threading
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub
from grpc_reflection.v1alpha import reflection_pb2 as reflection

from goplugin_py._pb.controller_pb2 import Empty
from goplugin_py._pb.controller_pb2_grpc import (
    GRPCControllerStub,
    add_GRPCControllerServicer_to_server,
)
from goplugin_py.services.channel import check_health
from goplugin_py.services.control import Controller
from goplugin_py.services.server import Server
from interop.echo_pb2_grpc import EchoServicer, add_EchoServicer_to_server
from tests.echo import serving
from tests.peers import WAIT, run_python


def health(channel: grpc.Channel) -> Any:
    """The stub, which has no types."""
    return HealthStub(channel)


@pytest.fixture
def has_shut_down() -> threading.Event:
    return threading.Event()


@pytest.fixture
def channel(has_shut_down: threading.Event) -> Iterator[grpc.Channel]:
    """A server with the user's Echo service and our own."""
    server = Server(max_workers=2)
    server.add_control(
        add_GRPCControllerServicer_to_server, Controller(has_shut_down.set)
    )
    server.add_health_and_reflection()
    add_EchoServicer_to_server(EchoServicer(), server)
    with serving(server) as channel:
        yield channel


def test_shutdown_is_answered_after_the_plugin_knows(
    channel: grpc.Channel, has_shut_down: threading.Event
) -> None:
    """go-plugin: grpcControllerServer.Shutdown."""
    GRPCControllerStub(channel).Shutdown(Empty(), timeout=WAIT)
    assert has_shut_down.is_set()


# Health


def test_the_service_plugin_is_healthy(channel: grpc.Channel) -> None:
    """go-plugin: GRPCServer.Init, GRPCClient.Ping."""
    check_health(channel, WAIT)
    request = HealthCheckRequest(service="plugin")
    answer = health(channel).Check(request, timeout=WAIT)
    assert answer.status == HealthCheckResponse.SERVING


def test_the_server_as_a_whole_is_healthy(channel: grpc.Channel) -> None:
    """grpc-go: health.NewServer."""
    answer = health(channel).Check(HealthCheckRequest(), timeout=WAIT)
    assert answer.status == HealthCheckResponse.SERVING


def test_an_unknown_service_is_not_found(channel: grpc.Channel) -> None:
    """grpc-go: health.Server.Check."""
    with pytest.raises(grpc.RpcError) as caught:
        health(channel).Check(HealthCheckRequest(service="x"), timeout=WAIT)
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    assert caught.value.details() == "unknown service"


def test_health_may_be_watched(channel: grpc.Channel) -> None:
    watch = health(channel).Watch(HealthCheckRequest(service="plugin"), timeout=WAIT)
    assert next(watch).status == HealthCheckResponse.SERVING
    watch.cancel()


def test_many_watchers_do_not_stop_a_ping(channel: grpc.Channel) -> None:
    request = HealthCheckRequest(service="plugin")
    watches = [health(channel).Watch(request, timeout=WAIT) for _ in range(50)]
    for watch in watches:
        next(watch)
    check_health(channel, WAIT)
    for watch in watches:
        watch.cancel()


# Reflection

VERSIONS = ["v1", "v1alpha"]
both_versions = pytest.mark.parametrize("version", VERSIONS)


def ask(
    channel: grpc.Channel, version: str, request: reflection.ServerReflectionRequest
) -> reflection.ServerReflectionResponse:
    """Ask one question; the two versions have the same messages."""
    method: Any = channel.stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=reflection.ServerReflectionResponse.FromString,
    )
    answer: reflection.ServerReflectionResponse
    (answer,) = method(iter([request]), timeout=WAIT)
    return answer


def files(answer: reflection.ServerReflectionResponse) -> list[str]:
    descriptors = answer.file_descriptor_response.file_descriptor_proto
    return [FileDescriptorProto.FromString(each).name for each in descriptors]


@both_versions
def test_reflection_lists_the_users_services_and_ours(
    channel: grpc.Channel, version: str
) -> None:
    """go-plugin: GRPCServer.Init."""
    request = reflection.ServerReflectionRequest(list_services="")
    answer = ask(channel, version, request)
    assert {each.name for each in answer.list_services_response.service} == {
        "echo.Echo",
        "plugin.GRPCController",
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
    }


@both_versions
@pytest.mark.parametrize(
    ("symbol", "file"),
    [
        ("echo.Echo", "interop/echo.proto"),
        ("echo.Payload", "interop/echo.proto"),
        ("plugin.GRPCController", "controller.proto"),
        ("plugin.GRPCStdio", "stdio.proto"),
        ("plugin.StdioData", "stdio.proto"),
        ("plugin.ConnInfo", "broker.proto"),
        ("grpc.health.v1.Health", "health.proto"),
    ],
)
def test_reflection_knows_the_files_of_the_users_services_and_ours(
    channel: grpc.Channel, version: str, symbol: str, file: str
) -> None:
    request = reflection.ServerReflectionRequest(file_containing_symbol=symbol)
    found = files(ask(channel, version, request))
    assert found[0].endswith(file)


@both_versions
def test_reflection_finds_files_by_name(channel: grpc.Channel, version: str) -> None:
    symbol = reflection.ServerReflectionRequest(file_containing_symbol="plugin.Empty")
    name = files(ask(channel, version, symbol))[0]
    request = reflection.ServerReflectionRequest(file_by_filename=name)
    assert files(ask(channel, version, request))[0] == name


@both_versions
def test_reflection_does_not_find_what_is_not_there(
    channel: grpc.Channel, version: str
) -> None:
    request = reflection.ServerReflectionRequest(file_containing_symbol="no.Such")
    answer = ask(channel, version, request)
    assert answer.error_response.error_code == grpc.StatusCode.NOT_FOUND.value[0]


ALONE = """
import grpc, sys
from goplugin_py.services.channel import open_channel
from goplugin_py.services.server import Server
from tests.echo import serving

server = Server(max_workers=1)
server.add_health_and_reflection()
assert "grpc_health.v1.health_pb2" not in sys.modules
with serving(server) as channel:
    ask = channel.stream_stream(
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
    )
    symbol = b"grpc.health.v1.Health"
    (answer,) = ask(iter([b"\\x22" + bytes([len(symbol)]) + symbol]), timeout=5)
    assert b"HealthCheckRequest" in answer, answer
"""


def test_reflection_knows_health_before_it_was_first_asked_for() -> None:
    """A tool such as grpcurl looks a service up before it calls it."""
    run_python(ALONE)
