"""A plugin that this host did not start.

A process id is no proof of anything: the plugin may have ended long ago, and its id
belong to somebody else. So the process is held by a descriptor (pidfd) before the
first call is made, and is never sent a signal unless it is known to be the one that
listens where the plugin answered.
"""

import contextlib
import logging
import os
import selectors
import signal
import threading

from goplugin_py.errors import ProcessNotFound
from goplugin_py.net import owner, sockets
from goplugin_py.wire.reattach import ReattachConfig

# A plugin that reacts to SIGTERM needs milliseconds; one that is stuck never does.
TERM_TIMEOUT = 0.3
# After SIGKILL; it takes milliseconds.
KILL_TIMEOUT = 0.5
# The thread only wakes up to end.
JOIN_TIMEOUT = 1.0
# go-plugin: pidWait; only where there is no pidfd.
POLL_INTERVAL = 1.0

_log = logging.getLogger("goplugin.process")


class AttachedProcess:
    """Watches the process of a `ReattachConfig` and ends it on demand."""

    def __init__(self, config: ReattachConfig, timeout: float) -> None:
        """Find the process, and make sure that it listens at the address.

        Args:
            config: Where the plugin is said to be.
            timeout: Seconds to connect.

        Raises:
            ProcessNotFound: It does not.
            OSError: That could not be found out.
        """
        self._config = config
        # Guards the descriptors against their closing. A finalizer may release them
        # on the very thread that is about to.
        self._lock = threading.RLock()
        self._done = threading.Event()  # the process has ended, or nobody watches it
        self._has_exited = False
        self._may_signal = False
        self._thread: threading.Thread | None = None
        self._stop, self._stopper = -1, -1
        self._pidfd = _hold(config)
        try:
            self._owns = self._check_owner(timeout)
        except BaseException:
            self._close()
            raise

    def _check_owner(self, timeout: float) -> bool | None:
        config = self._config
        try:
            owns = owner.owns(config.pid, config.address, timeout)
        except (ConnectionError, FileNotFoundError, TimeoutError) as exc:
            raise ProcessNotFound(
                f"nothing listens at {config.address} any more ({exc})"
            ) from exc
        if owns is False and not config.test:
            raise ProcessNotFound(
                f"process {config.pid} is not the one that listens at "
                f"{config.address}: the plugin has ended, and its id or address is "
                "somebody else's"
            )
        return owns

    def watch(self, *, is_plugin: bool) -> None:
        """Begin to wait for the end, once a call was answered.

        Args:
            is_plugin: Whether the answer was one that only plugins give.
        """
        self._may_signal = is_plugin and self._owns is True and not self.is_spared
        if self._owns is False or (self._config.test and self._owns is None):
            return  # a test's plugin in another namespace: the id is not for us
        if self._pidfd >= 0:
            self._stop, self._stopper = os.pipe()
        thread = threading.Thread(
            target=self._watch if self._pidfd >= 0 else self._poll,
            name=f"goplugin-attached-{self.pid}",
            daemon=True,
        )
        try:
            thread.start()
        except BaseException:
            self._close()
            raise
        self._thread = thread

    def _watch(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._pidfd, selectors.EVENT_READ)
            selector.register(self._stop, selectors.EVENT_READ)
            ready = {key.fd for key, _ in selector.select()}
        if self._pidfd in ready:
            self._report_exit()
        with self._lock:
            self._close()
        self._done.set()

    def _poll(self) -> None:
        while not self._done.wait(POLL_INTERVAL):
            with contextlib.suppress(PermissionError):
                try:
                    os.kill(self.pid, 0)  # asks, and sends nothing
                except ProcessLookupError:
                    self._report_exit()
                    self._done.set()

    def _report_exit(self) -> None:
        self._has_exited = True
        _log.info("plugin %s ended", self.name)
        if self._config.address.network == "unix":
            sockets.remove_abandoned(self._config.address.text)

    @property
    def name(self) -> str:
        """A short name for logs and threads."""
        return f"pid-{self._config.pid}"

    @property
    def id(self) -> str:
        """The process id as text."""
        return str(self._config.pid)

    @property
    def pid(self) -> int:
        """The process id, as configured."""
        return self._config.pid

    @property
    def translator(self) -> None:
        """None: its addresses are ours."""
        return

    @property
    def status(self) -> int | None:
        """Always None: only a parent learns how a process ended."""
        return None

    @property
    def has_exited(self) -> bool:
        """Whether it was seen to end."""
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
        """End the process if it is known to be the plugin: by SIGTERM, then by force.

        One that is not known for sure is left alone.
        """
        if self._has_exited:
            return
        if not self._may_signal:
            _log.warning("plugin %s is left alone: it is not known for sure", self.name)
            return
        self._signal(signal.SIGTERM)
        if not self._done.wait(TERM_TIMEOUT):
            self._signal(signal.SIGKILL)
            self._done.wait(KILL_TIMEOUT)

    def _signal(self, number: signal.Signals) -> None:
        with self._lock, contextlib.suppress(ProcessLookupError):
            if not self._may_signal:
                return
            if self._pidfd >= 0:
                signal.pidfd_send_signal(self._pidfd, number)
            else:
                # There is a moment in which the id could change hands.
                os.kill(self.pid, number)

    def release(self) -> None:
        """Stop watching; idempotent."""
        with self._lock:
            if self._stopper >= 0:
                os.close(self._stopper)  # the thread closes the rest
                self._stopper = -1
            elif self._stop < 0:
                self._close()
                self._done.set()
        if self._thread not in (None, threading.current_thread()):
            self._thread.join(JOIN_TIMEOUT)

    def _close(self) -> None:
        self._may_signal = False
        fds = {self._pidfd, self._stop, self._stopper} - {-1}
        self._pidfd = self._stop = self._stopper = -1
        for fd in fds:
            os.close(fd)


def _hold(config: ReattachConfig) -> int:
    """Return a descriptor of the process; -1 where there is none to be had."""
    if not hasattr(os, "pidfd_open"):
        return -1
    try:
        return os.pidfd_open(config.pid)
    except ProcessLookupError as exc:
        if config.test:  # its id may be that of another namespace
            return -1
        raise ProcessNotFound(f"there is no process {config.pid} any more") from exc
    except OSError:  # a kernel that does not know it
        return -1
