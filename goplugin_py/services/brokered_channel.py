"""What a dial through the broker returns."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import grpc

from goplugin_py.services.connection import Connection


class BrokeredChannel(grpc.Channel):
    """A channel that takes its relay along when it is closed."""

    def __init__(
        self,
        channel: grpc.Channel,
        connection: Connection,
        on_close: Callable[[Callable[[], None]], None],
    ) -> None:
        self._channel = channel
        self._connection = connection
        self._on_close = on_close

    def subscribe(
        self, callback: Callable[..., Any], try_to_connect: bool = False
    ) -> None:
        """See `grpc.Channel.subscribe`."""
        self._channel.subscribe(callback, try_to_connect)

    def unsubscribe(self, callback: Callable[..., Any]) -> None:
        """See `grpc.Channel.unsubscribe`."""
        self._channel.unsubscribe(callback)

    def unary_unary(self, *args: Any, **kwargs: Any) -> Any:
        """See `grpc.Channel.unary_unary`."""
        return self._channel.unary_unary(*args, **kwargs)

    def unary_stream(self, *args: Any, **kwargs: Any) -> Any:
        """See `grpc.Channel.unary_stream`."""
        return self._channel.unary_stream(*args, **kwargs)

    def stream_unary(self, *args: Any, **kwargs: Any) -> Any:
        """See `grpc.Channel.stream_unary`."""
        return self._channel.stream_unary(*args, **kwargs)

    def stream_stream(self, *args: Any, **kwargs: Any) -> Any:
        """See `grpc.Channel.stream_stream`."""
        return self._channel.stream_stream(*args, **kwargs)

    def close(self) -> None:
        """Close the channel and its connection; idempotent."""
        self._on_close(self.close)
        self._channel.close()
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
