"""A plugin of unknown kind, started for a command."""

from __future__ import annotations

import argparse
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import grpc

from goplugin_py.cli.known import COOKIES, VARIABLES, VERSIONS
from goplugin_py.client import Client
from goplugin_py.config.client import ClientConfig
from goplugin_py.config.shared import HandshakeConfig
from goplugin_py.errors import PluginError, TLSRefused
from goplugin_py.plugin import Plugin


def make_config(options: argparse.Namespace, **changes: Any) -> ClientConfig:
    """Return how to start the plugin that the options name.

    Args:
        options: Of a command with a plugin.
        changes: More fields of the configuration.
    """
    cookies = dict([options.cookie]) if options.cookie else COOKIES
    key, value = next(iter(cookies.items()))
    return ClientConfig(
        command=[_path(options.plugin), *options.arguments],
        handshake=HandshakeConfig(1, key, value),
        versioned_plugins={version: {"any": Plugin()} for version in VERSIONS},
        env={**cookies, **VARIABLES, **dict(options.env)},
        auto_mtls=not options.plaintext,
        start_timeout=options.timeout,
        **{"logger": _quiet(), "stdin": subprocess.DEVNULL, **changes},
    )


def _path(plugin: str) -> str:
    """Return a path for what is in the current directory, as a shell does not."""
    is_here = os.sep not in plugin and os.path.isfile(plugin)
    return os.path.join(os.curdir, plugin) if is_here else plugin


def _quiet() -> logging.Logger:
    """Return a logger for a plugin whose log was not asked for."""
    logger = logging.getLogger("goplugin.cli.plugin")
    logger.propagate = False
    logger.addHandler(logging.NullHandler())
    return logger


def with_plugin(
    options: argparse.Namespace, use: Callable[[Client], int], **changes: Any
) -> int:
    """Start the plugin, use it and end it; explain what fails, and return 1 then.

    Args:
        options: Of a command with a plugin.
        use: Does the command's work, and returns the exit status.
        changes: More fields of the configuration.
    """
    try:
        with Client(make_config(options, **changes)) as client:
            return use(client)
    except TLSRefused as exc:
        _complain(f"{exc}\n\nOn the command line that is --plaintext.")
    except grpc.RpcError as exc:
        _complain(_in_words(exc))
    except PluginError as exc:
        _complain(str(exc))
    return 1


def _complain(text: str) -> None:
    print(f"goplugin: {text}", file=sys.stderr)


def _in_words(error: grpc.RpcError) -> str:
    if not isinstance(error, grpc.Call):
        return str(error)
    return f"{error.code().name}: {error.details()}"
