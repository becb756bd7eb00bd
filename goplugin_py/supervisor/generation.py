"""One process of a supervised plugin, and the calls that it is answering."""

from __future__ import annotations

import queue
import threading

import grpc

from goplugin_py.client import Client
from goplugin_py.config.client import ClientConfig
from goplugin_py.deadline import Deadline
from goplugin_py.errors import ClientClosed, ConnectionLost
from goplugin_py.process.local import describe_status
from goplugin_py.supervisor.lost import CallLost
from goplugin_py.supervisor.policy import HealthPolicy

# To tell a plugin that is gone from one that says itself that it is not available.
PING_TIMEOUT = 1.0
STATUS_TIMEOUT = 1.0


class Generation:
    """A client that runs, with the calls in flight counted."""

    def __init__(
        self,
        name: str,
        number: int,
        client: Client,
        config: ClientConfig,
        started: float,
    ) -> None:
        self.number = number
        self.client = client
        self.config = config
        self.started = started
        self.ended = threading.Event()
        self.failed_checks = 0
        self._name = name
        self._calls: set[Call] = set()
        self._is_over = False  # killed, or about to be
        self._is_draining = False
        # `put` may run inside a finalizer, wherever that interrupts: an Event's lock
        # might be held there.
        self._notices: queue.SimpleQueue[None] = queue.SimpleQueue()

    def enter(self) -> Call:
        """Count a call; the caller makes sure that the process is the current one."""
        call = Call(self)
        self._calls.add(call)
        return call

    def leave(self, call: Call) -> None:
        """Take a call off the count; idempotent, and safe in a finalizer."""
        self._calls.discard(call)
        if self._is_draining:
            self._notices.put(None)

    def drain(self, timeout: float) -> bool:
        """Wait until no call is left; return whether that came within `timeout`.

        The caller makes sure that no call is added meanwhile.
        """
        self._is_draining = True
        deadline = Deadline(timeout)
        while self._calls and not self._is_over:
            try:
                self._notices.get(timeout=deadline.remaining())
            except queue.Empty:
                break
        return not self._calls

    def check(self, health: HealthPolicy) -> bool:
        """Ask for the health; return whether there was an answer."""
        try:
            self.client.ping(health.timeout)
        except (ConnectionLost, ClientClosed):
            self.failed_checks += 1
        else:
            self.failed_checks = 0
        return self.failed_checks == 0

    def cut(self) -> None:
        """Make `drain` return at once."""
        self._is_over = True
        self._notices.put(None)

    def end(self, grace: float | None = None) -> None:
        """End the process as `Client.kill` does, and the calls with it."""
        self.cut()
        self.client.kill(grace)
        self.ended.set()

    def explained(self, error: BaseException) -> BaseException:
        """Return what a failed call is to raise: `CallLost`, or the error itself."""
        if isinstance(error, grpc.RpcError):
            code = error.code()
        elif isinstance(error, ValueError) and self._is_over:
            code = grpc.StatusCode.CANCELLED  # grpcio's word for a closed channel
        else:
            return error
        if code not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED):
            return error
        if self._is_over or self.client.exited:
            return self.lost()
        if code is grpc.StatusCode.CANCELLED:
            return error
        return self._unless_it_answers(error)

    def _unless_it_answers(self, error: BaseException) -> BaseException:
        try:
            self.client.ping(PING_TIMEOUT)
        except (ConnectionLost, ClientClosed):
            return self.lost()
        return error

    def lost(self) -> CallLost:
        """Return the error for calls that end with the process."""
        # A process that is ended hangs up a moment before its status is known.
        status = self.client.wait(STATUS_TIMEOUT if self._is_over else 0)
        if status is None and not self.client.exited:
            how = "its host ended it" if self._is_over else "it does not answer"
        else:
            how = describe_status(status)
        return CallLost(f"the plugin {self._name} is gone: {how}", status)


class Call:
    """A call in flight."""

    __slots__ = ("generation",)

    def __init__(self, generation: Generation) -> None:
        self.generation = generation

    def done(self) -> None:
        """Take it off the count; idempotent."""
        self.generation.leave(self)
