"""One plugin in the care of a supervisor.

Two locks. `_starting` is held by the one thread that starts a process. `_lock` guards
the state and is never held while anything waits, so that calls find the current
process, and a crash is seen, also during a start. A start may be overtaken by `stop`:
each stop begins a new order, and what belongs to an older one has no effect.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import threading
from collections.abc import Callable, Iterator

from goplugin_py.client import Client
from goplugin_py.config.client import ClientConfig
from goplugin_py.deadline import Deadline
from goplugin_py.errors import (
    ClientClosed,
    ConfigError,
    ConnectionLost,
    LaunchError,
    PluginError,
)
from goplugin_py.supervisor.callee import Callee
from goplugin_py.supervisor.generation import Call, Generation
from goplugin_py.supervisor.lost import CallLost, absence
from goplugin_py.supervisor.policy import HealthPolicy
from goplugin_py.supervisor.recovery import Care, Recovery
from goplugin_py.supervisor.status import Change, State, Status

# Beyond the grace of `Client.kill`: its own second, and one for threads to end.
STOP_SLACK = 2.0

_log = logging.getLogger("goplugin.supervisor")


class Supervised(Callee):
    """A plugin that is started again when it fails. `Supervisor.add` makes them.

    What it dispenses stays usable from one process to the next. All methods are safe
    from any thread.
    """

    def __init__(self, name: str, config: ClientConfig, care: Care) -> None:
        super().__init__()
        self.name = name
        """What the supervisor knows it by."""
        self._care = care
        self._starting = threading.Lock()  # held by the thread that starts a process
        self._lock = threading.Condition()  # guards all below
        self._config = _checked(config)
        self._status = Status()
        self._current: Generation | None = None
        self._candidate: Client | None = None
        self._retired: set[Generation] = set()
        self._order = 0
        self._recovery = Recovery(care)
        self._is_closed = False

    @property
    def status(self) -> Status:
        """What is known about it now."""
        return self._status

    @property
    def config(self) -> ClientConfig:
        """How its latest process was started, or is going to be."""
        return self._config

    def wait_for(
        self, wanted: State | Callable[[Status], bool], timeout: float
    ) -> bool:
        """Wait for a state, or for a status that a function takes for the wanted one.

        Returns:
            Whether it came within `timeout` seconds.
        """
        if isinstance(wanted, State):
            state = wanted
            return self.wait_for(lambda status: status.state is state, timeout)
        with self._lock:
            return self._lock.wait_for(lambda: wanted(self._status), timeout)

    # Commands

    def start(self) -> None:
        """Start it and wait until it answers; does nothing while it runs.

        Raises:
            LaunchError: It did not start. It has crashed then, and is started again
                by the policy, unless it would only fail again.
            ClientClosed: It was stopped meanwhile, or removed.
        """
        try:
            with self._starting:
                order = self._begin()
                if self._current is None:
                    self._forgive()
                    self._launch(order)
        finally:
            self._care.announcer.tell()

    def stop(self, drain_timeout: float = 0.0) -> None:
        """End it, and do not start it again; does nothing when it is stopped.

        Args:
            drain_timeout: Seconds that calls in flight get to end; new ones fail. After
                that it takes as long as `Client.kill`.
        """
        with self._lock:
            self._order += 1
            self._recovery.forgive()
            candidate, generation = self._candidate, self._current
            self._current = None
            self._set(Status(generation=self._status.generation))
            retired = set(self._retired)
            if generation is not None:
                self._retired.add(generation)
        if candidate is not None:
            candidate.kill()
        for each in retired:
            each.cut()
        if generation is not None:
            self._end(generation, drain_timeout)
        self._await_end(retired)
        self._care.announcer.tell()

    def reload(
        self, config: ClientConfig | None = None, *, drain_timeout: float = 30.0
    ) -> None:
        """Replace the process by a new one, without losing calls.

        Returns when the new one takes all further calls. The old one goes on with those
        that it has, and with leases, and is ended after the last of them. When it does
        not run, this is a start.

        Args:
            config: How to start the new one; None means as before.
            drain_timeout: Seconds after which the old one is ended anyway.

        Raises:
            LaunchError: The new one did not start; the old one goes on, if it runs.
            ClientClosed: It was stopped meanwhile, or removed.
        """
        config = None if config is None else _checked(config)
        try:
            with self._starting:
                order = self._begin()
                self._launch(order, config, drain_timeout)
        finally:
            self._care.announcer.tell()

    def check(self) -> bool:
        """Ask it for its health now; return whether it answered.

        Counts as one of the checks that the supervisor makes.
        """
        with self._lock:
            generation = self._current
        return generation is not None and self._check(generation)

    def close(self, drain_timeout: float = 0.0) -> None:
        """Stop it for good, as `stop` does."""
        with self._lock:
            self._is_closed = True
        self.stop(drain_timeout)

    def _enter(self) -> Call:
        """See `Callee`."""
        with self._lock:
            if self._current is not None:
                return self._current.enter()
            raise absence(self.name, self._status)

    # Starting

    def _begin(self) -> int:
        """Return the order that a start belongs to."""
        with self._lock:
            if self._is_closed:
                raise ClientClosed(f"the plugin {self.name} was removed: add it again")
            return self._order

    def _forgive(self) -> None:
        with self._lock:
            self._recovery.forgive()

    def _launch(
        self, order: int, config: ClientConfig | None = None, drain: float = 0.0
    ) -> None:
        """Start a process and make it the current one; `_starting` is held."""
        assert self._starting.locked()
        client = Client(config or self._config)
        try:
            with self._offered(client, order):
                client.start()
            self._install(client, order, config or self._config, drain)
        except ClientClosed:
            client.kill()
            raise
        except PluginError as exc:
            client.kill()
            self._fail(order, exc)
            raise
        except Exception as exc:  # no memory, no threads, options that gRPC refuses
            client.kill()
            error = LaunchError(f"the plugin can't be started: {exc}")
            self._fail(order, error)
            raise error from exc

    @contextlib.contextmanager
    def _offered(self, client: Client, order: int) -> Iterator[None]:
        """Let `stop` reach a client that starts."""
        with self._lock:
            self._refuse_outdated(order)
            self._candidate = client
        try:
            yield
        finally:
            with self._lock:
                self._candidate = None

    def _refuse_outdated(self, order: int) -> None:
        if order != self._order:
            raise ClientClosed(f"the plugin {self.name} was stopped while it started")

    def _install(
        self, client: Client, order: int, config: ClientConfig, drain: float
    ) -> None:
        with self._lock:
            self._refuse_outdated(order)
            number = self._status.generation + 1
            now = self._care.clock.now()
            generation = Generation(self.name, number, client, config, now)
            # Threads first: if one can't be started, nothing has changed.
            self._run("watch", self._keep, generation)
            if self._current is not None:
                self._run("drain", self._end, self._current, drain)
                self._retired.add(self._current)
            self._recovery.cancel()
            if config is not self._config:
                self._recovery.forgive()
            self._current, self._config = generation, config
            self._set(
                Status(
                    state=State.RUNNING,
                    generation=number,
                    pid=client.pid,
                    failures=self._recovery.failures,
                )
            )

    def _run(self, role: str, target: Callable[..., None], *args: object) -> None:
        threading.Thread(
            target=target, args=args, name=f"goplugin-{role}-{self.name}", daemon=True
        ).start()

    # Ending

    def _end(
        self, generation: Generation, drain: float = 0.0, grace: float | None = None
    ) -> None:
        if drain and not generation.drain(drain):
            _log.warning("calls in flight to plugin %s are cut", self.name)
        generation.end(grace)
        with self._lock:
            self._retired.discard(generation)

    def _await_end(self, retired: set[Generation]) -> None:
        deadline = Deadline(self._config.kill_timeout + STOP_SLACK)
        for generation in retired:
            generation.ended.wait(deadline.remaining())

    # Watching

    def _keep(self, generation: Generation) -> None:
        """Wait for the end of a process, and ask for its health meanwhile."""
        health, client = self._care.health, generation.client
        while not client.exited:
            client.wait(None if health is None else health.interval)
            if not client.exited:
                self._check(generation)
        self._lose(generation, generation.lost())

    def _check(self, generation: Generation) -> bool:
        health = self._care.health or HealthPolicy()
        has_answered = generation.check(health)
        if generation.failed_checks >= health.failures:
            error = CallLost(f"the plugin {self.name} does not answer", None)
            self._lose(generation, error)
        return has_answered

    def _lose(self, generation: Generation, error: ConnectionLost) -> None:
        """Take note that a process is no use any more, unless that was asked for."""
        with self._lock:
            if generation is not self._current:
                return
            self._current = None
            self._retired.add(generation)
            uptime = self._care.clock.now() - generation.started
            self._fail(self._order, error, uptime)
        # By force if it hangs; else its last output is on its way.
        self._end(generation, grace=None if generation.client.exited else 0)
        self._care.announcer.tell()

    def _fail(self, order: int, error: PluginError, uptime: float = 0.0) -> None:
        with self._lock:
            if order != self._order or self._current is not None:
                return
            delay = self._recovery.plan(error, uptime, lambda: self._restart(order))
            self._set(
                Status(
                    state=State.CRASHED,
                    generation=self._status.generation,
                    error=error,
                    failures=self._recovery.failures,
                    restart_in=delay,
                )
            )

    def _restart(self, order: int) -> None:
        with self._starting, contextlib.suppress(PluginError):
            # Both are known already: as a stop, and as the next failure.
            if self._current is None:
                self._launch(order)
        self._care.announcer.tell()

    def _set(self, status: Status) -> None:
        if status != self._status:
            change = Change(self.name, self._status, status)
            self._status = status
            self._lock.notify_all()
            self._care.announcer.add(change)


def _checked(config: ClientConfig) -> ClientConfig:
    if config.reattach is not None or config.detach:
        raise ConfigError(
            "a supervisor starts and ends its plugins itself: reattach and detach are "
            "not possible"
        )
    # The supervisor is managed: its plugins must not end without it.
    return dataclasses.replace(config, managed=False)
