"""Addresses of providers, and those that run already."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

from goplugin_py import ConfigError, ReattachConfig

__all__ = ["address_of", "running"]

VARIABLE = "TF_REATTACH_PROVIDERS"

_DEFAULTS = ["registry.terraform.io", "hashicorp"]


def address_of(provider: str) -> str:
    """Return the address that a provider of a name or path has, as Terraform does."""
    path = Path(provider)
    *above, name = [path.name] if path.is_file() else provider.split("/")
    name = re.sub(r"^terraform-provider-|[_.].*$", "", name)
    return "/".join([*_DEFAULTS[: 2 - len(above)], *above, name])


def running(provider: str) -> ReattachConfig | None:
    """Return where a provider of a name runs already; None if it does not.

    Its author has started it with `-debug`, and set the variable that it printed.

    Raises:
        ConfigError: The variable holds something else.
    """
    text = os.environ.get(VARIABLE)
    if not text or Path(provider).is_file():
        return None
    try:
        told = {address_of(name): each for name, each in json.loads(text).items()}
    except (ValueError, AttributeError) as exc:
        raise ConfigError(f"{VARIABLE} is no object in JSON: {exc}") from exc
    found = told.get(address_of(provider))
    return None if found is None else ReattachConfig.from_json(json.dumps(found))
