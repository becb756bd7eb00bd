"""The codec without TLS, which must pass for its twin with TLS."""

import inspect

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goplugin_py.wire.plain import PlainCodec
from goplugin_py.wire.tls import TLSCodec


def read(codec: PlainCodec, size: int = 1 << 20) -> bytes:
    """Read once."""
    buffer = bytearray(size)
    return bytes(buffer[: codec.read_into(memoryview(buffer))])


@pytest.fixture
def codec() -> PlainCodec:
    codec = PlainCodec()
    assert codec.handshake()
    return codec


def public(kind: type) -> dict[str, list[str]]:
    """Return the names of methods, with their parameters, and of properties."""
    return {
        name: [*inspect.signature(member).parameters] if callable(member) else []
        for name, member in vars(kind).items()
        if not name.startswith("_")
    }


def test_it_has_the_methods_of_its_twin() -> None:
    """A link takes either; the protocol is goplugin_py.net.link.Codec."""
    assert public(PlainCodec) == public(TLSCodec)


def test_it_is_open_after_a_handshake_that_needs_no_bytes() -> None:
    """As with TLS: until then a link bounds the time."""
    codec = PlainCodec()
    assert not codec.is_open
    assert codec.handshake()
    assert codec.is_open
    assert codec.handshake()
    assert codec.data_to_send() == b""


def test_what_is_sent_goes_on_the_wire_as_it_is_and_once(codec: PlainCodec) -> None:
    codec.send_data(b"PRI * ")
    codec.send_data(memoryview(b"HTTP/2.0"))
    assert codec.data_to_send() == b"PRI * HTTP/2.0"
    assert codec.data_to_send() == b""


def test_what_is_sent_may_change_afterwards(codec: PlainCodec) -> None:
    """A link gives a view of the buffer that all links share."""
    buffer = bytearray(b"ours")
    with memoryview(buffer) as view:
        codec.send_data(view)
    buffer[:] = b"lost"
    assert codec.data_to_send() == b"ours"


def test_what_has_arrived_may_change_afterwards(codec: PlainCodec) -> None:
    buffer = bytearray(b"ours")
    with memoryview(buffer) as view:
        codec.receive_data(view)
    buffer[:] = b"lost"
    assert read(codec) == b"ours"


def test_a_read_of_less_than_it_asked_for_means_that_no_more_has_come(
    codec: PlainCodec,
) -> None:
    codec.receive_data(b"abcdef")
    assert [read(codec, 4), read(codec, 4), read(codec, 4)] == [b"abcd", b"ef", b""]


def test_the_end_comes_after_the_last_byte(codec: PlainCodec) -> None:
    codec.receive_data(b"last words")
    codec.receive_eof()
    assert not codec.is_closed_by_peer
    assert read(codec, 5) == b"last "
    assert not codec.is_closed_by_peer
    assert read(codec) == b"words"
    assert codec.is_closed_by_peer
    assert read(codec) == b""


def test_our_end_needs_no_bytes_and_the_peer_may_go_on(codec: PlainCodec) -> None:
    codec.send_data(b"last words")
    codec.send_eof()
    codec.send_eof()
    assert codec.data_to_send() == b"last words"
    codec.receive_data(b"go on")
    assert read(codec) == b"go on"
    assert not codec.is_closed_by_peer


@given(
    sent=st.lists(st.binary(max_size=100), max_size=8),
    cuts=st.lists(st.integers(1, 50), max_size=20),
    size=st.integers(1, 120),
)
def test_data_arrives_however_the_wire_cuts_it(
    sent: list[bytes], cuts: list[int], size: int
) -> None:
    sender, receiver = PlainCodec(), PlainCodec()
    for chunk in sent:
        sender.send_data(chunk)
    wire, received = sender.data_to_send(), b""
    for cut in [*cuts, len(wire)]:
        receiver.receive_data(wire[:cut])
        wire = wire[cut:]
        received += read(receiver, size)
    receiver.receive_eof()
    while not receiver.is_closed_by_peer:
        received += read(receiver, size)
    assert received == b"".join(sent)
