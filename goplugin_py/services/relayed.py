"""How one side of a link dials and listens through a relay, which does the TLS."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Callable
from typing import TypeAlias

from goplugin_py.net.dial import Dial, dial_to
from goplugin_py.net.directories import socket_path
from goplugin_py.net.link import Codec
from goplugin_py.net.loop import shared_loop
from goplugin_py.net.relay import Relay
from goplugin_py.net.sockets import address_of, listen_unix
from goplugin_py.services.connection import Bindable, Binding, Connection
from goplugin_py.services.transport import Listening, Transport, add_port
from goplugin_py.wire.address import Address
from goplugin_py.wire.certificates import HOST_NAME
from goplugin_py.wire.plain import PlainCodec
from goplugin_py.wire.tls import TLSCodec

# One, or what makes one when it is first needed.
Context: TypeAlias = "ssl.SSLContext | Callable[[], ssl.SSLContext]"


class RelayedTransport(Transport):
    """A transport with TLS, of which gRPC sees the plain side.

    One pair of contexts serves every connection of a link, as in go-plugin.
    """

    def __init__(
        self,
        *,
        client_context: Context | None = None,
        server_context: Context | None = None,
        listening: Listening | None = None,
    ) -> None:
        """Prepare; what has no context stays plain.

        Args:
            client_context: For what we dial.
            server_context: For what we listen on.
            listening: Where to make sockets.
        """
        super().__init__(listening=listening)
        self._client_context = client_context
        self._server_context = server_context

    def connect(self, address: Address) -> Connection:
        """See `Transport.connect`."""
        if self._client_context is None:
            return super().connect(address)
        return self._relayed(dial_to(shared_loop(), address))

    def _relayed(self, dial: Dial) -> Connection:
        """Return a private socket that is relayed to whatever `dial` reaches."""
        with contextlib.ExitStack() as undo:
            listener = undo.enter_context(listen_unix(self._directory()))
            address = address_of(listener)
            codec = self._client_codecs()
            relay = Relay(shared_loop(), listener, dial, codec, wire_is_dialled=True)
            connection = Connection(address, relay)
            relay.start()
            undo.pop_all()
        return connection

    def _client_codecs(self) -> Callable[[], Codec]:
        if self._client_context is None:
            return PlainCodec
        context = made(self._client_context)  # not on the loop's thread
        return lambda: TLSCodec(context, server_side=False, server_hostname=HOST_NAME)

    def _server_codecs(self) -> Callable[[], Codec]:
        if self._server_context is None:
            return PlainCodec
        context = made(self._server_context)
        return lambda: TLSCodec(context, server_side=True)

    def bind(self, server: Bindable) -> Binding:
        """See `Transport.bind`."""
        if self._server_context is None:
            return super().bind(server)
        listener = self._listen()
        address = address_of(listener)
        relay = self._relay_to(server, listener)
        relay.start()
        return Binding(address, relay.close, relay)

    def _relay_to(self, server: Bindable, listener: socket.socket | None) -> Relay:
        """Bind a server to a private socket, and return a relay that leads there."""
        inner = Address.unix(socket_path(self._directory()))
        add_port(server, inner)
        dial = dial_to(shared_loop(), inner)
        codec = self._server_codecs()
        return Relay(shared_loop(), listener, dial, codec, wire_is_dialled=False)


def made(context: Context) -> ssl.SSLContext:
    """Return a context that is made by now."""
    return context if isinstance(context, ssl.SSLContext) else context()
