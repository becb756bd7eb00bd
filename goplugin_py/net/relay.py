"""The relay between grpcio's plain sockets and TLS on the wire.

grpcio's own TLS refuses go-plugin's P-521 certificates, and it takes neither a
connected socket nor a dialler. So wherever TLS is on, grpcio speaks plain text to a
private unix socket, and a relay carries each connection over to the wire:

    grpcio <- plain socket -> Link(TLSCodec) <- wire socket -> peer

A host's relay accepts grpcio's connections and dials the plugin. A plugin's accepts
the host's connections and dials its own gRPC server. Each accepted connection makes
one dialled one, and the two form a Link, which lives until both have ended.

Everything here runs on the loop's thread. An idle Link costs two sockets and a TLS
connection.

With broker multiplexing a stream of a session takes the place of the wire socket. A
relay then opens a stream where it would dial, or is handed accepted streams where it
would listen.
"""

import logging
import os
import socket
import ssl
from collections.abc import Callable

from goplugin_py.net.dial import BACKLOG_RETRY, Dial
from goplugin_py.net.endpoint import Endpoint, SocketEndpoint
from goplugin_py.net.link import Codec, Link
from goplugin_py.net.loop import READ, Loop
from goplugin_py.net.sockets import peer_pid

CLOSE_TIMEOUT = 5.0

_log = logging.getLogger("goplugin.relay")


class Relay:
    """Join every accepted connection to one that is dialled for it."""

    def __init__(
        self,
        loop: Loop,
        listener: socket.socket | None,
        dial: Dial,
        codec: Callable[[], Codec],
        *,
        wire_is_dialled: bool,
    ) -> None:
        """Prepare; nothing happens before `start`.

        Args:
            loop: Where the relay runs.
            listener: A listening socket, which the relay owns and closes. None means
                that connections come through `take`.
            dial: Connects, once for each accepted connection.
            codec: Makes what is between the plain and the wire side.
            wire_is_dialled: Whether the wire is the dialled side, as on a host; the
                accepted side is then ours and must come from this very process.
        """
        self._loop = loop
        self._listener = listener
        self._dial = dial
        self._codec = codec
        self._wire_is_dialled = wire_is_dialled
        self._links: set[Link] = set()
        self._pending: dict[Endpoint, Callable[[], None]] = {}
        self._is_closed = False
        self.failure: Exception | None = None
        """Why the latest connection failed; None while all is well."""
        self.was_used = False
        """Whether anybody has connected so far."""

    @property
    def is_in_use(self) -> bool:
        """Whether anybody is connected, or about to be."""
        return bool(self._links or self._pending)

    def start(self) -> None:
        """Begin to accept."""
        if self._listener is not None:
            self._listener.setblocking(False)
            try:
                self._loop.call_soon(self._listen)
            except BaseException:
                self._is_closed = True
                self._listener.close()
                raise

    def _listen(self) -> None:
        if not self._is_closed and self._listener is not None:
            self._loop.watch(self._listener, READ, self._accept)

    def close(self) -> None:
        """Stop accepting and end every connection; idempotent, from any thread."""
        self._loop.run(self._close, CLOSE_TIMEOUT)

    def _close(self) -> None:
        self._is_closed = True
        if self._listener is not None:
            self._loop.forget(self._listener)
            self._listener.close()
        for abandon in list(self._pending.values()):
            abandon()
        for link in list(self._links):
            link.close()

    def _accept(self, _events: int) -> None:
        assert self._listener is not None
        try:
            accepted, _ = self._listener.accept()
        except OSError as exc:
            # The peer has gone already, or descriptors have run out: in either case
            # a short pause, for the listener stays readable in the latter.
            _log.warning("a relay could not accept: %s", exc)
            self._loop.forget(self._listener)
            self._loop.call_later(BACKLOG_RETRY, self._listen)
            return
        if self._wire_is_dialled and peer_pid(accepted) not in (None, os.getpid()):
            _log.warning("refused a connection from another process")
            accepted.close()
            return
        accepted.setblocking(False)
        self.take(SocketEndpoint(self._loop, accepted))

    def take(self, accepted: Endpoint) -> None:
        """Join an accepted connection; on the loop's thread."""
        self.was_used = True
        is_over = False

        def done(dialled: Endpoint | None, failure: Exception | None) -> None:
            nonlocal is_over
            is_over = True
            self._pending.pop(accepted, None)
            self._join(accepted, dialled, failure)

        abandon = self._dial(done)
        if not is_over:
            self._pending[accepted] = abandon

    def _join(
        self, accepted: Endpoint, dialled: Endpoint | None, failure: Exception | None
    ) -> None:
        if dialled is None:
            self.failure = failure  # before grpcio sees the end
            accepted.close()
            return
        try:
            codec = self._codec()
        except ssl.SSLError as exc:  # a user's context that is for the other role
            self.failure = exc
            accepted.close()
            dialled.close()
            return
        plain, wire = (
            (accepted, dialled) if self._wire_is_dialled else (dialled, accepted)
        )
        link = Link(self._loop, plain, wire, codec, self._link_closed)
        self._links.add(link)
        link.start()

    def _link_closed(self, link: Link, reason: Exception | None) -> None:
        self._links.discard(link)
        self.failure = reason
        if reason is not None:
            _log.debug("a connection failed: %s", reason)
