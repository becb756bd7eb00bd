"""TLS as a codec: bytes in, bytes out, no socket."""

import contextlib
import ssl

_MAX_RECORD = 16 * 1024  # what a TLS record carries at most


class TLSCodec:
    """One TLS connection over memory buffers.

    The wire side takes `receive_data` and `receive_eof` and is drained by
    `data_to_send`. The plain side takes `send_data` and `send_eof` and is drained
    by `read_into`. Every method may raise `ssl.SSLError`; the connection is dead
    then, and `data_to_send` still holds the alert that tells the peer why.
    """

    def __init__(
        self,
        context: ssl.SSLContext,
        *,
        server_side: bool,
        server_hostname: str | None = None,
    ) -> None:
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(
            self._incoming,
            self._outgoing,
            server_side=server_side,
            server_hostname=server_hostname,
        )
        self.is_open = False
        """Whether the handshake is done, so that `send_data` is allowed."""
        self._has_goodbye = False
        self._failure: ssl.SSLError | None = None  # what ended the reading
        self._early = b""  # decrypted before it was asked for

    @property
    def is_closed_by_peer(self) -> bool:
        """Whether the peer has said that it sends no more, and all is read."""
        return self._has_goodbye and not self._early

    def handshake(self) -> bool:
        """Move the handshake on; return whether it is done."""
        if not self.is_open:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                return False
            self.is_open = True
        return True

    def receive_data(self, data: memoryview | bytes) -> None:
        """Take bytes from the wire."""
        self._incoming.write(data)

    def receive_eof(self) -> None:
        """Take the end of the wire: a read then fails unless the peer said goodbye."""
        self._incoming.write_eof()

    def read_into(self, buffer: memoryview) -> int:
        """Decrypt what has arrived into `buffer`; return the number of bytes.

        Fewer bytes than the buffer holds means that nothing more can be decrypted
        before the wire delivers again. A connection that breaks still delivers what
        came before: the failure is raised by the call that finds nothing else.
        """
        filled = self._take_early(buffer)
        while filled < len(buffer) and not (self._has_goodbye or self._failure):
            try:
                count = self._read_record(buffer[filled:])
            except ssl.SSLWantReadError:
                break
            except ssl.SSLError as exc:
                self._failure = exc
                break
            self._has_goodbye = count == 0
            filled += count
            # Spares the exception that ends most reads otherwise.
            if not self._incoming.pending and not self._tls.pending():
                break
        if self._failure and not filled:
            raise self._failure
        return filled

    def _take_early(self, buffer: memoryview) -> int:
        count = min(len(self._early), len(buffer))
        if count:
            buffer[:count] = self._early[:count]
            self._early = self._early[count:]
        return count

    def _read_record(self, buffer: memoryview) -> int:
        try:
            # With a buffer, read() returns a count; typeshed knows only the other form.
            return self._tls.read(len(buffer), buffer)  # type: ignore[return-value]
        except ssl.SSLZeroReturnError:
            return 0

    def send_data(self, data: memoryview | bytes) -> None:
        """Encrypt bytes for the wire; allowed once `is_open`."""
        self._tls.write(data)

    def send_eof(self) -> None:
        """Tell the peer that nothing more will be sent."""
        # unwrap() writes our goodbye and then reads for the peer's, where it would
        # take data for a failure.
        self._early = self._read_all()
        with contextlib.suppress(ssl.SSLWantReadError):
            self._tls.unwrap()

    def _read_all(self) -> bytes:
        chunks = []
        buffer = memoryview(bytearray(_MAX_RECORD))
        with contextlib.suppress(ssl.SSLError):  # kept for the next reader
            while count := self.read_into(buffer):
                chunks.append(bytes(buffer[:count]))
        return b"".join(chunks)

    def data_to_send(self) -> bytes:
        """Return and forget the bytes that are due on the wire."""
        return self._outgoing.read()
