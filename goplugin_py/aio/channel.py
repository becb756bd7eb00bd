"""A grpc.aio channel that says what is wrong with a call before it is made.

On another loop, or once it was closed, a channel of grpcio's fails somewhere inside,
or hangs. A call that is all right is grpcio's own, and so is what it returns.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import Any, NoReturn, Self

import grpc
import grpc.aio

from goplugin_py.aio.affinity import Affinity, running_loop
from goplugin_py.aio.poller import quiet_poller
from goplugin_py.errors import LocalProtocolError, PluginError
from goplugin_py.services.channel import CHANNEL_OPTIONS, merged, refuse_pickling


class Channel(grpc.aio.Channel):
    """A channel to a target of ours, on the loop that it is made on."""

    def __init__(
        self,
        target: str,
        options: Sequence[tuple[str, Any]],
        closed: Callable[[], PluginError],
        on_close: Callable[[Channel], Awaitable[None]] | None = None,
    ) -> None:
        """Open the channel; it connects on the first call.

        Args:
            target: What to dial.
            options: Channel options, which win over ours.
            closed: Makes what calls raise once the channel is closed.
            on_close: Awaited once when it is.
        """
        self._affinity = Affinity("this channel")
        self.loop = self._affinity.loop
        self._closed = closed
        self._on_close = on_close
        self.is_closed = False
        with quiet_poller(self.loop):
            self._channel = grpc.aio.insecure_channel(
                target, options=merged(CHANNEL_OPTIONS, options)
            )

    def check(self) -> None:
        """Refuse a call that can't be made.

        Raises:
            PluginError: The channel is closed, or belongs to another loop.
        """
        if self.is_closed:
            raise self._closed()
        self._affinity.check()

    def __reduce__(self) -> NoReturn:
        refuse_pickling(self)

    def unary_unary(self, *args: Any, **kwargs: Any) -> Any:
        """See `grpc.aio.Channel.unary_unary`."""
        return _Method(self._channel.unary_unary(*args, **kwargs), self)

    def unary_stream(self, *args: Any, **kwargs: Any) -> Any:
        """See `grpc.aio.Channel.unary_stream`."""
        return _Method(self._channel.unary_stream(*args, **kwargs), self)

    def stream_unary(self, *args: Any, **kwargs: Any) -> Any:
        """See `grpc.aio.Channel.stream_unary`."""
        return _Method(self._channel.stream_unary(*args, **kwargs), self)

    def stream_stream(self, *args: Any, **kwargs: Any) -> Any:
        """See `grpc.aio.Channel.stream_stream`."""
        return _Method(self._channel.stream_stream(*args, **kwargs), self)

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:
        """See `grpc.aio.Channel.get_state`."""
        return self._channel.get_state(try_to_connect)

    async def wait_for_state_change(
        self, last_observed_state: grpc.ChannelConnectivity
    ) -> None:
        """See `grpc.aio.Channel.wait_for_state_change`."""
        self.check()
        await self._channel.wait_for_state_change(last_observed_state)

    async def channel_ready(self) -> None:
        """See `grpc.aio.Channel.channel_ready`."""
        self.check()
        await self._channel.channel_ready()

    async def close(self, grace: float | None = None) -> None:
        """Close the channel, with calls cancelled after `grace` seconds; idempotent."""
        if self.is_closed:
            return
        self.is_closed = True
        if self._affinity.is_here:
            await self._channel.close(grace)
        if self._on_close is not None:
            await self._on_close(self)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()


class _Method:
    """A method of a stub: checks, then leaves the call to grpcio."""

    __slots__ = ("_call", "_channel", "_loop")

    def __init__(self, call: Callable[..., Any], channel: Channel) -> None:
        self._call = call
        self._channel = channel
        self._loop = channel.loop

    def __reduce__(self) -> NoReturn:
        refuse_pickling(self)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        # As `Channel.check` does, in a third of the time: it is part of each call.
        if self._channel.is_closed or running_loop() is not self._loop:
            self._channel.check()
        return self._call(*args, **kwargs)

    def future(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse what only stubs on blocking channels have."""
        raise LocalProtocolError(
            "this stub is on an asyncio channel, where each call is a future already: "
            "write `await stub.Method(request)`"
        )

    def with_call(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse what only stubs on blocking channels have."""
        raise LocalProtocolError(
            "this stub is on an asyncio channel: write `call = stub.Method(request)` "
            "and `await call`; it has the metadata and the code"
        )
