"""`goplugin describe`: a type or a service, as its .proto has it."""

from __future__ import annotations

import argparse
from functools import partial

from goplugin_py.cli.output import show_json
from goplugin_py.cli.plugin import with_plugin
from goplugin_py.cli.proto_text import proto_text
from goplugin_py.cli.reflection import Reflection
from goplugin_py.client import Client


def run(options: argparse.Namespace) -> int:
    """Start the plugin and print a description."""
    return with_plugin(options, partial(_show, options))


def _show(options: argparse.Namespace, client: Client) -> int:
    found = Reflection(client.channel).symbol(options.symbol)
    text = proto_text(found)
    if options.json:
        show_json({"symbol": found.full_name, "file": found.file.name, "proto": text})
    else:
        print(text)
    return 0
