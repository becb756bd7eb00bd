"""Terraform's provider protocols, for hosts and for providers.

`HANDSHAKE` is what Terraform, OpenTofu and every provider agree on.
`tfplugin5` and `tfplugin6` hold the messages and gRPC stubs of the two major
versions. Each is imported when first used: a process speaks one of them, and Terraform
starts several provider processes per command, so start-up time counts.
"""

import importlib
from types import ModuleType
from typing import TYPE_CHECKING

from goplugin_py import HandshakeConfig

if TYPE_CHECKING:
    from goplugin_py.terraform import tfplugin5, tfplugin6

__all__ = ["HANDSHAKE", "tfplugin5", "tfplugin6"]

# Terraform: internal/plugin.Handshake. The version is that of providers from before
# versions were negotiated; all since then offer 5 or 6 in `versioned_plugins`.
HANDSHAKE = HandshakeConfig(
    protocol_version=4,
    magic_cookie_key="TF_PLUGIN_MAGIC_COOKIE",
    magic_cookie_value=(
        "d602bf8f470bc67ca7faa0386276bbdd4330efaf76d1a219cb4d6991ca9872b2"
    ),
)

_MODULES = ("tfplugin5", "tfplugin6")


def __getattr__(name: str) -> ModuleType:
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
