"""How one side of a link dials and listens on sockets of gRPC's own, in plain text."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from goplugin_py.errors import BrokerError, ConfigError
from goplugin_py.net.directories import (
    private_directory,
    remove_directory,
    share,
    socket_path,
    temporary_directory,
)
from goplugin_py.net.sockets import OWNER_ONLY, address_of, listen_tcp, listen_unix
from goplugin_py.services.connection import (
    Bindable,
    Binding,
    Connection,
    remove_socket,
)
from goplugin_py.services.exchange import Exchange, SocketExchange
from goplugin_py.wire.address import Address

if TYPE_CHECKING:
    from goplugin_py.process.runner import AddressTranslator

BIND_ATTEMPTS = 10


@dataclass(frozen=True, kw_only=True)
class Listening:
    """Where new sockets of this side are made."""

    network: str = "unix"
    ports: Sequence[int] = ()
    directory: str = ""
    group: str = ""
    translator: AddressTranslator | None = None
    """Between the paths of both sides, where these differ; raises ValueError."""


class Transport:
    """Connects and listens for one link: the main one and those of its broker."""

    def __init__(self, *, listening: Listening | None = None) -> None:
        """Prepare.

        Args:
            listening: Where to make sockets.
        """
        self._listening = listening or Listening()
        self._lock = threading.Lock()  # guards the two below
        self._private = ""
        self._is_closed = False

    def connect(self, address: Address) -> Connection:
        """Return what reaches `address`; nothing is dialled yet."""
        return Connection(address)

    def bind(self, server: Bindable) -> Binding:
        """Bind a server that is not started yet, and listen.

        Raises:
            ConfigError: There is nowhere to listen.
        """
        return Binding(self._bind_plain(server))

    def exchange(self) -> Exchange:
        """Return how the broker of this link finds the other side."""
        return SocketExchange(self, self._listening.translator)

    def close(self) -> None:
        """Remove the private directory with the sockets in it; idempotent."""
        with self._lock:
            directory, self._private = self._private, ""
            self._is_closed = True
        if directory:
            remove_directory(directory)

    def _directory(self) -> str:
        with self._lock:
            if self._is_closed:
                raise BrokerError("the link is closed")
            if not self._private:
                self._private = private_directory()
            return self._private

    def _outer_directory(self) -> str:
        """Where a peer finds our sockets.

        A private directory, unless the peer chose one, or a group must get in: that
        needs a directory that others can enter, and go-plugin takes this one.
        """
        if directory := self._listening.directory:
            if not os.path.isdir(directory):  # of which grpcio would say nothing
                raise ConfigError(f"there is no socket directory {directory}")
            return directory
        return temporary_directory() if self._listening.group else self._directory()

    def _listen(self) -> socket.socket:
        place = self._listening
        if place.network == "tcp":
            return listen_tcp(place.ports)
        directory = self._outer_directory()
        try:
            return listen_unix(directory, place.group)
        except OSError as exc:
            raise ConfigError(f"can't listen in {directory}: {exc}") from exc

    def _bind_plain(self, server: Bindable) -> Address:
        place = self._listening
        if place.network == "tcp":
            return _bind_tcp(server, place.ports)
        address = Address.unix(socket_path(self._outer_directory()))
        add_port(server, address)
        if place.group:
            try:
                share(address.text, place.group)
            except ConfigError:
                remove_socket(address)
                raise
        return address


def add_port(server: Bindable, address: Address) -> None:
    """Bind a server.

    Raises:
        ConfigError: The address can't be bound.
    """
    # Unlike a channel, a server does not know the scheme ipv4:.
    target = address.target if address.network == "unix" else address.text
    try:
        server.add_insecure_port(target)
        if address.network == "unix":
            os.chmod(address.text, OWNER_ONLY)  # whatever the umask
    except (RuntimeError, OSError) as exc:
        raise ConfigError(f"can't listen on {address}: {exc}") from exc


def _bind_tcp(server: Bindable, ports: Sequence[int]) -> Address:
    for attempts_left in reversed(range(BIND_ATTEMPTS)):
        # grpcio complains on stderr about a port in use, so look for a free one first.
        with listen_tcp(ports) as probe:
            address = address_of(probe)
        try:
            add_port(server, address)
        except ConfigError:
            # Another process may have been faster, but not every time.
            _, taken = address.host_port
            others = [port for port in ports if port > taken]
            if not attempts_left or (ports and not others):
                raise
            ports = others
        else:
            return address
    raise AssertionError("the last attempt returns or raises")
