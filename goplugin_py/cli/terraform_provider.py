"""A provider, started for a command, and what users tell it."""

from __future__ import annotations

import argparse
import json
import logging
import subprocess
import sys
import warnings
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

from goplugin_py import Client
from goplugin_py.cli.terraform_address import running
from goplugin_py.errors import PluginError, TLSRefused
from goplugin_py.terraform import InvalidConfig, Provider, ProviderWarning
from goplugin_py.terraform.provider import client_config

__all__ = ["BadInput", "complain", "read_config", "with_provider"]


class BadInput(Exception):
    """What the user has typed makes no sense; the text says why."""


def with_provider(
    options: argparse.Namespace, use: Callable[[Provider], int], *, is_configured: bool
) -> int:
    """Start the provider, use it and end it; explain what fails.

    Args:
        options: Of a command with a provider.
        use: Does the command's work, and returns the exit status.
        is_configured: Configure the provider first, as the options say.

    Returns:
        The exit status: 1 if the provider failed, 2 if it was not asked to do anything,
        as the arguments make no sense.
    """
    try:
        with warnings.catch_warnings(), _launched(options) as provider:
            warnings.simplefilter("always", ProviderWarning)
            warnings.showwarning = _show_warning
            if is_configured:
                provider.configure(read_config(options.provider_config))
            return use(provider)
    except (BadInput, InvalidConfig) as exc:
        complain(str(exc))
        return 2
    except TLSRefused as exc:
        complain(f"{exc}\n\nOn the command line that is --plaintext.")
    except PluginError as exc:
        complain(str(exc))
    return 1


def _launched(options: argparse.Namespace) -> Provider:
    if (reattach := running(options.provider)) is not None:
        config = client_config(None, {"reattach": reattach, "logger": _quiet()})
        return Provider(Client(config))
    return Provider.launch(
        options.provider,
        *options.arguments,
        version=options.version,
        env=dict(options.env),
        auto_mtls=not options.plaintext,
        start_timeout=options.timeout,
        stdin=subprocess.DEVNULL,
        logger=_quiet(),
    )


def _quiet() -> logging.Logger:
    """Return a logger for a provider whose log was not asked for."""
    logger = logging.getLogger("goplugin.cli.provider")
    logger.propagate = False
    logger.addHandler(logging.NullHandler())
    return logger


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    print(f"warning: {message}", file=sys.stderr)


def complain(text: str) -> None:
    """Say on stderr what is wrong."""
    print(f"goplugin: {text}", file=sys.stderr)


def read_config(source: str) -> dict[str, Any]:
    """Return the object in JSON; numbers keep all their digits.

    Args:
        source: The JSON; or `@FILE`, or `-` for stdin.

    Raises:
        BadInput: There is none.
    """
    text = _text(source)
    try:
        config = json.loads(text, parse_float=Decimal)
    except (ValueError, RecursionError) as exc:
        raise BadInput(f"not JSON: {exc}") from exc
    if not isinstance(config, dict):
        raise BadInput(f"a configuration is an object in JSON, not {text!r:.99}")
    return config


def _text(source: str) -> str:
    if source == "-":
        return sys.stdin.read()
    if not source.startswith("@"):
        return source
    try:
        return Path(source[1:]).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise BadInput(f"can't read {source[1:]!r}: {exc}") from exc
