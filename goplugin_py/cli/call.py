"""`goplugin call`: any method of any plugin, with JSON."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

import grpc
from google.protobuf import json_format
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message_factory import GetMessageClass

from goplugin_py.cli.plugin import with_plugin
from goplugin_py.cli.reflection import Reflection
from goplugin_py.client import Client


def run(options: argparse.Namespace) -> int:
    """Start the plugin, call it, and print its answers as they come."""
    return with_plugin(options, partial(_call, options))


def _call(options: argparse.Namespace, client: Client) -> int:
    reflection = Reflection(client.channel)
    method = reflection.method(options.method)
    requests = Requests(_source(options.message, method), method, reflection.pool)
    try:
        for answer in _answers(client.channel, method, requests, options):
            print(_json(answer, reflection.pool, indent=None if options.json else 2))
            sys.stdout.flush()
    except grpc.RpcError:
        if requests.failure is None:
            raise
        print(f"goplugin: {requests.failure}", file=sys.stderr)
        return 2
    return 0


def _source(message: str, method: MethodDescriptor) -> Iterable[str]:
    """Return pieces of JSON text: of a stream on stdin each line as it is typed."""
    if message != "-":
        return [message]
    return sys.stdin if method.client_streaming else [sys.stdin.read()]


class Requests:
    """The requests in a text; `failure` says what is wrong with it."""

    def __init__(
        self, source: Iterable[str], method: MethodDescriptor, pool: Any
    ) -> None:
        self._source = source
        self._method = method
        self._pool = pool
        self.failure: ValueError | None = None

    def __iter__(self) -> Iterator[Any]:
        """Read; on a thread of gRPC's, which cancels the call if this fails."""
        try:
            count = 0
            for count, value in enumerate(_values(self._source), 1):
                if count > 1 and not self._method.client_streaming:
                    break
                yield self._message(value)
            if count != 1 and not self._method.client_streaming:
                raise ValueError(f"{self._method.name} takes exactly one request")
        except ValueError as exc:
            self.failure = exc
            raise

    def _message(self, value: Any) -> Any:
        name = self._method.input_type.full_name
        message = GetMessageClass(self._method.input_type)()
        if type(value) not in (dict, str):  # text is what some well-known types are
            raise ValueError(f"not a {name}: {value!r:.99}")
        try:
            json_format.ParseDict(value, message, descriptor_pool=self._pool)
        except json_format.ParseError as exc:
            raise ValueError(f"not a {name}: {exc}") from exc
        return message


def _values(source: Iterable[str]) -> Iterator[object]:
    """Split text into JSON values, each as soon as it is whole."""
    decoder = json.JSONDecoder()
    text = ""
    failure: ValueError | None = None
    for piece in source:
        text = (text + piece).lstrip()
        failure = None
        while text and failure is None:
            try:
                value, end = decoder.raw_decode(text)
            except ValueError as exc:
                failure = exc  # of half a value, perhaps
            else:
                yield value
                text = text[end:].lstrip()
    if failure is not None:
        raise ValueError(f"not JSON: {failure}")


def _answers(
    channel: grpc.Channel,
    method: MethodDescriptor,
    requests: Requests,
    options: argparse.Namespace,
) -> Iterable[Any]:
    # On the wire, a unary call is a stream of one message.
    call: Any = channel.stream_stream(
        f"/{method.containing_service.full_name}/{method.name}",
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=GetMessageClass(method.output_type).FromString,
    )
    answers: Iterable[Any] = call(
        iter(requests), timeout=options.deadline, metadata=tuple(options.metadata)
    )
    return answers


def _json(message: Any, pool: Any, *, indent: int | None) -> str:
    return json_format.MessageToJson(
        message,
        preserving_proto_field_name=True,
        indent=indent,
        descriptor_pool=pool,
        ensure_ascii=False,
    )
