"""What a transport makes: somewhere to dial, and somewhere to be dialled."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from goplugin_py.net.connected import has_connections
from goplugin_py.wire.address import Address

if TYPE_CHECKING:
    from goplugin_py.net.relay import Relay


class Bindable(Protocol):
    """A gRPC server that is not started yet."""

    def add_insecure_port(self, address: str) -> int:
        """Bind (grpcio's interface)."""


class Served(Bindable, Protocol):
    """A server of the blocking or of the asyncio kind, as threads use it."""

    def start(self) -> None:
        """Start to serve."""

    def close(self, grace: float) -> None:
        """Stop, cancelling calls after `grace` seconds."""


class Connection:
    """Somewhere to dial: the peer's address, or that of a relay to it.

    Closing it ends the relay with what it carries, and removes its socket.
    """

    def __init__(self, address: Address, relay: Relay | None = None) -> None:
        self.address = address
        self._relay = relay

    @property
    def target(self) -> str:
        """What grpcio dials."""
        return self.address.target

    @property
    def failure(self) -> Exception | None:
        """Why the latest connection failed, if it was on the relay."""
        return self._relay.failure if self._relay is not None else None

    def close(self) -> None:
        """Close the relay if there is one; idempotent."""
        if self._relay is not None:
            self._relay.close()
            remove_socket(self.address)


class Place(Protocol):
    """Where the other side reaches a server."""

    def was_used(self) -> bool:
        """Whether anybody has connected; True where that is not known."""

    def is_in_use(self) -> bool:
        """Whether anybody is connected; False where that is not known."""

    def close(self) -> None:
        """Let nobody in any more, and end what is left; idempotent."""


class Binding:
    """Where a server listens. Closing it removes the socket."""

    def __init__(
        self,
        address: Address,
        on_close: Callable[[], None] | None = None,
        relay: Relay | None = None,
    ) -> None:
        self.address = address
        """What the peer dials."""
        self._on_close = on_close
        self._relay = relay

    def was_used(self) -> bool:
        """See `Place.was_used`; on a plain socket it is whether anybody is connected.

        That comes to the same, for whoever dials a brokered server stays.
        """
        if self._relay is not None:
            return self._relay.was_used
        return has_connections(self.address) is not False

    def is_in_use(self) -> bool:
        """See `Place.is_in_use`."""
        if self._relay is not None:
            return self._relay.is_in_use
        return has_connections(self.address) is True

    def close(self) -> None:
        """Stop listening, and remove the socket; idempotent."""
        if self._on_close is not None:
            self._on_close()
        remove_socket(self.address)


def remove_socket(address: Address) -> None:
    """Remove what a unix socket has left in the file system; idempotent."""
    if address.network == "unix":
        with contextlib.suppress(FileNotFoundError):
            os.unlink(address.text)
