"""`goplugin logs`: what a plugin logs."""

from __future__ import annotations

import argparse
import logging
import sys
import threading

from goplugin_py.cli.output import show_line
from goplugin_py.cli.plugin import with_plugin
from goplugin_py.client import Client
from goplugin_py.hclog import Level, Record

_STYLES = {
    Level.TRACE: "dim",
    Level.DEBUG: "dim",
    Level.INFO: "",
    Level.WARN: "yellow",
    Level.ERROR: "bold red",
}


def run(options: argparse.Namespace) -> int:
    """Run the plugin until it ends, or until Ctrl-C."""
    logger = logging.getLogger("goplugin.cli.plugin")
    logger.setLevel(Level.from_name(options.level) or Level.TRACE)
    logger.propagate = False
    logger.addHandler(_Handler(as_json=options.json))
    return with_plugin(
        options,
        _wait,
        logger=logger,
        sync_stdout=sys.stdout.buffer,
        sync_stderr=sys.stderr.buffer,
    )


def _wait(client: Client) -> int:
    # In steps, so that Ctrl-C is seen on every system.
    while client.wait(threading.TIMEOUT_MAX) is None:
        continue
    return 0


class _Handler(logging.Handler):
    """Prints records as they came from the plugin."""

    def __init__(self, *, as_json: bool) -> None:
        super().__init__()
        self._as_json = as_json

    def emit(self, record: logging.LogRecord) -> None:
        fields = vars(record)
        original = Record(
            level=Level.nearest(record.levelno),
            message=record.getMessage(),
            module=fields.get("plugin_module", ""),
            timestamp=fields.get("plugin_timestamp"),
            pairs=fields.get("plugin_pairs", {}),
        )
        if self._as_json:
            print(original.format(), flush=True)
        else:
            show_line(_text(original), _STYLES[original.level])


def _text(record: Record) -> str:
    """Return a line in the form that hclog has for people."""
    stamp = record.timestamp
    words = [
        *([stamp.isoformat(timespec="milliseconds")] if stamp else []),
        f"[{record.level.name}]",
        *([f"{record.module}:"] if record.module else []),
        record.message,
        *(f"{key}={value!r}" for key, value in record.pairs.items()),
    ]
    return " ".join(words)
