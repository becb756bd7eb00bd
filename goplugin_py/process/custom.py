"""A plugin in the hands of a user's runner, whatever that does.

One thread makes the runner, starts the plugin and waits for its end, so that a plugin
may be tied to the thread that started it (PR_SET_PDEATHSIG). Nobody else waits for
that thread, nor for a call of the runner, without a limit: one that raises, blocks or
returns nonsense is an error of its plugin and no more.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Callable

from goplugin_py.errors import ConfigError, LaunchError, StartTimeout
from goplugin_py.process.calls import BoundedCalls, words
from goplugin_py.process.pump import Pump
from goplugin_py.process.runner import Runner, RunnerSpec
from goplugin_py.process.translation import GuardedTranslator

RunnerFactory = Callable[[RunnerSpec], Runner]

# A note on a failed start is not worth more, and `Client.kill` has to be done in time.
DIAGNOSIS_TIMEOUT = 0.5
# A runner that does its duty takes milliseconds.
DISCARD_TIMEOUT = 0.5
# The end may be known before the last output has come all the way.
END_LAG = 0.5
METHODS = ("start", "wait", "kill", "diagnose", "plugin_to_host", "host_to_plugin")

_log = logging.getLogger("goplugin.process")


class CustomRunner:
    """Gives a user's runner the form of a process of ours."""

    lag = END_LAG

    def __init__(
        self,
        name: str,
        factory: RunnerFactory,
        specify: Callable[[], RunnerSpec],
        start_timeout: float,
    ) -> None:
        """Prepare.

        Args:
            name: What the plugin is called until its runner says.
            factory: The user's.
            specify: Called by `start` for what to run.
            start_timeout: Seconds that the runner gets to start the plugin.
        """
        self._factory = factory
        self._specify = specify
        self._start_timeout = start_timeout
        self.name = name
        self.id = ""
        self._calls = BoundedCalls(f"goplugin-call-{self.name}")
        self._pumps: list[Pump] = []
        self._changed = threading.Condition()  # guards all below
        self._runner: Runner | None = None  # once the plugin was started
        self._failure: BaseException | None = None
        self._kill_failure: Exception | None = None
        self._is_killed = False
        self._has_ended = False
        self._is_lost = False
        self._status: int | None = None
        self._notice = -1

    @property
    def pid(self) -> int | None:
        """None: a runner has ids of its own."""
        return None

    @property
    def status(self) -> int | None:
        """The exit status, once it is known."""
        return self._status

    @property
    def is_lost(self) -> bool:
        """Whether nobody watches the plugin any more, and it may have gone on."""
        return self._is_lost

    def start(self, proceed: Callable[[], None] = lambda: None) -> None:
        """Let the runner start the plugin.

        Args:
            proceed: Called after a `kill` meanwhile; may raise to say why.

        Raises:
            LaunchError: It did not, or its streams are none.
        """
        thread = threading.Thread(
            target=self._live,
            args=(self._specify(),),
            name=f"goplugin-runner-{self.name}",
            daemon=True,
        )
        try:
            thread.start()
            if self._has_started():
                return
        except BaseException:  # Ctrl-C
            self.discard()
            raise
        self.discard()  # also what is started too late
        proceed()
        raise self._start_error()

    def _has_started(self) -> bool:
        with self._changed:
            self._changed.wait_for(self._is_settled, self._start_timeout)
            return bool(self._runner) and not (self._failure or self._is_killed)

    def _start_error(self) -> Exception:
        failure = self._failure
        if isinstance(failure, LaunchError | ConfigError):
            return failure
        if failure is not None:
            error = LaunchError(f"the runner can't start the plugin ({words(failure)})")
            error.__cause__ = failure
            return error
        return StartTimeout(
            f"the runner did not start the plugin within {self._start_timeout:g} "
            "seconds"
        )

    def _is_settled(self) -> bool:
        return bool(self._runner or self._failure or self._is_killed)

    def _live(self, spec: RunnerSpec) -> None:
        try:
            runner = _checked(self._factory(spec))
            runner.start()
        except BaseException as exc:
            self._announce(None, exc)
            return
        is_late = self._announce(runner, self._take(runner))
        if is_late:
            self._kill()
            self.close()
        self._settle(self._wait(runner), is_lost=False)

    def _announce(self, runner: Runner | None, failure: BaseException | None) -> bool:
        """Tell how the start went; return whether nobody waits for it any more."""
        with self._changed:
            self._runner, self._failure = runner, failure
            self._changed.notify_all()
            return self._is_killed

    def _take(self, runner: Runner) -> LaunchError | None:
        """Take what a plugin that runs is known by; return what is wrong with it."""
        try:
            self.name, self.id = _text(runner, "name"), _text(runner, "id")
            for stream in ("stdout", "stderr"):
                name = f"goplugin-{stream}-{self.name}"
                self._pumps.append(Pump(getattr(runner, stream), name))
        except BaseException as exc:
            error = LaunchError(
                f"the runner started the plugin and is unusable ({words(exc)})"
            )
            error.__cause__ = exc
            return error
        return None

    def _wait(self, runner: Runner) -> int | None:
        try:
            status = runner.wait()
        except BaseException as exc:
            _log.error("the runner lost sight of plugin %s: %r", self.name, exc)
            self._kill()
            return None
        if status is None or type(status) is int:
            return status
        _log.error("the runner of plugin %s has a status %r", self.name, status)
        return None

    def _settle(self, status: int | None, *, is_lost: bool) -> None:
        with self._changed:
            self._status = status
            self._has_ended, self._is_lost = True, is_lost
            notice, self._notice = self._notice, -1
            self._changed.notify_all()
        if notice >= 0:
            os.close(notice)

    @property
    def translator(self) -> GuardedTranslator:
        """Translates addresses, within a limit of time, or raises ValueError."""
        assert self._runner is not None
        return GuardedTranslator(self._runner, self._calls)

    @property
    def stdout(self) -> int:
        """The reading end of a pipe with the plugin's stdout; valid until `close`."""
        return self._pumps[0].outlet

    @property
    def stderr(self) -> int:
        """Likewise for stderr."""
        return self._pumps[1].outlet

    def exit_notice(self) -> int:
        """Return a new descriptor that becomes readable when the plugin has ended.

        To be called once; the caller closes it.
        """
        reading, writing = os.pipe()
        with self._changed:
            if not self._has_ended:
                self._notice = writing
                return reading
        os.close(writing)
        return reading

    def reap(self) -> int | None:
        """Return the exit status; the plugin has ended."""
        return self._status

    def signal(self, number: signal.Signals) -> None:
        """End the plugin, whatever the signal: a runner knows one way only."""
        self.kill()

    def kill(self) -> None:
        """Let the runner end the plugin, and do not wait for it; idempotent."""
        with self._changed:
            is_first, self._is_killed = not self._is_killed, True
            is_running = self._runner is not None and not self._has_ended
            self._changed.notify_all()
        self._calls.cancel()
        if is_first and is_running:
            try:
                threading.Thread(
                    target=self._kill, name=f"goplugin-kill-{self.name}", daemon=True
                ).start()
            except RuntimeError:  # at the interpreter's end
                self._kill()

    def _kill(self) -> None:
        assert self._runner is not None
        try:
            self._runner.kill()
        except Exception as exc:
            self._kill_failure = exc
            _log.error("the runner can't kill plugin %s: %r", self.name, exc)

    def abandon(self) -> None:
        """Stop watching a plugin that was killed and goes on, or seems to."""
        if not self._has_ended:
            _log.error(
                "plugin %s was killed, and its runner does not say that it has ended",
                self.name,
            )
            self._settle(None, is_lost=True)

    def discard(self) -> None:
        """End a plugin whose output nobody reads."""
        self.kill()
        with self._changed:
            if self._runner is not None:
                self._changed.wait_for(lambda: self._has_ended, DISCARD_TIMEOUT)
        self.close()

    def close(self) -> None:
        """Close the pipes."""
        for pump in self._pumps:
            pump.close()

    def diagnose(self, failure: OSError | None = None) -> list[str]:
        """Return what the runner says about a plugin that does not work."""
        notes = [
            f"the runner's {name} can't be read ({words(pump.failure)})"
            for name, pump in zip(("stdout", "stderr"), self._pumps, strict=False)
            if pump.failure is not None
        ]
        if self._runner is not None:
            notes += self._ask_why(self._runner)
        return notes

    def _ask_why(self, runner: Runner) -> list[str]:
        try:
            notes = self._calls.make(runner.diagnose, DIAGNOSIS_TIMEOUT)
            return [notes] if isinstance(notes, str) else [str(note) for note in notes]
        except Exception as exc:
            return [f"the runner has no diagnosis ({words(exc)})"]

    @property
    def last_words(self) -> list[str]:
        """What a failed start must say about its plugin's end, if that is in doubt."""
        failure = self._kill_failure
        if failure is None:
            return []
        return [f"the runner can't kill the plugin, which may go on ({words(failure)})"]


def _checked(runner: Runner) -> Runner:
    for name in METHODS:
        if not callable(getattr(runner, name, None)):
            raise TypeError(f"{runner!r:.80} is no runner: it has no method {name}")
    return runner


def _text(runner: Runner, name: str) -> str:
    value = getattr(runner, name)
    if not isinstance(value, str) or not value:
        raise TypeError(f"{name} must be a str that is not empty, not {value!r:.80}")
    return value
