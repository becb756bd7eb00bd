"""The frames of a yamux session: yamux's `Session` and ours.

Nobody accepts or reads on either side. What a verdict tells of a session that goes on
is how each of its streams stands, and which frames answer the bytes.
"""

import struct
from collections.abc import Callable
from random import Random
from typing import Any

from goplugin_py.wire.yamux import Session, SessionEnded, State, Stream
from interop.fuzz.judge import from_base64
from interop.fuzz.mutation import mutated
from interop.fuzz.subject import Case, Divergence, Subject, Verdict

HEADER = struct.Struct(">BBHII")
DATA, UPDATE, PING, GO_AWAY = range(4)
SYN, ACK, FIN, RST = 1, 2, 4, 8
WINDOW = 256 * 1024
MAX = 0xFFFF_FFFF


def make(random: Random) -> Case:
    opened = random.choice([0, 0, 1, 2, 3])
    is_client = random.random() < 0.5
    ids = [
        *range(1 if is_client else 2, 2 * opened + 1, 2),
        2 if is_client else 1,
        9,
        0,
    ]
    frames = [_frame(random, ids) for _ in range(random.randint(1, 12))]
    data = b"".join(frames)
    if random.random() < 0.2:
        data = mutated(random, data)
    if random.random() < 0.1:
        data = data[: random.randint(0, len(data))]
    return {
        "is_client": is_client,
        "opened": opened,
        "closed": random.randint(0, opened),
        "go_away": random.random() < 0.1,
        "bytes": data,
    }


def _frame(random: Random, ids: list[int]) -> bytes:
    kind = random.choices([DATA, UPDATE, PING, GO_AWAY, 4], [40, 40, 10, 2, 1])[0]
    stream_id = random.choice([*ids * 8, random.randrange(MAX + 1)])
    flags = random.choice([0, 0, 0, SYN, SYN, ACK, FIN, RST, 16])
    if random.random() < 0.1:
        flags |= random.randrange(16)
    length = random.choice([0, 0, 0, 1, 5, 1000, WINDOW - 5, MAX, MAX // 2])
    payload = b""
    if kind == DATA:
        length = random.choices(
            [0, 1, 5, 1000, WINDOW - 5, WINDOW, WINDOW + 1], [20, 40, 40, 9, 1, 1, 1]
        )[0]
        payload = bytes(range(256)) * 1025
    elif kind == GO_AWAY:
        length = random.choice([0, 0, 0, 1, 2, 3])
    elif random.random() < 0.7:
        length = 0
    return HEADER.pack(0, kind, flags, stream_id, length) + payload[:length]


class Run:
    """Our session, with the bytes received."""

    def __init__(self, case: Case) -> None:
        session = Session(is_client=case["is_client"], now=0.0)
        streams = [session.open_stream(0.0) for _ in range(case["opened"])]
        for stream in streams[: case["closed"]]:
            stream.send_eof(0.0)
        if case["go_away"]:
            session.go_away()
        session.receive_data(case["bytes"], 0.0)
        ends = [each for each in session.events() if isinstance(each, SessionEnded)]
        self.error = str(ends[0].reason) if ends else None
        self.sent = b"" if ends else session.data_to_send()
        self.streams = session._streams


def request(case: Case) -> Case:
    return {**case, "sent": len(Run(case).sent)}


EXCEEDED = "recv window exceeded"
# Why a session ends: parts of what we say, and what Go says.
REASONS = {
    "speaks yamux version": "invalid protocol version",
    "unknown frame type": "invalid msg type",
    "opened twice": "duplicate stream initiated",
    "ended twice": "unexpected flag",
    "with a credit of": EXCEEDED,
    "it saw a breach": "yamux protocol error",
    "it failed": "remote yamux internal error",
    "ended the session: code": "unexpected go away received",
}
# yamux: streamState
STATES = {
    State.SYN_SENT: 1,
    State.SYN_RECEIVED: 2,
    State.ESTABLISHED: 3,
    State.LOCAL_CLOSED: 4,
    State.REMOTE_CLOSED: 5,
}


def ours(case: Case) -> Verdict:
    run = Run(case)
    if run.error is not None:
        return next(go for text, go in REASONS.items() if text in run.error)
    return {
        "streams": {number: _facts(each) for number, each in run.streams.items()},
        "sent": _frames(run.sent),
    }


def _facts(stream: Stream) -> dict[str, object]:
    return {
        "state": STATES[stream.state],
        "received": bytes(stream._buffer),
        "credit": stream._outgoing.credit,
    }


def _frames(data: bytes) -> list[tuple[int, ...]]:
    """Return the headers of frames without payload, in an order of no meaning."""
    return sorted(HEADER.iter_unpack(data))


def go(case: Case, answer: Any) -> Verdict:
    if answer["error"]:
        return answer["error"]
    return {
        "streams": {
            int(number): {**facts, "received": from_base64(facts["received"])}
            for number, facts in answer["streams"].items()
        },
        "sent": _frames(from_base64(answer["sent"])),
    }


WRAPS = "more credit than can be counted"
LATE = "data after FIN"
CUT = "FIN on data that has not come yet"
UNKNOWN = "something else"


def _reasons(go: Any, ours: Any) -> set[str]:
    """Return what explains the differences of one stream, which Go may have not."""
    ended = STATES[State.REMOTE_CLOSED]
    if go is None:
        return {CUT if ours["state"] == STATES[State.LOCAL_CLOSED] else UNKNOWN}
    reasons = set()
    if go["credit"] != ours["credit"]:
        reasons.add(WRAPS if ours["credit"] == MAX else UNKNOWN)
    if go["state"] != ours["state"]:
        reasons.add(CUT if go["state"] == ended else UNKNOWN)
    if go["received"] != ours["received"]:
        is_late = go["state"] == ours["state"] == ended
        reasons.add(LATE if is_late else UNKNOWN)
    return reasons


def _shows(name: str) -> Callable[[Case, Verdict, Verdict], bool]:
    """Return whether a stream shows this divergence, and all others a known one."""

    def applies(case: Case, go: Verdict, ours: Verdict) -> bool:
        if isinstance(go, str) or isinstance(ours, str) or go["sent"] != ours["sent"]:
            return False
        theirs, own = go["streams"], ours["streams"]
        found = [_reasons(theirs.get(number), own[number]) for number in own]
        seen = set[str]().union(*found)
        return name in seen and UNKNOWN not in seen and theirs.keys() <= own.keys()

    return applies


def _is_uncounted(case: Case, go: Verdict, ours: Verdict) -> bool:
    if go != EXCEEDED or ours == EXCEEDED:
        return False
    # Our session goes on, perhaps to another breach.
    return isinstance(ours, str) or any(
        stream["state"] == STATES[State.REMOTE_CLOSED]
        for stream in ours["streams"].values()
    )


def _example(*frames: tuple[int, int, int, bytes]) -> Case:
    data = b"".join(
        HEADER.pack(0, kind, flags, 1, length) + payload[:length]
        for kind, flags, length, payload in frames
    )
    own = {"opened": 0, "closed": 0, "go_away": False}
    return {"is_client": False, **own, "bytes": data}


DIVERGENCES = (
    Divergence(
        WRAPS,
        "Go's counter wraps around, and the stream may stall; ours stays at its limit.",
        _example((UPDATE, SYN, MAX, b"")),
        _shows(WRAPS),
    ),
    Divergence(
        LATE,
        "Go buffers it for a reader that has usually seen the end; ours drops it.",
        _example((UPDATE, SYN | FIN, 0, b""), (DATA, 0, 5, b"later")),
        _shows(LATE),
    ),
    Divergence(
        "too much data after FIN",
        "Go counts it against the credit, and ends the session.",
        _example(
            (DATA, SYN | FIN, 0, b""), *[(DATA, 0, WINDOW - 1, bytes(WINDOW))] * 2
        ),
        _is_uncounted,
    ),
    Divergence(
        CUT,
        "In Go the end overtakes the data; in ours it comes after them.",
        _example((UPDATE, SYN, 0, b""), (DATA, FIN, 5, b"lat")),
        _shows(CUT),
    ),
)

SUBJECT = Subject(
    name="frames",
    make=make,
    ours=ours,
    go=go,
    mutable="bytes",
    divergences=DIVERGENCES,
    request=request,
)
