"""One yamux session, and a peer that is bytes: what goes over the wire, and limits."""

from collections.abc import Callable, Iterable
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goplugin_py.errors import LocalProtocolError, RemoteProtocolError
from goplugin_py.wire.yamux import (
    Event,
    Frame,
    FrameType,
    GoAwayCode,
    GoneAway,
    Session,
    SessionEnded,
    SessionError,
    State,
    Stream,
    StreamAccepted,
    StreamEnded,
    StreamOpened,
    StreamReadable,
    StreamReset,
    StreamWritable,
    Window,
)
from goplugin_py.wire.yamux_stream import MAX_REPLIES
from tests.wire import frames
from tests.wire.frames import ACK, FIN, MAX, RST, SYN, WINDOW, Sent

PROTOCOL_ERROR = frames.go_away(1)

T = TypeVar("T")
Feed = Callable[[Session, bytes], None]


def whole(session: Session, data: bytes) -> None:
    """Deliver everything at once."""
    session.receive_data(data, 0.0)


def byte_by_byte(session: Session, data: bytes) -> None:
    """Deliver single bytes."""
    for i in range(len(data)):
        session.receive_data(data[i : i + 1], 0.0)


def with_trailing_data(session: Session, data: bytes) -> None:
    """Deliver in three parts, each but the last with a part of what follows."""
    third = len(data) // 3 + 1
    for start in range(0, len(data), third):
        session.receive_data(memoryview(data)[start : start + third], 0.0)


feeds = pytest.mark.parametrize("feed", [whole, byte_by_byte, with_trailing_data])


def session(*, is_client: bool = False) -> Session:
    return Session(is_client=is_client, now=0.0)


def opened(receiver: Session, *sent: bytes) -> Stream:
    """Have the peer open a stream, accept it, and deliver what else it sent."""
    receiver.receive_data(sent[0], 0.0)
    stream = the(StreamOpened, receiver.events()).stream
    stream.accept()
    for data in sent[1:]:
        receiver.receive_data(data, 0.0)
    return stream


def accepted(opener: Session) -> Stream:
    """Open a stream that the peer accepts, and forget the bytes and the events."""
    stream = opener.open_stream(0.0)
    opener.receive_data(frames.ack(stream.stream_id), 0.0)
    assert opener.events() == [StreamAccepted(stream)]
    opener.data_to_send()
    return stream


def the(kind: type[T], events: Iterable[Event]) -> T:
    [event] = [event for event in events if isinstance(event, kind)]
    return event


def read(stream: Stream, limit: int = 1 << 20) -> bytes:
    buffer = memoryview(bytearray(limit))
    return bytes(buffer[: stream.read_into(buffer)])


def sent(sender: Session) -> list[Sent]:
    return list(frames.read(sender.data_to_send()))


def failure(ended: Session) -> SessionError | None:
    """Return why the session ended, which must be the last it has to tell."""
    assert ended.is_ended
    event = ended.events()[-1]
    assert isinstance(event, SessionEnded)
    return event.reason


# Frames


@pytest.mark.parametrize(
    ("frame", "data"),
    [
        (Frame(FrameType.DATA, 0, 1, 5), "000000000000000100000005"),
        (Frame(FrameType.WINDOW_UPDATE, SYN, 3, 0), "000100010000000300000000"),
        (Frame(FrameType.WINDOW_UPDATE, ACK | FIN, 2, 1), "000100060000000200000001"),
        (Frame(FrameType.PING, SYN, 0, MAX), "0002000100000000ffffffff"),
        (Frame(FrameType.GO_AWAY, 0, 0, 2), "000300000000000000000002"),
        (Frame(FrameType.DATA, 0xFFF8, MAX, 0), "0000fff8ffffffff00000000"),
    ],
)
def test_a_frame_is_twelve_bytes(frame: Frame, data: str) -> None:
    """Specification: version, type, flags, stream id, length, in network order."""
    assert frame.format().hex() == data
    assert Frame.parse(bytes.fromhex(data)) == frame


@given(
    st.builds(
        Frame,
        st.sampled_from(FrameType),
        st.integers(0, 0xFFFF),
        st.integers(0, MAX),
        st.integers(0, MAX),
    )
)
def test_frames_survive_the_wire(frame: Frame) -> None:
    """Parse and format are each other's inverse, unknown flags included."""
    assert Frame.parse(frame.format()) == frame
    assert Frame.parse(memoryview(frame.format())).format() == frame.format()


# Windows


def test_a_window_gives_back_halves() -> None:
    """Go: Stream.sendWindowUpdate with max = 256 KiB."""
    window = Window()
    assert window.grant(0) == 0
    window.spend(WINDOW // 2 - 1)
    assert window.grant(0) == 0
    window.spend(1)
    assert window.grant(1) == 0  # one byte is still unread
    assert window.grant(0) == WINDOW // 2
    assert window.credit == WINDOW


def test_a_window_counts_what_is_buffered_as_taken() -> None:
    """Go: delta = max - buffered - recvWindow."""
    window = Window()
    window.spend(200_000)
    assert window.grant(50_000) == 150_000
    assert window.credit == WINDOW - 50_000


def test_credit_stops_where_go_stops_counting() -> None:
    """Go's uint32 would wrap and take credit away; nobody grants that in earnest."""
    window = Window()
    window.extend(MAX)
    window.extend(MAX)
    assert window.credit == MAX


# Opening and accepting


def test_clients_open_odd_streams_and_servers_even_ones() -> None:
    """Go: newSession, nextStreamID."""
    client, server = session(is_client=True), session()
    assert [client.open_stream(0.0).stream_id for _ in range(3)] == [1, 3, 5]
    assert [server.open_stream(0.0).stream_id for _ in range(3)] == [2, 4, 6]
    assert server.data_to_send() == frames.syn(2) + frames.syn(4) + frames.syn(6)


def test_an_open_stream_sends_without_waiting() -> None:
    """Specification: data can be sent once the SYN flag is sent."""
    client = session(is_client=True)
    stream = client.open_stream(0.0)
    assert stream.send(b"hello") == 5
    assert client.data_to_send().hex() == (
        "000100010000000100000000" + "000000000000000100000005" + b"hello".hex()
    )
    assert stream.state is State.SYN_SENT


@feeds
def test_an_opened_stream_is_accepted_and_read(feed: Feed) -> None:
    """Go: AcceptStream sends the ACK; until then the peer hears nothing."""
    server = session()
    feed(server, frames.syn(1) + frames.data(1, b"hello") + frames.data(1, b" you"))
    first, second = server.events()
    stream = the(StreamOpened, [first]).stream
    assert second == StreamReadable(stream)
    assert not server.data_to_send()
    stream.accept()
    assert server.data_to_send().hex() == "000100020000000100000000"
    assert stream.readable_bytes == 9
    assert read(stream, 3) == b"hel"
    assert read(stream) == b"lo you"
    assert read(stream) == b""
    assert not stream.is_at_eof


@feeds
def test_syn_may_come_with_data_and_fin(feed: Feed) -> None:
    """Specification: flags may be sent with a data payload."""
    server = session()
    feed(server, frames.data(1, b"all of it", SYN | FIN))
    opening, readable, ended = server.events()
    stream = the(StreamOpened, [opening]).stream
    assert (readable, ended) == (StreamReadable(stream), StreamEnded(stream))
    assert not stream.is_at_eof
    assert read(stream) == b"all of it"
    assert stream.is_at_eof


def test_a_stream_must_be_accepted_before_use() -> None:
    """And only once, and only by the side that did not open it."""
    server = session()
    server.receive_data(frames.syn(1) + frames.data(1, b"x"), 0.0)
    stream = the(StreamOpened, server.events()).stream
    with pytest.raises(LocalProtocolError, match="accepted before"):
        read(stream)
    with pytest.raises(LocalProtocolError, match="can't send"):
        stream.send(b"x")
    with pytest.raises(LocalProtocolError, match="can't SEND_FIN"):
        stream.send_eof(0.0)
    stream.accept()
    with pytest.raises(LocalProtocolError, match="not waiting"):
        stream.accept()
    with pytest.raises(LocalProtocolError, match="not waiting"):
        server.open_stream(0.0).accept()
    assert "Stream 1 ESTABLISHED" in repr(stream)


def test_an_opener_that_has_ended_gets_no_ack() -> None:
    """Go: sendFlags in state streamRemoteClose; the ACK would wait for nobody."""
    server = session()
    stream = opened(server, frames.syn(1) + frames.fin(1))
    assert not server.data_to_send()
    assert stream.send(b"answer") == 6
    stream.send_eof(0.0)
    assert server.data_to_send() == frames.data(1, b"answer") + frames.fin(1)
    assert server.stream_count == 0


def test_a_stream_that_is_gone_can_still_be_accepted() -> None:
    """Go's AcceptStream also returns streams that were reset in the queue."""
    server = session()
    stream = opened(server, frames.syn(1) + frames.rst(1))
    assert stream.is_reset
    assert not server.data_to_send()


def test_at_most_256_streams_wait_for_their_ack() -> None:
    """Go: OpenStream blocks on synCh; here it is refused."""
    client = session(is_client=True)
    streams = [client.open_stream(0.0) for _ in range(256)]
    assert not client.can_open
    with pytest.raises(LocalProtocolError, match="256 streams are waiting"):
        client.open_stream(0.0)
    client.receive_data(frames.ack(streams[7].stream_id), 0.0)
    assert client.open_stream(0.0).stream_id == 513
    streams[0].reset()
    assert client.open_stream(0.0).stream_id == 515
    # Ending one direction changes nothing: its peer may still accept.
    streams[1].send_eof(0.0)
    assert not client.can_open


def test_ids_run_out() -> None:
    """Go: ErrStreamsExhausted from 2**32 - 2 on."""
    client = session(is_client=True)
    client._next_id = 0xFFFF_FFFD
    assert client.open_stream(0.0).stream_id == 0xFFFF_FFFD
    with pytest.raises(LocalProtocolError, match="used up"):
        client.open_stream(0.0)


def test_ids_in_use_are_passed_over() -> None:
    """A peer may open streams with our ids; Go would forget such a stream."""
    client = session(is_client=True)
    for stream_id in (1, 5, 7):
        opened(client, frames.syn(stream_id))
    ids = [client.open_stream(0.0).stream_id for _ in range(3)]
    assert ids == [3, 9, 11]


def test_our_ids_are_not_used_again() -> None:
    """Frames for the old stream may still be on their way."""
    client = session(is_client=True)
    client.open_stream(0.0).reset()
    assert client.open_stream(0.0).stream_id == 3


@pytest.mark.parametrize("stream_id", [0, 1, 2, MAX])
def test_any_id_may_be_opened(stream_id: int) -> None:
    """Go checks neither parity nor zero."""
    server = session()
    stream = opened(server, frames.syn(stream_id), frames.data(stream_id, b"x"))
    assert stream.stream_id == stream_id
    assert read(stream) == b"x"


def test_an_id_may_be_used_again() -> None:
    """Go only knows the ids of streams that exist."""
    server = session()
    first = opened(server, frames.syn(1))
    first.reset()
    second = opened(server, frames.syn(1))
    server.receive_data(frames.data(1, b"new"), 0.0)
    assert (read(first), read(second)) == (b"", b"new")


def test_an_ack_is_told_once() -> None:
    """Go: an ACK that nobody awaits is only logged."""
    client = session(is_client=True)
    stream = client.open_stream(0.0)
    client.receive_data(frames.ack(1) * 2 + frames.ack(99), 0.0)
    assert client.events() == [StreamAccepted(stream)]
    assert stream.state is State.ESTABLISHED


def test_an_ack_of_a_stream_of_its_own_means_nothing() -> None:
    """Go logs it, and loses count of its unacknowledged streams."""
    server = session()
    server.receive_data(frames.update(1, flags=SYN | ACK), 0.0)
    [event] = server.events()
    assert the(StreamOpened, [event]).stream.state is State.SYN_RECEIVED


# Credit


def test_a_sender_stops_where_its_credit_ends() -> None:
    """Go: Stream.write; one frame may take the whole window."""
    client = session(is_client=True)
    stream = accepted(client)
    assert stream.send(bytes(WINDOW + 1)) == WINDOW
    assert stream.credit == 0
    assert stream.send(memoryview(b"more")) == 0
    [frame] = sent(client)
    assert frame.length == WINDOW
    client.receive_data(frames.update(1, 3), 0.0)
    assert client.events() == [StreamWritable(stream)]
    assert stream.send(memoryview(b"more")) == 3
    assert client.data_to_send() == frames.data(1, b"mor")


def test_credit_for_a_sender_that_has_some_is_no_event() -> None:
    """Nor is credit of nothing."""
    client = session(is_client=True)
    stream = accepted(client)
    client.receive_data(frames.update(1, 10), 0.0)
    assert stream.credit == WINDOW + 10
    stream.send(bytes(WINDOW + 10))
    client.receive_data(frames.update(1, 0), 0.0)
    assert client.events() == []


def test_credit_does_not_reopen_a_direction_that_has_ended() -> None:
    """Go's updates may cross our FIN."""
    client = session(is_client=True)
    stream = accepted(client)
    stream.send(bytes(WINDOW))
    stream.send_eof(0.0)
    client.receive_data(frames.update(1, WINDOW), 0.0)
    assert client.events() == []


def test_sending_nothing_sends_nothing() -> None:
    """Go: Write of no bytes does not loop."""
    client = session(is_client=True)
    stream = accepted(client)
    assert stream.send(b"") == 0
    assert client.data_to_send() == b""


def test_credit_follows_the_reader() -> None:
    """Go: Read calls sendWindowUpdate; what is buffered gives no credit."""
    server = session()
    stream = opened(server, frames.syn(1), frames.data(1, bytes(WINDOW)))
    server.data_to_send()
    read(stream, WINDOW // 2 - 1)
    assert server.data_to_send() == b""
    read(stream, 1)
    assert server.data_to_send() == frames.update(1, WINDOW // 2)
    read(stream)
    assert server.data_to_send() == frames.update(1, WINDOW // 2)


def test_half_a_frame_gives_credit_for_what_has_arrived() -> None:
    """The rest of it is on the way: granting it again would double the window."""
    server = session()
    frame = frames.data(1, bytes(WINDOW))
    stream = opened(server, frames.syn(1), frame[: 12 + 150_000])
    server.data_to_send()
    assert len(read(stream)) == 150_000
    assert server.data_to_send() == frames.update(1, 150_000)
    server.receive_data(frame[12 + 150_000 :], 0.0)
    server.receive_data(frames.data(1, claims=150_001), 0.0)
    assert failure(server)


def test_no_credit_goes_to_a_peer_that_has_ended() -> None:
    """Go sends it, and its peer logs a frame for a missing stream."""
    server = session()
    stream = opened(server, frames.syn(1), frames.data(1, bytes(WINDOW), FIN))
    server.data_to_send()
    assert len(read(stream)) == WINDOW
    assert server.data_to_send() == b""


def test_the_exact_credit_may_be_used_and_no_more() -> None:
    """Go: ErrRecvWindowExceeded, before it reads any of the payload."""
    server = session()
    opened(server, frames.syn(1), frames.data(1, bytes(WINDOW)))
    server.data_to_send()
    server.receive_data(frames.data(1, claims=1), 0.0)
    error = failure(server)
    assert error
    assert error.code is GoAwayCode.PROTOCOL_ERROR
    assert server.data_to_send() == PROTOCOL_ERROR


def test_a_length_reserves_no_memory() -> None:
    """A frame for no stream may claim 4 GiB; it is skipped as it comes."""
    server = session()
    server.receive_data(frames.data(9, bytes(100), claims=MAX), 0.0)
    for _ in range(100):
        server.receive_data(bytes(1000), 0.0)
    assert server.events() == []
    assert server._missing == MAX - 100_100


# Ends


def test_both_fins_end_a_stream() -> None:
    """Go: Close from streamRemoteClose."""
    client = session(is_client=True)
    stream = accepted(client)
    stream.send_eof(0.0)
    stream.send_eof(0.0)
    assert client.data_to_send() == frames.fin(1)
    with pytest.raises(LocalProtocolError, match=r"LOCAL_CLOSED.* can't send"):
        stream.send(b"x")
    client.receive_data(frames.data(1, b"last", FIN), 0.0)
    assert client.events() == [StreamReadable(stream), StreamEnded(stream)]
    assert client.stream_count == 0
    assert stream.is_over
    assert read(stream) == b"last"
    assert stream.is_at_eof


def test_a_half_closed_stream_reads_on() -> None:
    """Go 0.1.2: streamLocalClose only prohibits writes; credit is given, too."""
    client = session(is_client=True)
    stream = accepted(client)
    stream.send_eof(0.0)
    client.data_to_send()
    client.receive_data(frames.data(1, bytes(WINDOW)), 0.0)
    assert len(read(stream)) == WINDOW
    assert client.data_to_send() == frames.update(1, WINDOW)


def test_a_stream_that_the_peer_ended_sends_on() -> None:
    """Go: Write in streamRemoteClose."""
    client = session(is_client=True)
    stream = accepted(client)
    client.receive_data(frames.fin(1), 0.0)
    assert stream.is_at_eof
    assert stream.send(b"x") == 1
    stream.send_eof(0.0)
    assert client.data_to_send() == frames.data(1, b"x") + frames.fin(1)


def test_fin_is_legal_before_ack() -> None:
    """From either side; the ACK that follows still frees the opener's place."""
    client = session(is_client=True)
    ended, hearing = client.open_stream(0.0), client.open_stream(0.0)
    ended.send_eof(0.0)
    client.receive_data(frames.fin(3) + frames.ack(1) + frames.ack(3), 0.0)
    assert ended.state is State.LOCAL_CLOSED
    assert hearing.state is State.REMOTE_CLOSED
    assert client.events() == [
        StreamEnded(hearing),
        StreamAccepted(ended),
        StreamAccepted(hearing),
    ]


@feeds
def test_a_reset_loses_what_is_buffered(feed: Feed) -> None:
    """Go: Read in streamReset fails at once."""
    server = session()
    stream = opened(server, frames.syn(1))
    server.data_to_send()
    feed(server, frames.data(1, b"lost") + frames.rst(1))
    assert server.events() == [StreamReadable(stream), StreamReset(stream)]
    assert stream.is_reset
    assert not stream.is_at_eof
    assert read(stream) == b""
    with pytest.raises(LocalProtocolError, match=r"RESET.* can't send"):
        stream.send(b"x")
    stream.send_eof(0.0)
    stream.reset()
    assert server.data_to_send() == b""
    assert server.stream_count == 0


@pytest.mark.parametrize("flags", [RST, RST | FIN])
@feeds
def test_a_reset_with_payload_skips_the_payload(feed: Feed, flags: int) -> None:
    """The bytes after it are the next frame's again."""
    server = session()
    stream = opened(server, frames.syn(1))
    feed(server, frames.data(1, b"lost", flags) + frames.syn(3))
    assert stream.is_reset
    assert the(StreamOpened, server.events()).stream.stream_id == 3


def test_our_reset_is_one_frame() -> None:
    """Flags of Go's own resets: WindowUpdate with RST."""
    server = session()
    stream = opened(server, frames.syn(1), frames.data(1, b"unread"))
    server.data_to_send()
    stream.reset()
    assert server.data_to_send().hex() == "000100080000000100000000"
    assert stream.readable_bytes == 0
    assert server.stream_count == 0


@feeds
def test_frames_for_a_stream_that_we_reset_are_skipped(feed: Feed) -> None:
    """Go: handleStreamMessage discards; its sender could not know yet."""
    server = session()
    opened(server, frames.syn(1)).reset()
    server.data_to_send()
    late = frames.data(1, b"late" * 9, FIN) + frames.update(1, 5) + frames.fin(1)
    feed(server, late + frames.ack(1) + frames.rst(1) + frames.data(1) + frames.ping(4))
    assert server.events() == []
    assert server.data_to_send() == frames.ping(4, ACK)


def test_a_reset_in_the_middle_of_a_payload_skips_the_rest() -> None:
    """Also with a FIN to come at its end."""
    server = session()
    frame = frames.data(1, b"0123456789", FIN)
    stream = opened(server, frames.syn(1), frame[:15])
    stream.reset()
    server.events()
    server.receive_data(frame[15:] + frames.ping(4), 0.0)
    assert server.events() == []
    assert sent(server)[-1] == Sent(frames.PING, ACK, 0, 4)


def test_data_after_fin_is_dropped() -> None:
    """Go's Close may overtake a Write, so this is no breach."""
    server = session()
    stream = opened(server, frames.syn(1), frames.fin(1) + frames.data(1, b"late"))
    assert server.events() == [StreamEnded(stream)]
    assert stream.is_at_eof


def test_dropping_what_is_left_of_an_ended_stream() -> None:
    """The peer needs no RST for it any more."""
    server = session()
    stream = opened(server, frames.syn(1), frames.data(1, b"unread", FIN))
    stream.send_eof(0.0)
    server.data_to_send()
    stream.reset()
    assert stream.readable_bytes == 0
    assert server.data_to_send() == b""


# Breaches


@pytest.mark.parametrize(
    ("breach", "code", "text"),
    [
        (frames.frame(0, version=1), None, "version 1"),
        (b"HTTP/1.1 200", None, "version 72"),
        (frames.frame(4), None, "unknown frame type 4"),
        (frames.frame(255), None, "unknown frame type 255"),
        (frames.syn(1), 1, "opened twice"),
        (frames.data(1, b"x", SYN), 1, "opened twice"),
        (frames.fin(1) * 2, 1, "ended twice"),
        (frames.fin(1) + frames.data(1, b"x", FIN), 1, "ended twice"),
        (frames.fin(1) + frames.data(1, b"x", FIN | RST), 1, "ended twice"),
        (frames.fin(1) + frames.data(1, b"", FIN, claims=5), 1, "ended twice"),
        (frames.data(1, claims=WINDOW + 1), 1, "credit of 262140"),
        (frames.data(1, claims=MAX), 1, "got 4294967295 bytes"),
        (frames.go_away(1), None, "breach of the protocol"),
        (frames.go_away(2), None, "it failed"),
        (frames.go_away(3), None, "code 3"),
    ],
)
@feeds
def test_a_breach_ends_the_session(
    breach: bytes, code: int | None, text: str, feed: Feed
) -> None:
    """Go: recvLoop; only where the stream's handler failed, it queues a GoAway."""
    server = session()
    stream = opened(server, frames.syn(1), frames.data(1, b"kept"))
    server.data_to_send()
    feed(server, breach + frames.ping(1) + frames.syn(5))
    assert server.data_to_send() == (b"" if code is None else frames.go_away(code))
    error = failure(server)
    assert isinstance(error, RemoteProtocolError)
    assert error.code == code
    assert text in str(error)
    assert read(stream) == b"kept"
    assert stream.is_at_eof


def test_unknown_flags_are_ignored() -> None:
    """Go looks at single bits."""
    server = session()
    stream = opened(server, frames.update(1, flags=SYN | 0x8000))
    server.receive_data(frames.data(1, b"x", flags=0x0100), 0.0)
    assert read(stream) == b"x"


@given(st.lists(st.binary(max_size=40), max_size=20), st.booleans())
def test_no_bytes_make_a_session_raise(pieces: list[bytes], frame_like: bool) -> None:
    """Whatever comes is an event, and the end of a session is its last."""
    receiver = session()
    for piece in pieces:
        receiver.receive_data(b"\0" + piece if frame_like else piece, 0.0)
    receiver.receive_eof()
    *others, last = receiver.events()
    assert isinstance(last, SessionEnded)
    assert not any(isinstance(event, SessionEnded) for event in others)
    assert receiver.stream_count == 0


# Limits


def test_a_full_backlog_refuses_streams() -> None:
    """Go: incomingStream sends RST beyond 256 streams nobody accepted."""
    server = session()
    ids = range(1, 1001, 2)
    for stream_id in ids[:256]:
        server.receive_data(frames.syn(stream_id), 0.0)
    streams = [the(StreamOpened, [event]).stream for event in server.events()]
    server.receive_data(frames.data(ids[256], b"early", SYN), 0.0)
    assert server.events() == []
    assert server.data_to_send() == frames.rst(ids[256])
    streams[0].accept()
    streams[1].reset()
    server.receive_data(frames.syn(ids[257]) + frames.syn(ids[258]), 0.0)
    assert len(server.events()) == 2


def test_streams_opened_and_reset_in_one_go_are_counted() -> None:
    """Each is an event that waits; Go's backlog holds on to them as well."""
    server = session()
    server.receive_data(
        b"".join(frames.syn(i) + frames.rst(i) for i in range(1000)), 0.0
    )
    assert len(server.events()) == 512
    assert len(sent(server)) == 1000 - 256
    server.receive_data(frames.syn(1), 0.0)
    assert len(server.events()) == 1


def test_a_flood_is_answered_up_to_a_limit() -> None:
    """As long as the peer does not collect the answers."""
    server = session()
    server.receive_data(b"".join(map(frames.ping, range(5000))), 0.0)
    answers = sent(server)
    assert len(answers) == MAX_REPLIES
    assert answers[-1] == Sent(frames.PING, ACK, 0, MAX_REPLIES - 1)
    server.receive_data(frames.ping(MAX), 0.0)
    assert server.data_to_send().hex() == "0002000200000000ffffffff"


def test_a_flood_of_streams_that_nobody_wants_is_refused_up_to_a_limit() -> None:
    """The peer does not collect the refusals, and must not make us keep them all."""
    server = session()
    for stream_id in range(1, 10_001, 2):
        server.receive_data(frames.syn(stream_id), 0.0)
        the(StreamOpened, server.events()).stream.reset()
    assert server.stream_count == 0
    assert len(sent(server)) == MAX_REPLIES
    server.receive_data(frames.syn(1), 0.0)
    the(StreamOpened, server.events()).stream.reset()
    assert server.data_to_send() == frames.rst(1)


def test_data_in_crumbs_is_one_event() -> None:
    """And one buffer: a byte costs a byte."""
    server = session()
    stream = opened(server, frames.syn(1), frames.data(1, b"x") * 10_000)
    assert server.events() == [StreamReadable(stream)]
    assert stream.readable_bytes == 10_000


# Going away and closing


def test_a_peer_that_goes_away_takes_no_more_streams() -> None:
    """Go: ErrRemoteGoAway; what exists lives on, and its streams still come."""
    client = session(is_client=True)
    stream = accepted(client)
    client.receive_data(frames.go_away() * 2, 0.0)
    assert client.events() == [GoneAway()]
    with pytest.raises(LocalProtocolError, match="takes no more streams"):
        client.open_stream(0.0)
    assert stream.send(b"x") == 1
    opened(client, frames.syn(2))


def test_going_away_refuses_streams() -> None:
    """Go: incomingStream with localGoAway."""
    server = session()
    stream = opened(server, frames.syn(1))
    server.data_to_send()
    server.go_away()
    server.go_away()
    server.receive_data(frames.data(3, b"skipped", SYN) + frames.data(1, b"x"), 0.0)
    assert server.events() == [StreamReadable(stream)]
    assert server.data_to_send() == frames.go_away() + frames.rst(3)
    assert server.open_stream(0.0).stream_id == 2


def test_the_end_of_the_connection_ends_streams_as_fin_would() -> None:
    """Go: forceClose; a peer that has ended already is not told of again."""
    client = session(is_client=True)
    reading, ended = accepted(client), accepted(client)
    client.receive_data(frames.data(1, b"kept") + frames.fin(3), 0.0)
    client.receive_eof()
    assert client.events() == [
        StreamReadable(reading),
        StreamEnded(ended),
        StreamEnded(reading),
        SessionEnded(None),
    ]
    assert read(reading) == b"kept"
    assert reading.is_at_eof
    with pytest.raises(LocalProtocolError, match="can't send"):
        ended.send(b"x")
    assert not client.can_open


@pytest.mark.parametrize("cut", [frames.ping(1)[:5], frames.data(9, b"x", claims=2)])
def test_a_connection_that_breaks_in_a_frame_is_a_failure(cut: bytes) -> None:
    """Go: io.ErrUnexpectedEOF."""
    server = session()
    server.receive_data(cut, 0.0)
    server.receive_eof()
    assert "broke in a frame" in str(failure(server))


def test_closing_says_nothing() -> None:
    """Go: Session.Close closes the connection without a GoAway."""
    client = session(is_client=True)
    stream = accepted(client)
    client.close()
    client.close()
    assert client.events() == [StreamEnded(stream), SessionEnded(None)]
    assert client.data_to_send() == b""


def test_after_the_end_nothing_happens_any_more() -> None:
    """But nothing raises that a driver does in good faith."""
    server = session()
    server.receive_data(frames.syn(1) + frames.syn(3), 0.0)
    streams = [the(StreamOpened, [event]).stream for event in server.events()]
    server.close()
    server.events()
    streams[0].accept()
    streams[0].send_eof(0.0)
    streams[1].reset()
    server.receive_data(frames.ping(1) + frames.syn(5), 0.0)
    server.receive_eof()
    server.go_away()
    server.advance(1e9)
    assert server.next_deadline() is None
    assert server.events() == []
    assert server.data_to_send() == b""
    with pytest.raises(LocalProtocolError, match="session is over"):
        server.open_stream(0.0)


# Time


def test_pings_go_out_every_thirty_seconds() -> None:
    """Go: keepalive waits 30 s after each answer; ids count from 0."""
    client = session(is_client=True)
    assert client.next_deadline() == 30.0
    client.advance(29.9)
    assert client.data_to_send() == b""
    client.advance(30.0)
    assert client.data_to_send().hex() == "000200010000000000000000"
    assert client.next_deadline() == 40.0
    client.receive_data(frames.ping(0, ACK), 31.0)
    assert client.next_deadline() == 61.0
    client.advance(61.0)
    assert client.data_to_send() == frames.ping(1)
    # Go takes anything but a request for an answer.
    client.receive_data(frames.ping(1, 0), 62.0)
    assert client.next_deadline() == 92.0


@pytest.mark.parametrize(
    "answer", [b"", frames.ping(1, ACK), frames.ping(0, SYN), frames.data(1)]
)
def test_a_ping_without_answer_ends_the_session(answer: bytes) -> None:
    """Go: ErrKeepAliveTimeout after ConnectionWriteTimeout."""
    client = session(is_client=True)
    client.advance(30.0)
    client.receive_data(answer, 30.0)
    client.advance(39.9)
    assert not client.is_ended
    client.advance(40.0)
    error = failure(client)
    assert "keepalive timeout" in str(error)
    assert error
    assert error.code is None


def test_answers_that_were_not_asked_for_mean_nothing() -> None:
    """Go: handlePing finds no channel."""
    client = session(is_client=True)
    client.receive_data(frames.ping(0, ACK), 10.0)
    assert client.next_deadline() == 30.0


def test_a_stream_that_is_never_accepted_ends_the_session() -> None:
    """Go: setOpenTimeout, 75 s."""
    client = session(is_client=True)
    client.open_stream(1.0)
    for now in (30.0, 60.5):
        client.advance(now)
        client.receive_data(frames.ping(int(now > 60), ACK), now + 0.1)
    assert client.next_deadline() == 76.0
    client.advance(76.0)
    assert "Stream 1 SYN_SENT> was not accepted" in str(failure(client))


@pytest.mark.parametrize(
    "step",
    [
        lambda client, stream: client.receive_data(frames.ack(1), 0.0),
        lambda client, stream: client.receive_data(frames.fin(1), 0.0),
        lambda client, stream: client.receive_data(frames.rst(1), 0.0),
        lambda client, stream: stream.send_eof(0.0),
        lambda client, stream: stream.reset(),
    ],
    ids=["ACK", "FIN", "RST", "our FIN", "our RST"],
)
def test_any_step_ends_the_wait_for_ack(
    step: Callable[[Session, Stream], None],
) -> None:
    """Go: establishCh is notified of each."""
    client = session(is_client=True)
    stream = client.open_stream(0.0)
    client._ping_deadline = 1e9
    step(client, stream)
    client.advance(75.0)
    assert not client.is_ended


def test_a_stream_whose_peer_does_not_end_is_dropped() -> None:
    """Go: closeTimeout after 5 minutes, with RST."""
    client = session(is_client=True)
    client._ping_deadline = 1e9
    first, second = accepted(client), accepted(client)
    first.send_eof(1.0)
    second.send_eof(2.0)
    client.data_to_send()
    assert client.next_deadline() == 301.0
    client.advance(301.5)
    assert client.events() == [StreamReset(first)]
    assert client.data_to_send() == frames.rst(1)
    assert client.next_deadline() == 302.0
    client.receive_data(frames.fin(3), 301.0)
    assert client.next_deadline() == 1e9
    client.advance(303.0)
    assert client.events() == [StreamEnded(second)]
    assert not client.is_ended


def test_the_second_fin_needs_no_patience() -> None:
    """Go: Close from streamRemoteClose starts no timer."""
    client = session(is_client=True)
    stream = accepted(client)
    client.receive_data(frames.fin(1), 0.0)
    stream.send_eof(0.0)
    assert client.next_deadline() == 30.0
