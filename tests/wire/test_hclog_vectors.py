"""hclog lines and stderr, as Go's own code wrote and read them when it was recorded.

tests/vectors/README.md describes the recordings.
"""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from goplugin_py.wire.hclog import Level, Record, parse_line
from goplugin_py.wire.log_line import LINE_BUFFER_SIZE
from goplugin_py.wire.stderr import LineClassifier

VECTORS = Path(__file__).resolve().parent.parent / "vectors"


def vectors(name: str) -> list[Any]:
    cases = json.loads((VECTORS / name).read_text())
    return [pytest.param(case, id=case["name"]) for case in cases]


def expand(text: Any) -> str:
    if isinstance(text, list):
        return "".join(map(expand, text))
    return text if isinstance(text, str) else str(text["text"] * text["times"])


def as_floats(value: Any) -> Any:
    """Every number is a float64 in Go."""
    if isinstance(value, dict):
        return {key: as_floats(item) for key, item in value.items()}
    if isinstance(value, list):
        return [as_floats(item) for item in value]
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number else value


def go_lines(data: bytes) -> Iterator[tuple[bytes, bool]]:
    """Split as bufio.Reader.ReadLine does, with the buffer of go-plugin's host.

    Yields lines, and whether each is a piece of a longer one.
    """
    continued = False
    while data:
        head, end, _ = data[:LINE_BUFFER_SIZE].partition(b"\n")
        partial = not end and len(data) >= LINE_BUFFER_SIZE
        if partial and head.endswith(b"\r"):
            head = head[:-1]  # it may belong to the line ending
        data = data[len(head) + len(end) :]
        yield head.removesuffix(b"\r") if end else head, partial or continued
        continued = partial


def as_go_logs(record: Record) -> dict[str, object]:
    """Name the parts of a record as the vectors name the calls of a Go logger."""
    names = {"@module": record.module, "@caller": record.caller}
    pairs = {**record.pairs, **{key: text for key, text in names.items() if text}}
    return {
        "level": record.level.label,
        "message": record.message,
        "pairs": as_floats(pairs),
    }


GO_YEAR_1 = "0001-01-01T00:00:00.000Z"


def go_timestamp(record: Record) -> str:
    """hclog: TimeFormat."""
    moment = record.timestamp
    if moment is None:
        return GO_YEAR_1
    text = moment.isoformat(timespec="milliseconds")
    return re.sub(r"(\d\d):(\d\d)$", r"\1\2", text).replace("+0000", "Z")


# Where this library is better on purpose.
TRACEBACK_VECTOR = "Python traceback"
OFFSET_VECTOR = 'timestamp "2026-01-02T03:04:05.678901+24:00"'  # shown in UTC


@pytest.mark.parametrize("case", vectors("hclog_in.json"))
def test_stderr_is_sorted_as_a_go_host_sorts_it(case: dict[str, Any]) -> None:
    """go-plugin: logStderr, as recorded from a host."""
    classifier = LineClassifier()
    lines = go_lines(expand(case["stderr"]).encode())
    records = [classifier.classify(*line) for line in lines]
    if case["panic"] is not None or case["name"] == TRACEBACK_VECTOR:
        level = Level.DEBUG if case["panic"] else Level.ERROR
        assert {record.level for record in records} == {level}
        return
    for record, call in zip(records, case["logged"], strict=True):
        pairs = as_floats(call["pairs"])
        stamp = pairs.pop("timestamp", None)
        expected = {"level": call["level"], "message": expand(call["message"])}
        shown = as_go_logs(record)
        if record.pairs.get("timestamp"):  # a Go host overwrites it
            pairs["timestamp"] = record.pairs["timestamp"]
        assert shown == {**expected, "pairs": pairs}
        if case["name"] == OFFSET_VECTOR:
            assert go_timestamp(record) == "2026-01-01T03:04:05.678Z"
        elif stamp is not None:
            assert go_timestamp(record) == stamp


def _reformatted(line: str) -> str:
    record = parse_line(line)
    assert record is not None
    return record.format()


@pytest.mark.parametrize("case", vectors("hclog_out.json"))
def test_what_go_writes_is_read_and_written_alike(case: dict[str, Any]) -> None:
    """hclog: logJSON, as recorded from a logger."""
    line = case["line"].rstrip("\n")
    if case["name"] == "built-in keys" or not line:
        assert parse_line(line) is None  # not hclog's own keys any more
        return
    members, own = json.loads(line), json.loads(_reformatted(line))
    assert list(own) == list(members)
    assert as_floats(own) == as_floats(members)


GO_TIME = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
SAME_CALLS: dict[str, Record] = {
    "trace": Record(Level.TRACE, "m", "", GO_TIME, {"k": "v"}),
    "error": Record(Level.ERROR, "m", "", GO_TIME, {"k": "v"}),
    "empty message": Record(Level.INFO, "", "", GO_TIME),
    "message with newline": Record(Level.INFO, "a\nb\r\tc\0\x7f", "", GO_TIME),
    "message with specials": Record(
        Level.INFO, '<&> "quoted" back\\slash', "", GO_TIME
    ),
    "unicode": Record(
        Level.INFO,
        "\xfcn\xef \u2603 \U0001f600 \u2028\u2029",
        "",
        GO_TIME,
        {"schl\xfcssel": "w\xe9rt"},
    ),
    "sorted keys": Record(
        Level.INFO,
        "m",
        "",
        GO_TIME,
        {"z": 1, "A": 2, "a": 3, "_": 4, "\xe9": 5, "-": 6},
    ),
    "integers": Record(
        Level.INFO, "m", "", GO_TIME, {"a": 1, "b": -(2**63), "c": 2**64 - 1}
    ),
    "booleans and nil": Record(
        Level.INFO, "m", "", GO_TIME, {"t": True, "f": False, "n": None}
    ),
    "map": Record(
        Level.INFO, "m", "", GO_TIME, {"k": {"b": 1, "a": {2: "x", 10: "y"}}}
    ),
    "wrapped error": Record(
        Level.INFO, "m", "", GO_TIME, {"k": ValueError("outer: inner")}
    ),
    "named twice": Record(Level.INFO, "m", "a.b", GO_TIME),
    "no time": Record(Level.INFO, "m"),
    "time in a zone": Record(
        Level.INFO, "m", "", GO_TIME.astimezone(timezone(timedelta(hours=2)))
    ),
    "time without fraction": Record(
        Level.INFO, "m", "", GO_TIME.replace(microsecond=0)
    ),
}


@pytest.mark.parametrize("name", SAME_CALLS)
def test_the_same_call_writes_the_same_line(name: str) -> None:
    """hclog: logJSON, byte for byte but for its HTML escapes."""
    cases = json.loads((VECTORS / "hclog_out.json").read_text())
    lines = [case["line"] for case in cases if case["name"] == name]
    expected = re.sub(
        r"\\u00(3c|3e|26)", lambda found: chr(int(found[1], 16)), lines[0]
    )
    assert SAME_CALLS[name].format() + "\n" == expected
