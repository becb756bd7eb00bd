"""Whose is each stream of a multiplexed link? The knocks say so."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable

from goplugin_py._pb.broker_pb2 import ConnInfo
from goplugin_py.errors import BrokerTimeout, KnockRejected
from goplugin_py.net.endpoint import Endpoint
from goplugin_py.net.loop import Timer, shared_loop
from goplugin_py.net.multiplex import MultiplexSession, StreamEndpoint
from goplugin_py.wire.knocking import (
    Dial,
    DialFailed,
    Knocking,
    OpenStream,
    SendAcknowledgement,
    SendKnock,
    SendRefusal,
)

_log = logging.getLogger("goplugin.multiplex")

Take = Callable[[Endpoint], None]
# Called once, as a `goplugin_py.net.dial.Done`, which is one of these.
Done = Callable[[StreamEndpoint | None, Exception | None], None]


class Router:
    """Says whose each stream is. All methods run on the loop's thread."""

    def __init__(self) -> None:
        self._loop = shared_loop()
        self.send: Callable[[ConnInfo], None] | None = None
        """Gives a message to the other side; set before the broker is used."""
        self._session: MultiplexSession | None = None
        self._knocking = Knocking()
        self._dials: dict[Dial, Done] = {}
        self._routes: dict[int, Take] = {}
        self._default: Take | None = None
        self._on_end: Callable[[], None] | None = None
        self._timer: Timer | None = None
        self._is_over = False

    def begin(
        self,
        sock: socket.socket,
        *,
        is_client: bool,
        default: Take | None,
        on_end: Callable[[], None] | None,
    ) -> None:
        """Start the session on a connected socket.

        Args:
            sock: The one connection.
            is_client: Whether it is a host's.
            default: Takes streams that nobody knocked for; None resets them.
            on_end: Called when the session has ended.
        """
        if self._is_over:
            sock.close()
            return
        self._default = default
        self._on_end = on_end
        sock.setblocking(False)
        self._session = MultiplexSession(
            self._loop,
            sock,
            is_client=is_client,
            on_stream=self._arrived,
            on_end=self._ended,
        )
        self._session.start()

    def open(self, done: Done) -> Callable[[], None]:
        """Open a stream without a knock; a `goplugin_py.net.dial.Dial`."""
        self._open(done)
        return lambda: None

    def _open(self, done: Done) -> None:
        if self._session is None:
            done(None, ConnectionAbortedError("the session has ended"))
            return
        try:
            endpoint = self._session.open()
        except OSError as exc:
            done(None, exc)
        else:
            done(endpoint, None)

    def dial(self, service_id: int, done: Done) -> Callable[[], None]:
        """Knock, then open a stream; a `goplugin_py.net.dial.Dial` once bound."""
        if self._is_over:
            done(None, ConnectionAbortedError("the session has ended"))
            return lambda: None
        dial = self._knocking.dial(service_id, time.monotonic())
        self._dials[dial] = done
        self._act()
        return lambda: self._give_up(dial, "the attempt was given up")

    def _give_up(self, dial: Dial, reason: str) -> None:
        done = self._dials.pop(dial, None)
        if done is not None:
            self._knocking.cancel(dial, time.monotonic())
            self._act()
            done(None, ConnectionAbortedError(reason))

    def accept(self, service_id: int, take: Take) -> None:
        """Give the streams that are knocked for under an id to `take`."""
        self._routes[service_id] = take
        self._knocking.accept(service_id, time.monotonic())
        self._act()

    def withdraw(self, service_id: int, take: Take) -> None:
        """Give `take` no more streams; harmless when another has taken its place."""
        if self._routes.get(service_id) == take:
            del self._routes[service_id]
            self._knocking.withdraw(service_id)
            self._act()

    def receive(self, info: ConnInfo) -> None:
        """Take a message from the other side's broker."""
        knock = info.knock
        if not knock.knock:
            _log.warning("service id %d came without a knock", info.service_id)
            return
        self._knocking.receive(
            info.service_id,
            is_answer=knock.ack,
            error=knock.error,
            now=time.monotonic(),
        )
        self._act()

    def _arrived(self, stream: StreamEndpoint) -> None:
        owner = self._knocking.stream_arrived(time.monotonic())
        take = self._default if owner is None else self._routes.get(owner)
        if take is None:
            stream.close(reset=True)
        else:
            stream.accept()
            take(stream)
        self._act()

    def _act(self) -> None:
        for action in self._knocking.actions():
            match action:
                case SendKnock(service_id):
                    self._send_knock(service_id, ConnInfo.Knock(knock=True))
                case SendAcknowledgement(service_id):
                    self._send_knock(service_id, ConnInfo.Knock(knock=True, ack=True))
                case SendRefusal(service_id):
                    self._send_knock(service_id, _refusal(service_id))
                case OpenStream(dial):
                    self._open(self._dials.pop(dial, _reset) if dial else _reset)
                case DialFailed(dial, reason):
                    self._fail(dial, reason)
        self._set_timer()

    def _send_knock(self, service_id: int, knock: ConnInfo.Knock) -> None:
        assert self.send is not None
        self.send(ConnInfo(service_id=service_id, knock=knock))

    def _fail(self, dial: Dial, reason: str | None) -> None:
        done = self._dials.pop(dial, None)
        if done is None:
            return
        if reason is None:
            done(None, no_answer(dial.service_id))
        else:
            done(None, KnockRejected(f"service id {dial.service_id}: {reason}", reason))

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        deadline = self._knocking.next_deadline()
        if deadline is not None and not self._is_over:
            delay = max(0.0, deadline - time.monotonic())
            self._timer = self._loop.call_later(delay, self._advance)

    def _advance(self) -> None:
        self._knocking.advance(time.monotonic())
        self._act()

    def _ended(self, reason: Exception | None) -> None:
        self._session = None
        if reason is not None:
            _log.debug("the session ended: %s", reason)
        on_end = self._on_end
        self.close()
        if on_end is not None:
            on_end()

    def give_up_all(self, reason: str) -> None:
        """Fail all who wait for a stream."""
        # The latest first: else each that is given up makes room for another knock.
        for dial in reversed(list(self._dials)):
            self._give_up(dial, reason)

    def close(self) -> None:
        """End the session, and fail all who wait; idempotent."""
        self._is_over = True
        self._on_end = None
        if self._session is not None:
            self._session.close()
        self.give_up_all("the session has ended")
        self._set_timer()


def no_answer(service_id: int) -> BrokerTimeout:
    """Return the error of a knock that nobody answers."""
    return BrokerTimeout(
        f"nobody answered the knock for service id {service_id}: "
        "the other side must accept it within seconds of the dial",
        service_id,
    )


def _refusal(service_id: int) -> ConnInfo.Knock:
    # The words of go-plugin's GRPCClientMuxer.AcceptKnock.
    error = f"no listener for id {service_id}"
    return ConnInfo.Knock(knock=True, ack=True, error=error)


def _reset(endpoint: StreamEndpoint | None, _failure: Exception | None) -> None:
    if endpoint is not None:
        endpoint.close(reset=True)
