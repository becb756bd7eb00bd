"""Terraform's provider protocols, for hosts and for providers.

``tfplugin5`` and ``tfplugin6`` hold the messages and gRPC stubs of the two major
versions. Each is imported when first used: a process speaks one of them, and Terraform
starts several provider processes per command, so start-up time counts.
"""

import importlib
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from goplugin_py.terraform import tfplugin5, tfplugin6

__all__ = ["tfplugin5", "tfplugin6"]


def __getattr__(name: str) -> ModuleType:
    if name in __all__:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
