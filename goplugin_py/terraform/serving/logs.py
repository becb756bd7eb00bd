"""Which log records a provider sends to its host.

What Terraform shows is what passes two levels: that of the provider, and that of
Terraform, which is `TF_LOG_PROVIDER` or else `TF_LOG`. A provider knows the latter too,
and so need not send what would be dropped.

The variables, and what they name, are those of terraform-plugin-go and
terraform-plugin-log.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping

from goplugin_py import hclog
from goplugin_py.hclog.levels import threshold_of

__all__ = ["configure_logs", "provider_level", "sdk_level"]

# hclog: LevelFromString.
_LEVELS = frozenset({"trace", "debug", "info", "warn", "error", "off"})
# What this package logs with is what terraform-plugin-log calls the SDK.
_SDK = "goplugin"


def configure_logs(provider_type: str, environ: Mapping[str, str] = os.environ) -> None:
    """Send the provider's records to its host, unless `logging` is configured already.

    Args:
        provider_type: The last part of the provider's address.
        environ: Has the variables.
    """
    if not logging.getLogger().handlers:
        hclog.configure(provider_level(provider_type, environ))
    logging.getLogger(_SDK).setLevel(threshold_of(sdk_level(environ)))


def provider_level(provider_type: str, environ: Mapping[str, str]) -> str:
    """Return the lowest level that the provider's own records need to have.

    `TF_LOG_PROVIDER_SHELF` sets it for a provider `shelf`; else it is Terraform's.
    """
    name = provider_type.replace("-", "_").upper()  # ProviderLoggerName
    return _level(environ.get(f"TF_LOG_PROVIDER_{name}", "")) or _level_of_host(environ)


def sdk_level(environ: Mapping[str, str]) -> str:
    """Return the same for what this package logs: `TF_LOG_SDK`, or Terraform's."""
    return _level(environ.get("TF_LOG_SDK", "")) or _level_of_host(environ)


def _level_of_host(environ: Mapping[str, str]) -> str:
    """Return Terraform's level; without a word on it everything is sent.

    Terraform takes what is no level, such as `JSON` or `1`, for `trace`.
    """
    text = environ.get("TF_LOG_PROVIDER") or environ.get("TF_LOG") or ""
    return _level(text) or "trace"


def _level(text: str) -> str:
    """Return the level that a text names, empty if it names none."""
    name = text.strip().lower()
    return name if name in _LEVELS else ""
