"""`goplugin list`: the methods of a plugin's services."""

from __future__ import annotations

import argparse
from functools import partial

from google.protobuf.descriptor import MethodDescriptor

from goplugin_py.cli.output import show_json, show_table
from goplugin_py.cli.plugin import with_plugin
from goplugin_py.cli.reflection import Reflection
from goplugin_py.client import Client


def run(options: argparse.Namespace) -> int:
    """Start the plugin and list what can be called."""
    return with_plugin(options, partial(_show, options))


def _show(options: argparse.Namespace, client: Client) -> int:
    reflection = Reflection(client.channel)
    methods = [
        method
        for service in reflection.services()
        for method in reflection.methods(service)
    ]
    if options.json:
        show_json([_entry(method) for method in methods])
    else:
        show_table(("method", "request", "response"), [_row(each) for each in methods])
    return 0


def _path(method: MethodDescriptor) -> str:
    return f"{method.containing_service.full_name}/{method.name}"


def _entry(method: MethodDescriptor) -> dict[str, object]:
    return {
        "method": _path(method),
        "request": method.input_type.full_name,
        "response": method.output_type.full_name,
        "client_streaming": method.client_streaming,
        "server_streaming": method.server_streaming,
    }


def _row(method: MethodDescriptor) -> tuple[str, str, str]:
    return (
        _path(method),
        "stream " * method.client_streaming + method.input_type.full_name,
        "stream " * method.server_streaming + method.output_type.full_name,
    )
