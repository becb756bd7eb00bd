"""What runs a plugin somewhere else: in a container, a namespace, on a debugger.

A user's runner starts the plugin, hands out what it prints, and ends it; everything
else stays the client's. The names are those of go-plugin's package `runner`, and its
runners have the same duties. `goplugin_py.testing.check_runner` tests one.
"""

from __future__ import annotations

import os
import posixpath
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from goplugin_py.wire.address import Address


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnerSpec:
    """What a runner is asked to run (go-plugin: the `Cmd` of `RunnerFunc`)."""

    command: Sequence[str] = ()
    """The program and its arguments; empty where the configuration has none, because
    the runner knows what to run."""

    env: Mapping[str, str] = field(default_factory=dict)
    """All variables that the plugin must get, the magic cookie among them."""

    cwd: str | None = None
    """The working directory that was asked for."""

    stdin: int | None = None
    """As `ClientConfig.stdin`."""

    detach: bool = False
    """Whether the plugin may outlive this process."""

    socket_directory: str = ""
    """A new directory for the sockets of both sides, which the client removes when the
    plugin has ended. The plugin must find it, at the place that its variable
    `PLUGIN_UNIX_SOCKET_DIR` names: here that is this very path, so a runner that shows
    it under another one changes the variable."""

    socket_group: str = ""
    """The group, by name or id, that owns the directory and may write to it; the
    plugin's user must be a member. Empty means that only this user can enter."""


class AddressTranslator(Protocol):
    """Translates addresses between this process and where the plugin runs.

    Called on any thread. Either method raises whatever it likes for an address that
    the other side can't reach, or has no business to name.
    """

    def plugin_to_host(self, address: Address) -> Address:
        """Return how this process reaches what the plugin calls `address`.

        Called for the handshake line, and for each offer of the plugin's broker.
        """

    def host_to_plugin(self, address: Address) -> Address:
        """Return how the plugin reaches what this process calls `address`.

        Called for each offer of this side's broker.
        """


class AttachedRunner(AddressTranslator, Protocol):
    """A plugin that runs, whoever started it."""

    @property
    def id(self) -> str:
        """What the plugin goes by, such as a process or container id.

        Read once, when the plugin runs.
        """

    def wait(self) -> int | None:
        """Block until the plugin has ended, whoever ended it.

        Called once, on a thread that does nothing else afterwards.

        Returns:
            The exit status, a negative number for a signal; None if nobody knows.
        """

    def kill(self) -> None:
        """End the plugin by force; then `wait` must return.

        Called on any thread, while another one waits. Must do nothing when the plugin
        has ended already.
        """


class ByteStream(Protocol):
    """What a plugin writes; files and pipes that are open for reading bytes will do."""

    def read(self, size: int, /) -> bytes | None:
        """Return what is there, up to `size` bytes; wait if that is nothing.

        Returns `b""` at the end. Where there is a method `read1`, it is called instead.
        """

    def close(self) -> None:
        """Called at the end, on the thread that reads."""


class Runner(AttachedRunner, Protocol):
    """Starts a plugin, and holds it until its end."""

    @property
    def name(self) -> str:
        """A short name for logs and threads; need not be unique.

        Read once, after `start`.
        """

    def start(self) -> None:
        """Start the plugin, and return.

        Called once, on the thread that calls `wait` next: the plugin may be tied to
        it. When this raises, nothing may be left behind, and nothing else is called.
        """

    @property
    def stdout(self) -> ByteStream:
        """What the plugin writes to stdout, unchanged and without delay.

        Read from the start to the end, which must come when the plugin has ended.
        """

    @property
    def stderr(self) -> ByteStream:
        """Likewise for stderr, apart from stdout."""

    def diagnose(self) -> Sequence[str]:
        """Return what may explain a plugin that does not work, one sentence each.

        Called when a start has failed, before `kill`.
        """


class SameAddresses:
    """The translation for a plugin that sees the files and networks of this process."""

    def plugin_to_host(self, address: Address) -> Address:
        """Return the same address."""
        return address

    def host_to_plugin(self, address: Address) -> Address:
        """Return the same address."""
        return address


class DirectoryTranslator:
    """Translates the sockets in a directory that has another path for the plugin.

    Everything else is refused: a plugin must not lead this process to the sockets of
    other services, by their path or by a link.
    """

    def __init__(self, *, host: str, plugin: str) -> None:
        """Prepare.

        Args:
            host: The directory's path here.
            plugin: Its path where the plugin runs.
        """
        self._host = posixpath.normpath(host)
        self._plugin = posixpath.normpath(plugin)

    def plugin_to_host(self, address: Address) -> Address:
        """See `AddressTranslator.plugin_to_host`."""
        found = _moved(address, self._plugin, self._host)
        if not stat.S_ISSOCK(os.lstat(found.text).st_mode):
            raise ValueError(f"{found.text} is no socket")
        return found

    def host_to_plugin(self, address: Address) -> Address:
        """See `AddressTranslator.host_to_plugin`."""
        return _moved(address, self._host, self._plugin)


def _moved(address: Address, source: str, target: str) -> Address:
    directory, name = posixpath.split(address.text)
    is_inside = posixpath.normpath(directory) == source and name not in ("", ".", "..")
    if address.network != "unix" or not is_inside:
        raise ValueError(f"it is no unix socket in {source}")
    return Address.unix(posixpath.join(target, name))
