"""A plugin that this host did not start, and that a user's runner holds."""

from __future__ import annotations

import logging
import threading

from goplugin_py.net import sockets
from goplugin_py.process.calls import BoundedCalls
from goplugin_py.process.runner import AttachedRunner
from goplugin_py.process.translation import GuardedTranslator
from goplugin_py.wire.reattach import ReattachConfig

# For `kill` to return, and `wait` after it: a runner may have to ask others.
KILL_TIMEOUT = 0.8
METHODS = ("wait", "kill", "plugin_to_host", "host_to_plugin")

_log = logging.getLogger("goplugin.process")


class AttachedPlugin:
    """Lets a runner watch and end the plugin of a `ReattachConfig`."""

    def __init__(
        self, runner: AttachedRunner, config: ReattachConfig, calls: BoundedCalls
    ) -> None:
        """Take the runner.

        Raises:
            TypeError: It is none.
        """
        for name in METHODS:
            if not callable(getattr(runner, name, None)):
                raise TypeError(f"{runner!r:.80} is no runner: it has no method {name}")
        self._runner = runner
        self._config = config
        self.id = str(runner.id)
        self.translator = GuardedTranslator(runner, calls)
        self._done = threading.Event()  # the plugin has ended, or nobody watches it
        self._has_exited = False
        self._status: int | None = None

    def watch(self, *, is_plugin: bool) -> None:
        """Begin to wait for the end, once a call was answered.

        Args:
            is_plugin: Of no interest: the runner vouches for the plugin.
        """
        threading.Thread(
            target=self._watch, name=f"goplugin-runner-{self.name}", daemon=True
        ).start()

    def _watch(self) -> None:
        try:
            status = self._runner.wait()
        except BaseException as exc:
            _log.error("the runner lost sight of plugin %s: %r", self.name, exc)
            self._done.set()
            return
        self._status = status if type(status) is int else None
        self._has_exited = True
        _log.info("plugin %s ended", self.name)
        if self._config.address.network == "unix":
            sockets.remove_abandoned(self._config.address.text)
        self._done.set()

    @property
    def name(self) -> str:
        """A short name for logs and threads."""
        return self.id

    @property
    def pid(self) -> int | None:
        """None: a runner has ids of its own."""
        return None

    @property
    def status(self) -> int | None:
        """The exit status, if the runner learns it."""
        return self._status

    @property
    def has_exited(self) -> bool:
        """Whether the runner saw it end."""
        return self._has_exited

    @property
    def is_spared(self) -> bool:
        """Whether the plugin is a test's, which no host ends."""
        return self._config.test

    def wait(self, timeout: float | None) -> bool:
        """Wait for the end; return whether it has come."""
        self._done.wait(timeout)
        return self._has_exited

    def end(self) -> None:
        """Let the runner end the plugin."""
        if self._has_exited:
            return
        try:
            thread = threading.Thread(
                target=self._kill, name=f"goplugin-kill-{self.name}", daemon=True
            )
            thread.start()
        except RuntimeError:  # at the interpreter's end
            self._kill()
        if not self._done.wait(KILL_TIMEOUT):
            _log.error(
                "plugin %s was killed, and its runner does not say that it has ended",
                self.name,
            )

    def _kill(self) -> None:
        try:
            self._runner.kill()
        except Exception as exc:
            _log.error("the runner can't kill plugin %s: %r", self.name, exc)

    def release(self) -> None:
        """Let nobody wait any more; the thread in the runner's `wait` stays there."""
        self._done.set()
