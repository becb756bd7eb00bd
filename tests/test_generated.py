"""The generated messages and stubs: wire facts, isolation and import cost."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

import grpc
import pytest
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from goplugin_py._pb import (
    broker_pb2,
    broker_pb2_grpc,
    controller_pb2,
    empty_pb2,
    stdio_pb2,
    stdio_pb2_grpc,
    tfplugin5_pb2,
    tfplugin6_pb2,
    timestamp_pb2,
)
from goplugin_py._pb.broker_pb2 import ConnInfo
from goplugin_py._pb.stdio_pb2 import StdioData
from goplugin_py.terraform import tfplugin5, tfplugin6

ROOT = Path(__file__).resolve().parent.parent
# An interpreter start and a few imports, on a busy machine.
SUBPROCESS_TIMEOUT = 60.0
RPC_TIMEOUT = 5.0

OWN = (broker_pb2, controller_pb2, stdio_pb2, tfplugin5_pb2, tfplugin6_pb2)
# What go-plugin, Terraform and their ports call the files.
OFFICIAL_NAMES = {
    broker_pb2: "internal/plugin/grpc_broker.proto",
    controller_pb2: "internal/plugin/grpc_controller.proto",
    stdio_pb2: "internal/plugin/grpc_stdio.proto",
    tfplugin5_pb2: "tfplugin5.proto",
    tfplugin6_pb2: "tfplugin6.proto",
}


# Wire facts


@pytest.mark.parametrize(
    ("message", "data"),
    [
        pytest.param(
            ConnInfo(service_id=4, network="unix", address="/tmp/plugin123456789"),
            b"\x08\x04\x12\x04unix\x1a\x14/tmp/plugin123456789",
            id="address",
        ),
        pytest.param(
            ConnInfo(service_id=5, knock=ConnInfo.Knock(knock=True)),
            bytes.fromhex("08 05 22 02 08 01"),
            id="knock",
        ),
        pytest.param(
            ConnInfo(service_id=5, knock=ConnInfo.Knock(knock=True, ack=True)),
            bytes.fromhex("08 05 22 04 08 01 10 01"),
            id="ack",
        ),
        pytest.param(
            StdioData(channel=StdioData.STDERR, data=b"oh"),
            bytes.fromhex("08 02 12 02") + b"oh",
            id="stderr",
        ),
        pytest.param(controller_pb2.Empty(), b"", id="empty"),
    ],
)
def test_control_messages_have_the_bytes_of_go_plugin(
    message: Message, data: bytes
) -> None:
    """Recorded from Go peers: GRPCBroker with and without multiplexing, GRPCStdio."""
    assert message.SerializeToString() == data
    assert type(message).FromString(data) == message


@pytest.mark.parametrize(
    ("module", "field", "number"),
    [
        (tfplugin5_pb2, "Schema.Attribute.write_only", 10),
        (tfplugin5_pb2, "Schema.Attribute.deprecation_message", 11),
        (tfplugin6_pb2, "Schema.Attribute.nested_type", 10),
        (tfplugin6_pb2, "Schema.Attribute.write_only", 11),
        (tfplugin6_pb2, "Schema.Attribute.deprecation_message", 12),
        (tfplugin6_pb2, "Schema.Object.nesting", 3),
        (tfplugin6_pb2, "Schema.Block.computed", 8),
        (tfplugin5_pb2, "GetMetadata.Response.actions", 8),
        (tfplugin6_pb2, "GetMetadata.Response.state_stores", 8),
        (tfplugin6_pb2, "GetMetadata.Response.actions", 9),
        (tfplugin5_pb2, "GetProviderSchema.Response.action_schemas", 11),
        (tfplugin6_pb2, "GetProviderSchema.Response.action_schemas", 11),
        (tfplugin6_pb2, "GetProviderSchema.Response.diagnostics", 4),
        (tfplugin5_pb2, "PrepareProviderConfig.Response.diagnostics", 2),
        (tfplugin6_pb2, "ValidateProviderConfig.Response.diagnostics", 2),
        (tfplugin6_pb2, "PlanResourceChange.Request.planned_private", 9),
        (tfplugin6_pb2, "PlanResourceChange.Response.planned_private", 3),
        (tfplugin6_pb2, "ApplyResourceChange.Request.planned_private", 5),
        (tfplugin6_pb2, "ClientCapabilities.computed_blocks_allowed", 4),
        (tfplugin6_pb2, "ReadResource.Response.new_identity", 5),
        (tfplugin6_pb2, "ImportResourceState.Response.deferred", 3),
        (tfplugin6_pb2, "MoveResourceState.Request.source_identity", 7),
        (tfplugin6_pb2, "OpenEphemeralResource.Response.renew_at", 2),
        (tfplugin6_pb2, "WriteStateBytes.RequestChunk.meta", 1),
        (tfplugin6_pb2, "FunctionError.function_argument", 2),
    ],
)
def test_terraform_fields_that_are_easy_to_mix_up_have_their_numbers(
    module: ModuleType, field: str, number: int
) -> None:
    """Terraform: tfplugin5.proto at 5.10, tfplugin6.proto at 6.11."""
    assert find_field(module, field).number == number


RPC_KINDS = {
    (tfplugin5_pb2, "Provider"): (28, {"ListResource", "InvokeAction"}, set[str]()),
    (tfplugin5_pb2, "Provisioner"): (4, {"ProvisionResource"}, set[str]()),
    (tfplugin6_pb2, "Provider"): (
        36,
        {"ListResource", "InvokeAction", "ReadStateBytes"},
        {"WriteStateBytes"},
    ),
    (broker_pb2, "GRPCBroker"): (1, {"StartStream"}, {"StartStream"}),
    (controller_pb2, "GRPCController"): (1, set[str](), set[str]()),
    (stdio_pb2, "GRPCStdio"): (1, {"StreamStdio"}, set[str]()),
}


@pytest.mark.parametrize(("module", "service"), RPC_KINDS)
def test_services_have_all_rpcs_of_the_right_kind(
    module: ModuleType, service: str
) -> None:
    """Terraform: service Provider, Provisioner; go-plugin: internal/plugin."""
    methods = module.DESCRIPTOR.services_by_name[service].methods
    assert RPC_KINDS[module, service] == (
        len(methods),
        {method.name for method in methods if method.server_streaming},
        {method.name for method in methods if method.client_streaming},
    )


def test_optional_terraform_fields_tell_unset_from_zero() -> None:
    """Function argument 0 is a real argument; unset blames none of them."""
    error = tfplugin6.FunctionError(text="bad")
    assert not error.HasField("function_argument")
    error.function_argument = 0
    assert error.SerializeToString() == b"\x0a\x03bad\x10\x00"


@pytest.mark.parametrize(
    ("public", "generated"),
    [(tfplugin5, tfplugin5_pb2), (tfplugin6, tfplugin6_pb2)],
)
def test_terraform_modules_export_every_message_and_stub(
    public: ModuleType, generated: ModuleType
) -> None:
    """A message added to a .proto file must not be forgotten in the public module."""
    file = generated.DESCRIPTOR
    expected = {"Timestamp", *file.message_types_by_name, *file.enum_types_by_name}
    for enum in file.enum_types_by_name.values():
        expected |= {value.name for value in enum.values}
    for service in file.services_by_name:
        expected |= {f"{service}Stub", f"{service}Servicer"}
        expected.add(f"add_{service}Servicer_to_server")
    assert set(public.__all__) == expected


# Isolation

# A module as protoc writes it, in the default pool.
USER_MODULE = """
from google.protobuf import {dependencies}descriptor_pool
from google.protobuf.internal import builder
DESCRIPTOR = descriptor_pool.Default().AddSerializedFile({serialized!r})
builder.BuildMessageAndEnumDescriptors(DESCRIPTOR, globals())
builder.BuildTopDescriptorsAndMessages(DESCRIPTOR, {name!r}, globals())
"""

IMPORT_BOTH = """
import importlib, json, sys

MODULES = {modules!r}

def import_all(prefix):
    return [importlib.import_module(prefix + name) for name in MODULES]

if {ours_first!r}:
    ours, theirs = import_all("goplugin_py._pb."), import_all("")
else:
    theirs, ours = import_all(""), import_all("goplugin_py._pb.")

def messages(module):
    found = {{}}
    for name, descriptor in module.DESCRIPTOR.message_types_by_name.items():
        found[name] = getattr(module, name)
        for nested in descriptor.nested_types_by_name:
            found[name + "." + nested] = getattr(found[name], nested)
    return found

for our_module, their_module in zip(ours, theirs):
    our_messages, their_messages = messages(our_module), messages(their_module)
    assert list(our_messages) == list(their_messages)
    for name, our_class in our_messages.items():
        assert our_class is not their_messages[name]
        assert their_messages[name].FromString(our_class().SerializeToString()) \\
            == their_messages[name]()

our_broker, their_broker = ours[0], theirs[0]
knock = our_broker.ConnInfo(service_id=7, knock=our_broker.ConnInfo.Knock(ack=True))
same = their_broker.ConnInfo.FromString(knock.SerializeToString())
assert (same.service_id, same.knock.ack) == (7, True)
our_tf, their_tf = ours[-1], theirs[-1]
renewal = our_tf.OpenEphemeralResource.Response()
renewal.renew_at.FromSeconds(86400)
same = their_tf.OpenEphemeralResource.Response.FromString(renewal.SerializeToString())
assert same.renew_at.ToJsonString() == "1970-01-02T00:00:00Z"
from google.protobuf.internal import api_implementation
print(json.dumps(api_implementation.Type()))
"""


@pytest.mark.parametrize("implementation", ["upb", "python"])
@pytest.mark.parametrize("file_names", ["ours", "official"])
@pytest.mark.parametrize("first", ["ours", "theirs"])
def test_a_users_own_copy_of_the_protos_imports_beside_ours(
    first: str, file_names: str, implementation: str, tmp_path: Path
) -> None:
    """In the default pool a second definition of ``plugin.ConnInfo`` is an error."""
    for module in OWN:
        write_user_module(module, tmp_path, official_name=file_names == "official")
    script = IMPORT_BOTH.format(
        modules=[short_name(module) for module in OWN], ours_first=first == "ours"
    )
    output = run_python(
        script,
        PYTHONPATH=os.pathsep.join([str(tmp_path), str(ROOT)]),
        PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION=implementation,
    )
    assert json.loads(output) == implementation


def test_well_known_types_of_the_package_are_its_own_and_complete() -> None:
    """A message takes only classes of its own pool, so that pool needs a Timestamp."""
    file = timestamp_pb2.DESCRIPTOR
    assert file.pool is empty_pb2.DESCRIPTOR.pool is not descriptor_pool.Default()
    response = tfplugin6.OpenEphemeralResource.Response(
        renew_at=tfplugin6.Timestamp(seconds=86400)
    )
    assert type(response.renew_at) is timestamp_pb2.Timestamp
    assert response.renew_at.ToDatetime().day == 2


class Echo(stdio_pb2_grpc.GRPCStdioServicer, broker_pb2_grpc.GRPCBrokerServicer):
    def StreamStdio(
        self, request: empty_pb2.Empty, context: grpc.ServicerContext
    ) -> Iterator[StdioData]:
        assert type(request) is empty_pb2.Empty
        yield StdioData(channel=StdioData.STDOUT, data=b"hello")

    def StartStream(
        self, request_iterator: Iterator[ConnInfo], context: grpc.ServicerContext
    ) -> Iterator[ConnInfo]:
        yield from request_iterator


def test_stubs_and_servicers_carry_messages_of_the_private_pool() -> None:
    """Over a real channel, with ``google.protobuf.Empty`` as a request."""
    server = grpc.server(ThreadPoolExecutor(max_workers=2))
    stdio_pb2_grpc.add_GRPCStdioServicer_to_server(Echo(), server)
    broker_pb2_grpc.add_GRPCBrokerServicer_to_server(Echo(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            stdio = stdio_pb2_grpc.GRPCStdioStub(channel)
            chunks = list(stdio.StreamStdio(empty_pb2.Empty(), timeout=RPC_TIMEOUT))
            assert chunks == [StdioData(channel=StdioData.STDOUT, data=b"hello")]
            sent = ConnInfo(service_id=1)
            broker = broker_pb2_grpc.GRPCBrokerStub(channel)
            assert list(broker.StartStream(iter([sent]), timeout=RPC_TIMEOUT)) == [sent]
    finally:
        server.stop(grace=None).wait(RPC_TIMEOUT)


# Import cost


@pytest.mark.parametrize(
    ("statement", "unwanted"),
    [
        ("import goplugin_py._pb", ["google.protobuf", "grpc"]),
        ("import goplugin_py._pb.broker_pb2", ["grpc", "tfplugin"]),
        ("import goplugin_py._pb.controller_pb2", ["grpc", "tfplugin"]),
        ("import goplugin_py._pb.stdio_pb2", ["grpc", "tfplugin"]),
        ("import goplugin_py._pb.stdio_pb2_grpc", ["tfplugin"]),
        ("import goplugin_py._pb.tfplugin6_pb2", ["grpc", "tfplugin5"]),
        ("import goplugin_py.terraform", ["google.protobuf", "grpc", "tfplugin"]),
        ("import goplugin_py.terraform as t; t.tfplugin6.Schema", ["tfplugin5"]),
    ],
)
def test_an_import_brings_in_only_what_it_needs(
    statement: str, unwanted: list[str]
) -> None:
    """Terraform starts a provider several times per command: start-up time counts."""
    script = f"{statement}\nimport sys, json; print(json.dumps(list(sys.modules)))"
    loaded = json.loads(run_python(script, PYTHONPATH=str(ROOT)))
    assert not [
        module
        for module in loaded
        if any(f".{name}" in f".{module}" for name in unwanted)
    ]


# Helpers


def find_field(module: ModuleType, path: str) -> FieldDescriptor:
    *messages, field = path.split(".")
    descriptor: Descriptor = module.DESCRIPTOR.message_types_by_name[messages[0]]
    for name in messages[1:]:
        descriptor = descriptor.nested_types_by_name[name]
    return descriptor.fields_by_name[field]


def short_name(module: ModuleType) -> str:
    return module.__name__.rpartition(".")[2]


def write_user_module(
    module: ModuleType, directory: Path, *, official_name: bool
) -> None:
    serialized = module.DESCRIPTOR.serialized_pb
    if official_name:
        ours = module.DESCRIPTOR.name.encode()
        theirs = OFFICIAL_NAMES[module].encode()
        # The file name is the first field: tag, length, text.
        assert serialized.startswith(bytes([0x0A, len(ours)]) + ours)
        serialized = bytes([0x0A, len(theirs)]) + theirs + serialized[2 + len(ours) :]
    name = short_name(module)
    text = USER_MODULE.format(
        dependencies="empty_pb2, timestamp_pb2, ", serialized=serialized, name=name
    )
    (directory / f"{name}.py").write_text(text, encoding="utf-8")


def run_python(script: str, **environment: str) -> str:
    """Run a script in a fresh interpreter and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | environment,
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        timeout=SUBPROCESS_TIMEOUT,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
