"""Plugins in a directory: manifests, versions, and which one to start."""

from __future__ import annotations

from typing import TYPE_CHECKING

from goplugin_py.lazy import lazy
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


# They need gRPC and protobuf, which looking at a directory does not.
_HOMES = {"ManifestPlugin": "report", "ask_manifest": "report"}

__getattr__, __dir__ = lazy(__name__, dict.fromkeys(__all__, "directory") | _HOMES)
