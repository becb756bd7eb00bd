"""Plugins in a directory: manifests, versions, and which one to start."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from goplugin_py.registry.directory import Changes, Problem, Registry
from goplugin_py.registry.manifest import Manifest, parse_manifest
from goplugin_py.registry.versions import Constraint, Version

if TYPE_CHECKING:
    from goplugin_py.registry.report import ManifestPlugin, ask_manifest

__all__ = [
    "Changes",
    "Constraint",
    "Manifest",
    "ManifestPlugin",
    "Problem",
    "Registry",
    "Version",
    "ask_manifest",
    "parse_manifest",
]


def __getattr__(name: str) -> object:
    if name not in ("ManifestPlugin", "ask_manifest"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # They need gRPC and protobuf, which looking at a directory does not.
    value: object = getattr(importlib.import_module(f"{__name__}.report"), name)
    globals()[name] = value
    return value
