"""The clients that `cleanup_clients` ends: those configured with `managed=True`.

The one registry of the package, kept for hosts that have no place of their own to
end their plugins in. It holds clients weakly: whoever is killed or collected is gone.
"""

from __future__ import annotations

import atexit
import os
import threading
import weakref
from collections.abc import Callable, Sequence
from typing import Protocol

from goplugin_py.deadline import Deadline

# What `Client.kill` may take beyond its grace.
KILL_SLACK = 1.0


class Killable(Protocol):
    """What is managed."""

    def kill(self) -> None:
        """End it within its `kill_timeout` and one second."""


class _Registry:
    """Clients with their kill timeouts."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards the two below
        self._clients: weakref.WeakKeyDictionary[Killable, float]
        self._clients = weakref.WeakKeyDictionary()
        self._is_at_exit = False

    def add(self, client: Killable, kill_timeout: float) -> None:
        with self._lock:
            self._clients[client] = kill_timeout
            if not self._is_at_exit:
                self._is_at_exit = True
                self._register()

    def _register(self) -> None:
        # At exit the last registered comes first. Finalizers register with the first
        # of them, and those of clients kill without asking: they must come later.
        weakref.finalize(self, int)
        atexit.register(cleanup_clients)
        # The plugins of a parent are not the child's to end.
        os.register_at_fork(after_in_child=self._forget)

    def _forget(self) -> None:
        self._lock = threading.Lock()  # somebody may have held the other one
        self._clients = weakref.WeakKeyDictionary()

    def discard(self, client: Killable) -> None:
        with self._lock:
            self._clients.pop(client, None)

    def listed(self) -> dict[Killable, float]:
        with self._lock:
            return dict(self._clients)


_registry = _Registry()
add = _registry.add
discard = _registry.discard


def cleanup_clients() -> None:
    """Kill all clients with `managed=True` at once (go-plugin: `CleanupClients`).

    Also runs at the interpreter's end. Does nothing when there are none, so it may be
    called again; clients made later are managed as well. Returns within the longest
    `kill_timeout` and one second. From Python 3.12 on no thread can be started at the
    interpreter's end: plugins are ended one after the other there.
    """
    clients = _registry.listed()
    longest = max(clients.values(), default=0.0)
    end_all([client.kill for client in clients], Deadline(longest + KILL_SLACK))


def end_all(kills: Sequence[Callable[[], None]], deadline: Deadline) -> None:
    """Call all at once, where threads can be started, and wait for their return."""
    threads: list[threading.Thread] = []
    for kill in kills:
        thread = threading.Thread(
            target=kill, name=f"goplugin-cleanup-{len(threads)}", daemon=True
        )
        try:
            thread.start()
        except RuntimeError:
            kill()
        else:
            threads.append(thread)
    for thread in threads:
        thread.join(deadline.remaining())
