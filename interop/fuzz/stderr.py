"""What a plugin writes to stderr, for a host: `logStderr` and `LineClassifier`."""

import json
import re
from collections.abc import Callable
from random import Random
from typing import Any

from goplugin_py.process.output import LineSplitter
from goplugin_py.wire.hclog import Record
from goplugin_py.wire.log_line import LINE_BUFFER_SIZE
from goplugin_py.wire.stderr import LineClassifier
from interop.fuzz.judge import Death, from_base64
from interop.fuzz.mutation import mutated, sometimes, surrounded
from interop.fuzz.subject import Case, Divergence, Subject, Verdict

DIES = "dies"

LEVELS = [
    "info",
    "trace",
    "debug",
    "warn",
    "error",
    "INFO",
    "Warning",
    "off",
    "err",
    "",
]
STAMPS = [
    "2026-01-02T03:04:05.678901Z",
    "2026-01-02T03:04:05.678901+02:00",
    "2026-01-02T03:04:05,678901-23:59",
    "0001-01-01T00:00:00.000000Z",
    "9999-12-31T23:59:59.999999-24:00",
    "2026-02-30T03:04:05.678901Z",
    "2026-01-02T3:04:05.678901Z",
    "2026-01-02T03:04:05.678Z",
]
VALUES: list[object] = [
    *("v", "", 0, -1, 1.5, True, None, [1, ["a"], {}], {"a": {"b": [None]}}),
    *(9007199254740993, 12345678901234567890, 1e21, "\u2028 <&> \U0001f600"),
]
DEEP = "[" * 200 + "]" * 200
RAW_VALUES = [
    *(b"NaN", b"1e400", b"1e-400", b"-0", b"-0.0", b"01", b"1.", b".5", b"1E+2", b"+1"),
    *(rb'"\ud800"', rb'"\ud83d\ude00"', rb'"\u0000"', rb'"\x41"', b'"\t"', b"'a'"),
    *(b"tru", b"nul", b"{}}", b"[1,]", b"9" * 310, b"1e308", DEEP.encode()),
]
TEXTS = [
    *(b"[INFO] text", b"[ERROR] text", b"[TRACE]", b" [WARN] text", b"[ERR] text"),
    *(b"[info] text", b"panic: oh", b"fatal error: oh", b"goroutine 1 [running]:", b""),
    *(b"plain text", b"null", b"[]", b'"@level"', b"{}", b"42", b"\tmain.go:1 +0x1d"),
]
PYTHON_TEXTS = [
    *(
        b"Traceback (most recent call last):",
        b'  File "x.py", line 1',
        b"ValueError: 1",
    ),
    *(b"Fatal Python error: oh", b"Exception in thread a:"),
]


def make(random: Random) -> Case:
    lines = [_line(random) for _ in range(random.choice([1, 1, 1, 2, 4]))]
    return {"stderr": b"\n".join(lines)}


def _line(random: Random) -> bytes:
    chance = random.random()
    if chance < 0.01:
        size = random.choice([65535, 65536, 65537, 70000, 131072])
        return (_json(random) if random.random() < 0.5 else b"").ljust(size, b"x")
    if chance < 0.25:
        return sometimes(random, 0.2, random.choice(TEXTS))
    if chance < 0.28:
        return random.choice(PYTHON_TEXTS)
    line = _json(random)
    if chance < 0.4:
        line = surrounded(random, line)
    return mutated(random, line) if chance > 0.8 else line


def _json(random: Random) -> bytes:
    built_in = {
        "@level": random.choice(["info", *LEVELS]),
        "@message": "a message",
        "@timestamp": random.choice([*STAMPS[:1] * 8, *STAMPS]),
        "@module": "a.b",
        "@caller": "x.go:1",
        "timestamp": "mine",
    }
    members = [
        _member(random, key, value)
        for key, value in built_in.items()
        if random.random() < (0.2 if key in ("@caller", "timestamp") else 0.8)
    ]
    members += [
        _member(random, random.choice(["k", "k", "key", "", "\u00fc"]), "v")
        for _ in range(random.randint(0, 2))
    ]
    random.shuffle(members)
    return b"{" + b",".join(members) + b"}"


def _member(random: Random, key: str, usual: object) -> bytes:
    value: object = usual
    if not key.startswith("@") or random.random() < 0.06:
        value = random.choice([usual, *VALUES])
    data = json.dumps(value, ensure_ascii=random.random() < 0.5).encode()
    if random.random() < 0.03:
        data = random.choice(RAW_VALUES)
    return sometimes(random, 0.03, json.dumps(key).encode()) + b":" + data


def ours(case: Case) -> Verdict:
    records: list[Record] = []
    classifier = LineClassifier()
    splitter = LineSplitter(
        LINE_BUFFER_SIZE,
        lambda line, is_piece: records.append(classifier.classify(line, is_piece)),
    )
    splitter.feed(case["stderr"] + b"\n")
    return [_shown(record) for record in records]


# What a Go host shows as the time of a record without one.
NO_TIME = "0001-01-01T00:00:00.000Z"


def _shown(record: Record) -> dict[str, object]:
    pairs = {"@module": record.module, "@caller": record.caller, **record.pairs}
    return _call(record.level.label, record.message, pairs, go_time(record))


def _call(
    level: str, message: str, pairs: dict[str, object], time: object
) -> dict[str, object]:
    # A Go host adds the time as a pair, and loses one of that name, which ours keeps.
    timed = {**pairs, "timestamp": "" if time == NO_TIME else time}
    for built_in in ("@module", "@caller", "timestamp"):
        if timed.get(built_in) == "":  # the same as none
            del timed[built_in]
    return {"level": level, "message": message, "pairs": _as_floats(timed)}


def go_time(record: Record) -> str:
    """Format a timestamp as the host does; hclog: TimeFormat."""
    if record.timestamp is None:
        return NO_TIME
    text = record.timestamp.isoformat(timespec="milliseconds")
    return re.sub(r"(\d\d):(\d\d)$", r"\1\2", text).replace("+0000", "Z")


def _as_floats(value: Any) -> Any:
    """Make every number what it is in Go."""
    if isinstance(value, dict):
        return {key: _as_floats(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_as_floats(item) for item in value]
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number else value


def go(case: Case, answer: Any) -> Verdict:
    if isinstance(answer, Death):
        return DIES
    return [
        _call(
            call["level"],
            # Both show bytes that are no text, each in its way.
            from_base64(call["message"]).decode(errors="backslashreplace"),
            call["pairs"],
            call["pairs"].get("timestamp", NO_TIME),
        )
        for call in answer
    ]


def _is_traceback(go: Verdict, ours: Verdict) -> bool:
    return bool(go["level"] == "debug" and go | {"level": "error"} == ours)


def _is_whole_day(go: Verdict, ours: Verdict) -> bool:
    return str(go["pairs"].get("timestamp", "")).endswith("2400")


def _is_deep(go: Verdict, ours: Verdict) -> bool:
    return DEEP in json.dumps(go["pairs"])


RECORDS = (_is_traceback, _is_whole_day, _is_deep)


def _shows(
    mine: Callable[[Verdict, Verdict], bool],
) -> Callable[[Case, Verdict, Verdict], bool]:
    """Return whether one record shows this divergence, and all others a known one."""

    def applies(case: Case, go: Verdict, ours: Verdict) -> bool:
        if go == DIES or len(go) != len(ours):
            return False
        differing = [pair for pair in zip(go, ours, strict=True) if pair[0] != pair[1]]
        return any(mine(*pair) for pair in differing) and all(
            any(known(*pair) for known in RECORDS) for pair in differing
        )

    return applies


def _fills_the_buffer(case: Case, go: Verdict, ours: Verdict) -> bool:
    longest = max(map(len, case["stderr"].split(b"\n")))
    return go != DIES and len(go) > len(ours) and longest >= LINE_BUFFER_SIZE - 1


DIVERGENCES = (
    Divergence(
        "built-in key that is not text",
        "Go's host dies of it; ours shows the line as text.",
        {"stderr": b'{"@level":"info","@message":1}'},
        lambda case, go, ours: go == DIES,
    ),
    Divergence(
        "Python traceback",
        "To Go it is text at Debug; to ours it is an error, as a Go panic is.",
        {"stderr": b"Traceback (most recent call last):"},
        _shows(_is_traceback),
    ),
    Divergence(
        "time zone a whole day off",
        "Python has none: ours shows UTC, or text beyond the calendar.",
        {
            "stderr": b'{"@level":"info",'
            b'"@timestamp":"2026-01-02T03:04:05.678901+24:00"}'
        },
        _shows(_is_whole_day),
    ),
    Divergence(
        "deep nesting",
        "What is nested deeper than a formatter can follow becomes its JSON text.",
        {"stderr": b'{"@level":"info","k":' + DEEP.encode() + b"}"},
        _shows(_is_deep),
    ),
    Divergence(
        "line that fills the buffer",
        "Go's buffer must hold the newline, too: it logs such a line as text, "
        "and then the empty rest. Ours takes it for a line.",
        {"stderr": b"x" * LINE_BUFFER_SIZE},
        _fills_the_buffer,
    ),
)

SUBJECT = Subject(
    name="stderr",
    make=make,
    ours=ours,
    go=go,
    mutable="stderr",
    divergences=DIVERGENCES,
)
