"""yamux frames as a peer may send them, good and hostile.

Written from the specification's numbers, not with the code under test.
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

DATA, WINDOW_UPDATE, PING, GO_AWAY = range(4)
SYN, ACK, FIN, RST = 1, 2, 4, 8
WINDOW = 262_144
MAX = 0xFFFF_FFFF


class Sent(NamedTuple):
    """A frame read back from bytes."""

    kind: int
    flags: int
    stream_id: int
    length: int
    payload: bytes = b""


def frame(
    kind: int, flags: int = 0, stream_id: int = 0, length: int = 0, version: int = 0
) -> bytes:
    """Return a header with nothing in it checked."""
    return struct.pack(">BBHII", version, kind, flags, stream_id, length)


def data(
    stream_id: int, payload: bytes = b"", flags: int = 0, claims: int | None = None
) -> bytes:
    """Return a data frame, which may claim another length than it has."""
    length = len(payload) if claims is None else claims
    return frame(DATA, flags, stream_id, length) + payload


def update(stream_id: int, credit: int = 0, flags: int = 0) -> bytes:
    return frame(WINDOW_UPDATE, flags, stream_id, credit)


def syn(stream_id: int) -> bytes:
    return update(stream_id, flags=SYN)


def ack(stream_id: int) -> bytes:
    return update(stream_id, flags=ACK)


def fin(stream_id: int) -> bytes:
    return update(stream_id, flags=FIN)


def rst(stream_id: int) -> bytes:
    return update(stream_id, flags=RST)


def ping(value: int, flags: int = SYN) -> bytes:
    return frame(PING, flags, 0, value)


def go_away(code: int = 0) -> bytes:
    return frame(GO_AWAY, 0, 0, code)


def read(stream: bytes) -> Iterator[Sent]:
    """Yield the frames in what a session sent, which must end with a whole one."""
    position = 0
    while position < len(stream):
        version, kind, flags, stream_id, length = struct.unpack_from(
            ">BBHII", stream, position
        )
        assert version == 0
        position += 12
        payload = stream[position : position + length] if kind == DATA else b""
        assert kind != DATA or len(payload) == length
        position += len(payload)
        yield Sent(kind, flags, stream_id, length, payload)
