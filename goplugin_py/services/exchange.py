"""How the two sides of a broker find each other, without multiplexing.

The side that serves listens on a socket of its own and sends its address; the side
that dials waits for the address (go-plugin: `GRPCBroker`).
"""

from __future__ import annotations

import collections
import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from goplugin_py._pb.broker_pb2 import ConnInfo
from goplugin_py.deadline import Deadline
from goplugin_py.errors import BrokerError, BrokerTimeout
from goplugin_py.net.sockets import remove_stale
from goplugin_py.services.connection import (
    Bindable,
    Binding,
    Connection,
    Place,
    Served,
)
from goplugin_py.wire.address import Address
from goplugin_py.wire.offers import MAX_OFFERS, Offers

if TYPE_CHECKING:
    from goplugin_py.process.runner import AddressTranslator

# Longer than any path of a socket, or any name of a host.
MAX_ADDRESS = 1024

_log = logging.getLogger("goplugin.broker")

Send = Callable[[ConnInfo], None]


class Exchange(Protocol):
    """What a broker needs from its link; safe from any thread."""

    def start(self, send: Send) -> None:
        """Take the way to the other side, once, before anything else."""

    def dial(self, service_id: int, deadline: Deadline) -> Connection:
        """Wait for the other side and return how to reach it; see `Broker.dial`."""

    def serve(self, service_id: int, server: Served) -> Place:
        """Bind and start a server; the place must be closed once it has stopped."""

    def receive(self, info: ConnInfo) -> None:
        """Take a message from the other side."""

    def close(self, reason: str) -> None:
        """Let all who wait fail, once."""

    def remove_stale(self) -> None:
        """Remove the sockets that the other side has left behind; comes last."""


class Wiring(Protocol):
    """What the exchange needs from a transport."""

    def connect(self, address: Address) -> Connection:
        """Return what reaches an address."""

    def bind(self, server: Bindable) -> Binding:
        """Bind a server that is not started yet, and listen."""


class SocketExchange:
    """A socket for each server."""

    def __init__(
        self, transport: Wiring, translator: AddressTranslator | None = None
    ) -> None:
        """Prepare.

        Args:
            transport: Dials and listens.
            translator: Between the paths of both sides, where these differ.
        """
        self._transport = transport
        self._translator = translator
        self._send: Send | None = None
        self._changed = threading.Condition()  # guards all below
        self._offers: Offers[tuple[str, str]] = Offers()
        self._closed_because = ""
        # The newest paths of the other side; those of a translator have their owner.
        self._paths: collections.deque[str] = collections.deque(maxlen=MAX_OFFERS)

    def start(self, send: Send) -> None:
        """See `Exchange.start`."""
        self._send = send

    def dial(self, service_id: int, deadline: Deadline) -> Connection:
        """See `Exchange.dial`."""
        offer = self._wait_for_offer(service_id, deadline)
        try:
            address = Address(*offer)
            if self._translator is not None:
                address = self._translator.plugin_to_host(address)
        except ValueError as exc:
            raise BrokerError(f"service id {service_id}: {exc}") from exc
        return self._transport.connect(address)

    def _wait_for_offer(self, service_id: int, deadline: Deadline) -> tuple[str, str]:
        with deadline.waking(self._wake), self._changed:
            while not self._closed_because:
                offer = self._offers.take(service_id)
                if offer is not None:
                    return offer
                if deadline.expired:
                    raise BrokerTimeout(
                        f"nothing was offered under service id {service_id}: "
                        "the other side must accept it within seconds of the dial",
                        service_id,
                    )
                self._changed.wait(deadline.remaining())
        raise BrokerError(f"service id {service_id}: {self._closed_because}")

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def serve(self, service_id: int, server: Served) -> Place:
        """See `Exchange.serve`."""
        assert self._send is not None
        binding = self._transport.bind(server)
        try:
            server.start()
            address = self._as_peer_sees(binding.address)
            self._send(
                ConnInfo(
                    service_id=service_id, network=address.network, address=address.text
                )
            )
        except BaseException:
            binding.close()
            raise
        return binding

    def _as_peer_sees(self, address: Address) -> Address:
        if self._translator is None:
            return address
        try:
            return self._translator.host_to_plugin(address)
        except ValueError as exc:
            raise BrokerError(str(exc)) from exc

    def receive(self, info: ConnInfo) -> None:
        """See `Exchange.receive`."""
        if len(info.network) + len(info.address) > MAX_ADDRESS:
            _log.warning("service id %d has an endless address", info.service_id)
            return
        if info.knock.knock and not info.knock.ack:
            _log.warning("service id %d: a knock needs multiplexing", info.service_id)
            return
        with self._changed:
            self._offers.add(info.service_id, (info.network, info.address))
            if info.network == "unix" and self._translator is None:
                self._paths.append(info.address)
            self._changed.notify_all()

    def close(self, reason: str) -> None:
        """See `Exchange.close`."""
        with self._changed:
            self._closed_because = reason
            self._changed.notify_all()

    def remove_stale(self) -> None:
        """See `Exchange.remove_stale`."""
        with self._changed:
            paths = list(self._paths)
            self._paths.clear()
        for path in paths:
            remove_stale(path)
