"""Threads for RPC handlers, which never keep a process from ending."""

import queue
import threading
from collections.abc import Callable
from concurrent import futures
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

_Job = tuple[futures.Future[Any], Callable[[], Any]]


class Workers(futures.ThreadPoolExecutor):
    """A pool of daemon threads, made as they are needed.

    The standard pool is joined at interpreter exit, so that one handler that hangs
    would keep a plugin from ending. It is the base class only because grpcio takes
    nothing else for `experimental_thread_pool`.
    """

    def __init__(self, max_workers: int, name: str) -> None:
        """Prepare; threads are called `name` and a number."""
        super().__init__(max_workers)
        self._limit = max_workers
        self._name = name
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._lock = threading.Lock()  # guards the three below
        self._count = 0
        self._idle = 0
        self._is_shut_down = False

    def submit(
        self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> futures.Future[T]:
        """Run a call on a worker; see `Executor.submit`."""
        future: futures.Future[T] = futures.Future()
        with self._lock:
            if self._is_shut_down:
                raise RuntimeError("these workers were shut down")
            self._jobs.put((future, lambda: fn(*args, **kwargs)))
            if self._idle:
                self._idle -= 1
            elif self._count < self._limit:
                self._count += 1
                self._hire()
        return future

    def _hire(self) -> None:
        name = f"{self._name}-{self._count}"
        threading.Thread(target=self._work, name=name, daemon=True).start()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            _run(*job)
            del job  # an idle worker must not keep a request alive
            with self._lock:
                self._idle += 1

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Let the workers end after their present calls; never waits for them."""
        with self._lock:
            self._is_shut_down = True
            for _ in range(self._count):
                self._jobs.put(None)


def _run(future: futures.Future[Any], call: Callable[[], Any]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = call()
    except BaseException as exc:  # whoever asks for the result gets it
        future.set_exception(exc)
    else:
        future.set_result(result)
