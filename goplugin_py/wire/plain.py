"""The codec of a link without TLS: bytes as they are."""


class PlainCodec:
    """Passes bytes through; the interface is that of `TLSCodec`."""

    def __init__(self) -> None:
        self._received = bytearray()
        self._to_send: list[bytes] = []
        self._has_ended = False
        self.is_open = False
        """Whether the handshake was asked for; it takes nothing else."""

    @property
    def is_closed_by_peer(self) -> bool:
        """Whether the wire has ended, and all was read."""
        return self._has_ended and not self._received

    def handshake(self) -> bool:
        """Return that it is done: there is nothing to agree on."""
        self.is_open = True
        return True

    def receive_data(self, data: memoryview | bytes) -> None:
        """Take bytes from the wire."""
        self._received += data

    def receive_eof(self) -> None:
        """Take the end of the wire."""
        self._has_ended = True

    def read_into(self, buffer: memoryview) -> int:
        """Move bytes into `buffer`; return how many."""
        count = min(len(buffer), len(self._received))
        with memoryview(self._received) as view:
            buffer[:count] = view[:count]
        del self._received[:count]
        return count

    def send_data(self, data: memoryview | bytes) -> None:
        """Take bytes for the wire."""
        self._to_send.append(bytes(data))

    def send_eof(self) -> None:
        """Do nothing: the end of the wire is the end."""

    def data_to_send(self) -> bytes:
        """Return and forget the bytes that are due on the wire."""
        data = b"".join(self._to_send)
        self._to_send.clear()
        return data
