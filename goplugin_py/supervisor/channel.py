"""A channel whose calls go to whichever process of a plugin is the current one.

Stubs that are made of it outlive their process. Each call is counted with the process
that it goes to, from its start to its end, and fails with `CallLost` when that process
is gone. Anything else about a call is grpcio's.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import grpc

from goplugin_py.supervisor.generation import Call, Generation

Enter = Callable[[], Call]


class SupervisedChannel(grpc.Channel):
    """What `Supervised.dispense` makes stubs of; never closed by its users."""

    def __init__(self, enter: Enter) -> None:
        """Prepare.

        Args:
            enter: Counts a call with the process that it is to go to, or raises.
        """
        self._enter = enter

    def unary_unary(self, *args: Any, **options: Any) -> _Unary:
        """See `grpc.Channel`."""
        return _Unary(
            self._enter, lambda channel: channel.unary_unary(*args, **options)
        )

    def stream_unary(self, *args: Any, **options: Any) -> _Unary:
        """See `grpc.Channel`."""
        return _Unary(
            self._enter, lambda channel: channel.stream_unary(*args, **options)
        )

    def unary_stream(self, *args: Any, **options: Any) -> _Streaming:
        """See `grpc.Channel`."""
        return _Streaming(
            self._enter, lambda channel: channel.unary_stream(*args, **options)
        )

    def stream_stream(self, *args: Any, **options: Any) -> _Streaming:
        """See `grpc.Channel`."""
        return _Streaming(
            self._enter, lambda channel: channel.stream_stream(*args, **options)
        )

    def subscribe(self, callback: Any, try_to_connect: bool = False) -> None:
        """Refuse: there is a state that says more."""
        raise NotImplementedError("see the callback of Supervisor, and wait_for()")

    def unsubscribe(self, callback: Any) -> None:
        """Do nothing: nobody is subscribed."""

    def close(self) -> None:
        """Do nothing: the supervisor ends the processes, and their channels."""


class _Method:
    """A method of a service, bound anew for each process."""

    def __init__(self, enter: Enter, bind: Callable[[grpc.Channel], Any]) -> None:
        self._enter = enter
        self._bind = bind
        self._latest: tuple[Generation, Any] | None = None

    def _of(self, generation: Generation) -> Any:
        latest = self._latest
        if latest is None or latest[0] is not generation:
            latest = generation, self._bind(generation.client.channel)
            self._latest = latest
        return latest[1]

    @contextlib.contextmanager
    def _calling(self) -> Iterator[tuple[Call, Any]]:
        """Count a call, until it is done or has failed to begin."""
        call = self._enter()
        try:
            yield call, self._of(call.generation)
        except BaseException as exc:
            call.done()
            error = call.generation.explained(exc)
            if error is exc:
                raise
            raise error from exc

    def _begin(self, start: Callable[[Any], Any]) -> _CallInFlight:
        with self._calling() as (call, method):
            return _CallInFlight(call, start(method))


# grpcio's classes have parameters for type checkers only.
class _Unary(
    _Method,
    grpc.UnaryUnaryMultiCallable,  # type: ignore[type-arg]
    grpc.StreamUnaryMultiCallable,  # type: ignore[type-arg]
):
    """A method with one response."""

    def __call__(self, *args: Any, **options: Any) -> Any:
        with self._calling() as (call, method):
            response = method(*args, **options)
            call.done()
            return response

    def with_call(self, *args: Any, **options: Any) -> Any:
        with self._calling() as (call, method):
            outcome = method.with_call(*args, **options)
            call.done()
            return outcome

    def future(self, *args: Any, **options: Any) -> Any:
        return self._begin(lambda method: method.future(*args, **options))


class _Streaming(
    _Method,
    grpc.UnaryStreamMultiCallable,  # type: ignore[type-arg]
    grpc.StreamStreamMultiCallable,  # type: ignore[type-arg]
):
    """A method with a stream of responses."""

    def __call__(self, *args: Any, **options: Any) -> Any:
        return self._begin(lambda method: method(*args, **options))


class _CallInFlight:
    """What grpcio gives for a call that runs, with our word on how it ends."""

    def __init__(self, call: Call, rendezvous: Any) -> None:
        self._call = call
        self._rendezvous = rendezvous
        # False if it has ended already.
        if not rendezvous.add_callback(call.done):
            call.done()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._rendezvous, name)

    def __iter__(self) -> _CallInFlight:
        return self

    def __next__(self) -> Any:
        with self._explaining():
            return next(self._rendezvous)

    def result(self, timeout: float | None = None) -> Any:
        with self._explaining():
            return self._rendezvous.result(timeout)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        error = self._rendezvous.exception(timeout)
        return None if error is None else self._call.generation.explained(error)

    def cancel(self) -> bool:
        cancelled: bool = self._rendezvous.cancel()
        self._call.done()
        return cancelled

    def add_done_callback(self, callback: Callable[[Any], None]) -> None:
        self._rendezvous.add_done_callback(lambda _: callback(self))

    def __del__(self) -> None:
        # grpcio cancels a call that nobody holds, and may call nobody back.
        self._call.done()

    @contextlib.contextmanager
    def _explaining(self) -> Iterator[None]:
        try:
            yield
        except grpc.RpcError as exc:
            error = self._call.generation.explained(exc)
            if error is exc:
                raise
            raise error from exc


# Users ask with isinstance(); what we don't have, __getattr__ finds.
grpc.Call.register(_CallInFlight)
grpc.Future.register(_CallInFlight)
