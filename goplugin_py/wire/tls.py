"""TLS as a codec: bytes in, bytes out, no socket."""

import contextlib
import ssl


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
        self.is_closed_by_peer = False
        """Whether the peer has said that it sends no more."""

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
        before the wire delivers again.
        """
        filled = 0
        while filled < len(buffer) and not self.is_closed_by_peer:
            try:
                count = self._read_record(buffer[filled:])
            except ssl.SSLWantReadError:
                break
            self.is_closed_by_peer = count == 0
            filled += count
            # Spares the exception that ends most reads otherwise.
            if not self._incoming.pending and not self._tls.pending():
                if self._incoming.eof:
                    continue
                break
        return filled

    def _read_record(self, buffer: memoryview) -> int:
        try:
            # With a buffer, read() returns a count; typeshed knows only the other form.
            return self._tls.read(len(buffer), buffer)  # type: ignore[return-value, arg-type]
        except ssl.SSLZeroReturnError:
            return 0

    def send_data(self, data: memoryview | bytes) -> None:
        """Encrypt bytes for the wire; allowed once `is_open`."""
        self._tls.write(data)  # type: ignore[arg-type]

    def send_eof(self) -> None:
        """Tell the peer that nothing more will be sent."""
        # Our goodbye is written then; the peer's is read like any other data.
        with contextlib.suppress(ssl.SSLWantReadError):
            self._tls.unwrap()

    def data_to_send(self) -> bytes:
        """Return and forget the bytes that are due on the wire."""
        return self._outgoing.read()
