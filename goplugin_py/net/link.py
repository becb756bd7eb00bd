"""One relayed connection: bytes between grpcio and the wire, through a codec.

A Link reads a side only while nothing is waiting to be written to the other, which
bounds what it holds to one read (256 KiB) each way and carries back-pressure from
either end to the other. The buffers for reading and decrypting belong to the loop's
thread, not to the Link. The end of one direction and a reset are carried over. A
handshake advances as bytes come in and is abandoned after a time limit.
"""

import contextlib
import ssl
import threading
from collections.abc import Callable
from typing import Protocol

from goplugin_py.net.endpoint import Endpoint
from goplugin_py.net.loop import READ, WRITE, Loop, Timer

BUFFER_SIZE = 256 * 1024
# A peer that accepts and then says nothing must not hold a connection for ever;
# grpc-go gives a connection attempt the same time (minConnectTimeout).
HANDSHAKE_TIMEOUT = 20.0
# gRPC never uses a half-open connection, so its other half must end soon.
LINGER_TIMEOUT = 10.0


class Codec(Protocol):
    """What is between the plain side and the wire: `TLSCodec` or `PlainCodec`."""

    is_open: bool

    @property
    def is_closed_by_peer(self) -> bool:
        """Whether the peer sends no more, and all was read."""

    def handshake(self) -> bool:
        """Move the handshake on; return whether it is done."""

    def receive_data(self, data: memoryview | bytes) -> None:
        """Take bytes from the wire."""

    def receive_eof(self) -> None:
        """Take the end of the wire."""

    def read_into(self, buffer: memoryview) -> int:
        """Decode into `buffer`; less than it holds means that no more has come."""

    def send_data(self, data: memoryview | bytes) -> None:
        """Encode bytes for the wire."""

    def send_eof(self) -> None:
        """Tell the peer that nothing more will be sent."""

    def data_to_send(self) -> bytes:
        """Return and forget the bytes that are due on the wire."""


class Scratch(threading.local):
    """The loop thread's buffers."""

    def __init__(self) -> None:
        self.received = memoryview(bytearray(BUFFER_SIZE))
        self.decrypted = memoryview(bytearray(BUFFER_SIZE))


scratch = Scratch()


class Link:
    """One relayed connection between a plain endpoint and a TLS endpoint."""

    def __init__(
        self,
        loop: Loop,
        plain: Endpoint,
        wire: Endpoint,
        codec: Codec,
        on_closed: Callable[["Link", Exception | None], None],
    ) -> None:
        self._loop = loop
        self._plain = plain
        self._wire = wire
        self._codec = codec
        self._on_closed = on_closed
        self._to_plain: bytes | memoryview = b""
        self._to_wire: bytes | memoryview = b""
        self._plain_ended = False  # grpcio has sent its last byte
        self._wire_ended = False  # the peer has
        self._told_plain = False  # and grpcio knows
        self._told_wire = False
        self._is_closed = False
        self._timer: Timer = loop.call_later(HANDSHAKE_TIMEOUT, self._expire)

    def start(self) -> None:
        """Begin the handshake."""
        self._guarded(self._advance)

    def close(self, reason: Exception | None = None) -> None:
        """End both directions at once; `reason` is None for a regular end."""
        if self._is_closed:
            return
        self._is_closed = True
        self._timer.cancel()
        # First of all: who sees the end may ask for the reason at once.
        self._on_closed(self, reason)
        self._plain.close(reset=reason is not None)
        self._wire.close(reset=reason is not None)

    def _expire(self) -> None:
        what = "the TLS handshake" if not self._codec.is_open else "closing"
        self.close(TimeoutError(f"{what} took too long"))

    def _guarded(self, step: Callable[[], None]) -> None:
        try:
            step()
            self._settle()
        except ssl.SSLError as exc:
            self._send_alert()
            self.close(exc)
        except OSError as exc:
            # A side that hangs up does not wait for what is on its way to it.
            is_over = self._wire_ended or self._plain_ended
            self.close(None if is_over else self._last_alert() or exc)

    def _last_alert(self) -> ssl.SSLError | None:
        """Return why the peer hung up, which our write found out before we read it."""
        try:
            self._read_wire()
        except OSError as exc:
            if isinstance(exc, ssl.SSLError) and not isinstance(exc, ssl.SSLEOFError):
                return exc
        return None  # it hung up without a word

    def _send_alert(self) -> None:
        """Tell the peer why, if it can be told at once."""
        with contextlib.suppress(OSError):
            self._wire.send(self._codec.data_to_send())
            self._wire.send_eof()

    def _on_plain(self, events: int) -> None:
        self._guarded(self._read_plain if events & READ else self._write_plain)
        if events == READ | WRITE and not self._is_closed:
            self._guarded(self._write_plain)

    def _on_wire(self, events: int) -> None:
        self._guarded(self._read_wire if events & READ else self._write_wire)
        if events == READ | WRITE and not self._is_closed:
            self._guarded(self._write_wire)

    def _read_plain(self) -> None:
        buffer = scratch.received
        try:
            count = self._plain.recv_into(buffer)
        except BlockingIOError:
            return
        if count:
            self._codec.send_data(buffer[:count])
        else:
            self._plain_ended = True
            if self._codec.is_open:
                self._codec.send_eof()
        self._write_wire()

    def _read_wire(self) -> None:
        buffer = scratch.received
        try:
            count = self._wire.recv_into(buffer)
        except BlockingIOError:
            return
        if count:
            self._codec.receive_data(buffer[:count])
        else:
            self._wire_ended = True
            self._codec.receive_eof()
        self._advance()

    def _advance(self) -> None:
        """Do whatever the bytes from the wire allow."""
        was_open = self._codec.is_open
        if self._codec.handshake():
            if not was_open:
                self._timer.cancel()
            self._decrypt()
        self._write_wire()

    def _decrypt(self) -> None:
        buffer = scratch.decrypted
        while not self._to_plain:
            count = self._codec.read_into(buffer)
            if count:
                self._to_plain = _push(self._plain, buffer[:count])
            # After the end of the wire, only a read of nothing is a clean end.
            if count < len(buffer) and not (count and self._wire_ended):
                break
        self._wire_ended = self._wire_ended or self._codec.is_closed_by_peer

    def _write_plain(self) -> None:
        if self._to_plain:
            self._to_plain = _push(self._plain, self._to_plain)
        if not self._to_plain:
            self._decrypt()

    def _write_wire(self) -> None:
        due = self._codec.data_to_send()
        if due:
            self._to_wire = bytes(self._to_wire) + due if self._to_wire else due
        if self._to_wire:
            self._to_wire = _push(self._wire, self._to_wire)

    def _settle(self) -> None:
        """Carry ends over, then watch for what may go on."""
        if self._is_closed:
            return
        if self._wire_ended and not self._to_plain and not self._told_plain:
            self._told_plain = True
            self._plain.send_eof()
            self._linger()
        if self._plain_ended and not self._to_wire and not self._told_wire:
            self._told_wire = True
            self._wire.send_eof()
            self._linger()
        if self._told_plain and self._told_wire:
            self.close()
        else:
            self._watch()

    def _linger(self) -> None:
        self._timer.cancel()
        self._timer = self._loop.call_later(LINGER_TIMEOUT, self._expire)

    def _watch(self) -> None:
        plain = WRITE if self._to_plain else 0
        if self._codec.is_open and not self._to_wire and not self._plain_ended:
            plain |= READ
        wire = WRITE if self._to_wire else 0
        if not self._to_plain and not self._wire_ended:
            wire |= READ
        self._plain.watch(plain, self._on_plain)
        self._wire.watch(wire, self._on_wire)


def _push(endpoint: Endpoint, data: memoryview | bytes) -> bytes:
    """Write what there is room for; return a copy of the rest."""
    try:
        sent = endpoint.send(data)
    except BlockingIOError:
        sent = 0
    return b"" if sent == len(data) else bytes(data[sent:])
