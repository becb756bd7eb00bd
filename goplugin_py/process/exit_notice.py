"""Tells a host's user that a plugin has ended."""

import logging
import threading
from collections.abc import Callable

from goplugin_py.callables import refuse_coroutine
from goplugin_py.process.running import RunningProcess
from goplugin_py.process.status import ExitStatus

OnExit = Callable[[ExitStatus | None], object]

_log = logging.getLogger("goplugin.process")


def call_at_exit(process: RunningProcess, on_exit: OnExit) -> None:
    """Call back once when the process has ended, on a thread of its own.

    The callback may do anything: the end does not wait for it. It is not called when
    the process is released while it runs.
    """
    threading.Thread(
        target=_wait_and_call,
        args=(process, on_exit),
        name=f"goplugin-exit-{process.name}",
        daemon=True,
    ).start()


def _wait_and_call(process: RunningProcess, on_exit: OnExit) -> None:
    if process.wait(None):
        try:
            refuse_coroutine(on_exit(ExitStatus.of(process.status)), "on_exit")
        except Exception:
            _log.exception("on_exit of plugin %s failed", process.name)
