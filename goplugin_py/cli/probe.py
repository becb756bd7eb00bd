"""`goplugin probe`: how a plugin starts, what it speaks and what it serves."""

from __future__ import annotations

import argparse
import time
from functools import partial
from typing import Any

from goplugin_py.cli.output import show_json, show_table
from goplugin_py.cli.plugin import with_plugin
from goplugin_py.cli.reflection import NotDescribed, Reflection
from goplugin_py.client import Client


def run(options: argparse.Namespace) -> int:
    """Start the plugin and show what it is."""
    return with_plugin(options, partial(_show, options, time.perf_counter()))


def _show(options: argparse.Namespace, begin: float, client: Client) -> int:
    facts = _facts(options, begin, client)
    if options.json:
        show_json(facts)
    else:
        show_table(("property", "value"), [*_rows(facts)])
    return 0


def _facts(options: argparse.Namespace, begin: float, client: Client) -> dict[str, Any]:
    started = time.perf_counter() - begin
    return {
        "plugin": options.plugin,
        "address": {"network": client.address.network, "text": client.address.text},
        "protocol_version": client.negotiated_version,
        "tls": "none" if options.plaintext else "mutual, one-time certificates",
        "started_ms": round(started * 1000, 1),
        "services": _services(client),
    }


def _services(client: Client) -> list[str] | None:
    try:
        return Reflection(client.channel).services()
    except NotDescribed:
        return None


def _rows(facts: dict[str, Any]) -> list[tuple[str, str]]:
    address = facts["address"]
    services = facts["services"]
    return [
        ("plugin", facts["plugin"]),
        ("address", f"{address['network']} {address['text']}"),
        ("protocol version", str(facts["protocol_version"])),
        ("TLS", facts["tls"]),
        ("first answer after", f"{facts['started_ms']:g} ms"),
        ("services", "not told: no reflection" if services is None else ""),
        *(("", service) for service in services or ()),
    ]
