"""The one thread that moves bytes for every relay of the process."""

import collections
import heapq
import itertools
import logging
import os
import selectors
import socket
import threading
import time
import weakref
from collections.abc import Callable

READ = selectors.EVENT_READ
WRITE = selectors.EVENT_WRITE

_log = logging.getLogger("goplugin.loop")

_Call = Callable[[], None]


class Timer:
    """A call that is due later; made by `Loop.call_later`."""

    __slots__ = ("_call",)

    def __init__(self, call: _Call) -> None:
        self._call: _Call | None = call

    def cancel(self) -> None:
        """Forget the call; harmless when it has run."""
        self._call = None

    def fire(self) -> None:
        """Make the call unless it was cancelled."""
        call, self._call = self._call, None
        if call is not None:
            call()

    @property
    def is_due(self) -> bool:
        """Whether it still waits for its time."""
        return self._call is not None


class Loop:
    """A selector in a thread of its own.

    The thread starts with the first call and ends when nothing is watched and
    nothing is due. Only `call_soon` may be used from other threads; all else runs
    on the loop's thread. A child of `os.fork` finds an empty loop, and the sockets
    that its parent's loop watches closed.
    """

    def __init__(self, name: str = "goplugin-loop") -> None:
        self._name = name
        self._reset()
        _loops.add(self)

    def _reset(self) -> None:
        self._lock = threading.Lock()  # guards _calls, _thread and _waker
        self._calls: collections.deque[_Call] = collections.deque()
        self._timers: list[tuple[float, int, Timer]] = []
        self._sequence = itertools.count()
        self._watched: set[socket.socket] = set()
        self._selector: selectors.BaseSelector | None = None
        self._thread: threading.Thread | None = None
        self._waker: socket.socket | None = None
        self._ear: socket.socket | None = None

    @property
    def is_running(self) -> bool:
        """Whether the thread is alive."""
        return self._thread is not None

    @property
    def is_current(self) -> bool:
        """Whether the caller is the loop's thread."""
        return self._thread is threading.current_thread()

    def call_soon(self, call: _Call) -> None:
        """Make a call on the loop's thread; safe from any thread."""
        if self.is_current:  # alone with its calls, and awake
            self._calls.append(call)
            return
        with self._lock:
            is_running = self.is_running
            if not is_running:
                self._start()
            self._calls.append(call)
            if is_running:
                self._wake()

    def run(self, call: _Call, timeout: float) -> None:
        """Make a call on the loop's thread and wait until it is done.

        Raises:
            TimeoutError: The loop did not get to it in `timeout` seconds.
        """
        if self.is_current:
            call()
            return
        done = threading.Event()

        def announced() -> None:
            try:
                call()
            finally:
                done.set()

        self.call_soon(announced)
        if not done.wait(timeout):
            raise TimeoutError("the relay thread is stuck")

    def call_later(self, delay: float, call: _Call) -> Timer:
        """Make a call in `delay` seconds."""
        timer = Timer(call)
        due = time.monotonic() + delay
        heapq.heappush(self._timers, (due, next(self._sequence), timer))
        return timer

    def watch(
        self, sock: socket.socket, events: int, callback: Callable[[int], None]
    ) -> None:
        """Call back with the events that `sock` is ready for; no events forgets it."""
        assert self._selector is not None
        if not events:
            self.forget(sock)
        elif sock in self._watched:
            self._selector.modify(sock, events, callback)
        else:
            self._selector.register(sock, events, callback)
            self._watched.add(sock)

    def forget(self, sock: socket.socket) -> None:
        """Stop watching a socket; must come before it is closed."""
        if sock in self._watched and self._selector is not None:
            self._watched.remove(sock)
            self._selector.unregister(sock)

    def _start(self) -> None:
        try:
            self._selector = selectors.DefaultSelector()
            self._ear, self._waker = socket.socketpair()
            self._ear.setblocking(False)
            self._waker.setblocking(False)
            self._selector.register(self._ear, READ, self._hear)
            thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            thread.start()
        except BaseException:
            self._release()
            raise
        self._thread = thread

    def _release(self) -> None:
        for resource in (self._selector, self._waker, self._ear):
            if resource is not None:
                resource.close()
        self._thread = self._selector = self._waker = self._ear = None

    def _hear(self, _events: int) -> None:
        assert self._ear is not None
        self._ear.recv(4096)

    def _wake(self) -> None:
        assert self._waker is not None
        try:
            self._waker.send(b"\0")
        except BlockingIOError:
            return  # it is full of wake-ups already

    def _run(self) -> None:
        selector, watched = self._selector, self._watched
        assert selector is not None
        while not self._stopped():
            for key, events in selector.select(self._patience()):
                # An earlier callback of this round may have closed this socket.
                if key.fileobj in watched or key.fileobj is self._ear:
                    try:
                        key.data(events)
                    except Exception:
                        _log.exception("a relay callback failed")
            self._run_timers()
            self._run_calls()

    def _stopped(self) -> bool:
        """End the thread if there is nothing left to do."""
        while self._timers and not self._timers[0][2].is_due:
            heapq.heappop(self._timers)
        with self._lock:
            if self._calls or self._timers or self._watched:
                return False
            self._release()
            return True

    def _patience(self) -> float | None:
        if self._calls:
            return 0
        if not self._timers:
            return None
        return max(0.0, self._timers[0][0] - time.monotonic())

    def _run_timers(self) -> None:
        now = time.monotonic()
        while self._timers and self._timers[0][0] <= now:
            self._guarded(heapq.heappop(self._timers)[2].fire)

    def _run_calls(self) -> None:
        # Twice: what a stream's reader writes is due in the same round, before the
        # system is asked for more. But not for ever, for sockets have to be served.
        for _ in range(2):
            for _ in range(len(self._calls)):
                self._guarded(self._calls.popleft())

    def _guarded(self, call: _Call) -> None:
        try:
            call()
        except Exception:
            # One connection's bug must not end the others.
            _log.exception("a relay callback failed")

    def forget_parent(self) -> None:
        """Start afresh in a child of `os.fork`.

        The child holds copies of the parent's descriptors. They are closed so that
        a peer sees the parent hang up; the selector itself is shared with the
        parent and must not be modified.
        """
        inherited = [*self._watched, self._selector, self._waker, self._ear]
        self._reset()
        for resource in inherited:
            if resource is not None:
                resource.close()


_loops: weakref.WeakSet[Loop] = weakref.WeakSet()


def shared_loop() -> Loop:
    """Return the process's loop: every relay shares one thread."""
    return _SHARED


def _after_fork() -> None:
    for loop in list(_loops):
        loop.forget_parent()


_SHARED = Loop()
os.register_at_fork(after_in_child=_after_fork)
