"""A host that loads whatever is in a directory, and keeps it running."""

import queue
from pathlib import Path
from typing import Any

from kv_pb2_grpc import KVStub
from view import View

from goplugin_py import ClientConfig, HandshakeConfig, Plugin
from goplugin_py.registry import Manifest, Registry
from goplugin_py.supervisor import (
    Change,
    HealthPolicy,
    RestartPolicy,
    Supervised,
    Supervisor,
)

STUBS = Path(__file__).resolve().parent.parent / "kv"
# Which versions this host was written for.
COMPATIBLE = "^1"


class Iglu:
    """The directory, the plugins that are loaded from it, and what they are.

    A context manager that ends all of them.
    """

    def __init__(self, directory: Path, state: Path, view: View) -> None:
        self.registry = Registry(directory)
        self.supervisor = Supervisor(
            restart=RestartPolicy(initial_delay=0.2, limit=3),
            health=HealthPolicy(interval=5.0),
            on_change=self._changed,
        )
        self.versions: dict[str, Manifest] = {}
        self.changes: queue.SimpleQueue[Change] = queue.SimpleQueue()
        """What the view has shown."""
        self._state = state
        self._view = view

    def load(self, plugin_id: str) -> Supervised:
        """Start the newest version that will do."""
        manifest = self.registry.find(plugin_id, COMPATIBLE)
        plugin = self.supervisor.add(plugin_id, self._config(manifest))
        plugin.start()
        self.versions[plugin_id] = manifest
        return plugin

    def reload(self, plugin_id: str) -> None:
        """Go over to the newest version, without losing calls."""
        manifest = self.registry.find(plugin_id, COMPATIBLE)
        self.supervisor[plugin_id].reload(self._config(manifest))
        self.versions[plugin_id] = manifest

    def unload(self, plugin_id: str) -> None:
        self.supervisor.remove(plugin_id, drain_timeout=5.0)
        del self.versions[plugin_id]

    def kv(self, plugin_id: str) -> Any:
        """Return a stub, which outlives crashes and reloads."""
        return self.supervisor[plugin_id].dispense("kv")

    def reported(self, plugin_id: str) -> Manifest | None:
        """Return what a plugin says of itself, if it says anything."""
        channel = self.supervisor[plugin_id].channel
        return self.registry.report(self.versions[plugin_id], channel)

    def _changed(self, change: Change) -> None:
        self._view.changed(change)
        self.changes.put(change)

    def _config(self, manifest: Manifest) -> ClientConfig:
        return ClientConfig(
            command=manifest.command,
            secure=manifest.secure,
            handshake=HandshakeConfig(1, "BASIC_PLUGIN", "hello"),
            plugins={"kv": Plugin.from_stub(KVStub)},
            cwd=self._state,  # where the plugins keep their values
            env={"PYTHONPATH": str(STUBS)},
        )

    def __enter__(self) -> "Iglu":
        return self

    def __exit__(self, *_: object) -> None:
        self.supervisor.close()
