"""Descriptors in the notation of .proto files."""

import pytest
from google.protobuf import json_format
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool

from goplugin_py.cli.proto_text import proto_text

FILE = {
    "name": "t.proto",
    "package": "t",
    "syntax": "proto3",
    "messageType": [
        {
            "name": "Message",
            "nestedType": [
                {
                    "name": "TagsEntry",
                    "field": [
                        {"name": "key", "number": 1, "type": "TYPE_STRING"},
                        {"name": "value", "number": 2, "typeName": ".t.Message.Inner"},
                    ],
                    "options": {"mapEntry": True},
                },
                {"name": "Inner"},
            ],
            "oneofDecl": [{"name": "choice"}, {"name": "_maybe"}],
            "field": [
                {"name": "text", "number": 1, "type": "TYPE_STRING"},
                {"name": "color", "number": 2, "typeName": ".t.Color"},
                {
                    "name": "left",
                    "number": 3,
                    "type": "TYPE_SINT32",
                    "oneofIndex": 0,
                },
                {"name": "right", "number": 4, "type": "TYPE_BYTES", "oneofIndex": 0},
                {
                    "name": "maybe",
                    "number": 5,
                    "type": "TYPE_BOOL",
                    "oneofIndex": 1,
                    "proto3Optional": True,
                },
                {
                    "name": "tags",
                    "number": 6,
                    "typeName": ".t.Message.TagsEntry",
                    "label": "LABEL_REPEATED",
                },
                {
                    "name": "numbers",
                    "number": 7,
                    "type": "TYPE_DOUBLE",
                    "label": "LABEL_REPEATED",
                },
            ],
        }
    ],
    "enumType": [{"name": "Color", "value": [{"name": "RED", "number": 0}]}],
    "service": [
        {
            "name": "Service",
            "method": [
                {"name": "One", "inputType": ".t.Message", "outputType": ".t.Message"},
                {
                    "name": "Many",
                    "inputType": ".t.Message",
                    "outputType": ".t.Message",
                    "clientStreaming": True,
                    "serverStreaming": True,
                },
            ],
        }
    ],
}


@pytest.fixture
def pool() -> DescriptorPool:
    """A pool with one of each."""
    pool = DescriptorPool()
    pool.Add(json_format.ParseDict(FILE, FileDescriptorProto()))
    return pool


def test_a_message_has_its_types_fields_and_choices(
    pool: DescriptorPool,
) -> None:
    assert (
        proto_text(pool.FindMessageTypeByName("t.Message"))
        == """\
message Message {
  message Inner {}
  string text = 1;
  t.Color color = 2;
  oneof choice {
    sint32 left = 3;
    bytes right = 4;
  }
  optional bool maybe = 5;
  map<string, t.Message.Inner> tags = 6;
  repeated double numbers = 7;
}"""
    )


def test_a_service_has_its_methods(pool: DescriptorPool) -> None:
    assert (
        proto_text(pool.FindServiceByName("t.Service"))
        == """\
service Service {
  rpc One(t.Message) returns (t.Message);
  rpc Many(stream t.Message) returns (stream t.Message);
}"""
    )
    one = pool.FindMethodByName("t.Service.One")
    assert proto_text(one) == "rpc One(t.Message) returns (t.Message);"


def test_an_enum_has_its_numbers(pool: DescriptorPool) -> None:
    assert (
        proto_text(pool.FindEnumTypeByName("t.Color")) == "enum Color {\n  RED = 0;\n}"
    )
