"""Structured logs between plugin and host, for `logging` and for structlog.

A plugin calls `configure()`; its records then arrive at the host, Go or Python, with
level, module, time and key-values. A host's reader hands each record that it has
parsed to `forward()`.

Layer: facade, above wire/hclog.py, which knows the lines themselves.
"""

from goplugin_py.hclog.configuration import configure
from goplugin_py.hclog.forwarding import StructuredLogger, forward
from goplugin_py.hclog.output import StderrHandler, redirect
from goplugin_py.hclog.records import HCLogRenderer, JSONFormatter
from goplugin_py.wire.hclog import Level, Record, parse_line

__all__ = [
    "HCLogRenderer",
    "JSONFormatter",
    "Level",
    "Record",
    "StderrHandler",
    "StructuredLogger",
    "configure",
    "forward",
    "parse_line",
    "redirect",
]
