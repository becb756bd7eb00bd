"""hclog's lines: what a Go host accepts, what a Go host writes, and how text sorts."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from enum import Enum
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from goplugin_py.wire.hclog import Level, Record, parse_line
from goplugin_py.wire.log_line import LINE_BUFFER_SIZE, MAX_DEPTH, MAX_LINE

VECTORS = Path(__file__).resolve().parent.parent / "vectors"

NOON = datetime(2024, 2, 29, 12, 0, 0, 0, tzinfo=UTC)

# Go: time.Parse of hclog.TimeFormatJSON, as strict as our own output has to be.
GO_TIMESTAMP = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(Z|[+-]\d\d:\d\d)", re.ASCII
)

unicode_text = st.text(st.characters(exclude_categories=["Cs"]))
any_text = st.text(st.characters())  # lone surrogates included
json_scalars = (
    st.none()
    | st.booleans()
    | st.integers(1 - 10**21, 10**21 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | unicode_text
)
json_values = st.recursive(
    json_scalars,
    lambda inner: st.lists(inner) | st.dictionaries(unicode_text, inner),
    max_leaves=20,
)
zones = st.integers(-1439, 1439).map(lambda m: timezone(timedelta(minutes=m)))
moments = st.datetimes(timezones=zones)
plain_keys = unicode_text.filter(lambda key: not key.startswith(("@", "_@")))
plain_records = st.builds(
    Record,
    level=st.sampled_from(Level),
    message=unicode_text,
    module=unicode_text,
    timestamp=st.none() | moments,
    pairs=st.dictionaries(plain_keys, json_values),
    caller=unicode_text,
)


class Unprintable:
    """Has no text for anybody but the test's own reports."""

    def __repr__(self) -> str:
        return "Unprintable()"

    def __str__(self) -> str:
        raise RuntimeError("no text")


class Elusive:
    """Even asking for its class fails, as with an unbound proxy."""

    def __getattribute__(self, name: str) -> object:
        raise RuntimeError("unbound")


class EndlessMapping(Mapping[str, object]):
    """Keys without an end."""

    def __getitem__(self, key: str) -> object:
        return key

    def __iter__(self) -> Iterator[str]:
        number = 0
        while True:
            number += 1
            yield str(number)

    def __len__(self) -> int:
        return 1 << 40


@dataclass
class Point:
    x: int
    y: float


class Color(Enum):
    RED = 1


def cyclic_list() -> list[object]:
    items: list[object] = [1]
    items.append({"again": items})
    return items


def exploding_list() -> list[object]:
    """Only 60 lists, but 2**60 paths through them."""
    items: list[object] = []
    for _ in range(60):
        items = [items, items]
    return items


awkward_values = st.one_of(
    any_text,
    st.binary(),
    st.integers(),
    st.floats(),
    st.complex_numbers(),
    st.decimals(),
    st.datetimes(timezones=st.none() | zones),
    st.timedeltas(),
    st.uuids(),
    st.sets(st.integers() | any_text),
    st.builds(ValueError, any_text),
    st.builds(Point, st.integers(), st.floats()),
    st.sampled_from(
        [
            Unprintable(),
            Color.RED,
            cyclic_list(),
            object,
            10**400,
            -(2**9000),
            memoryview(b"view"),
            bytearray(b"\xff"),
            PurePosixPath("/tmp"),
        ]
    ),
)
awkward_pairs = st.dictionaries(
    any_text | st.integers() | st.none() | st.sampled_from(["@level", "@message"]),
    st.recursive(
        awkward_values,
        lambda inner: (
            st.lists(inner) | st.dictionaries(st.integers() | any_text, inner)
        ),
        max_leaves=10,
    ),
)


def parsed(line: str | bytes) -> Record:
    record = parse_line(line)
    assert record is not None
    return record


def members_as_go(line: str) -> dict[str, object]:
    """Assert what a Go host needs to show a line as a record; return its members."""
    assert "\n" not in line
    assert len(line.encode()) < LINE_BUFFER_SIZE
    members: dict[str, object] = json.loads(
        line, parse_constant=pytest.fail, parse_float=finite
    )
    assert isinstance(members["@message"], str)
    assert members["@level"] in {"trace", "debug", "info", "warn", "error"}
    if "@timestamp" in members:
        assert GO_TIMESTAMP.fullmatch(str(members["@timestamp"]))
    return members


def finite(text: str) -> float:
    assert abs(float(text)) != float("inf")
    return float(text)


def formatted(value: object) -> object:
    """The JSON value that a pair becomes."""
    record = Record(Level.INFO, "m", pairs={"key": value})
    return members_as_go(record.format())["key"]


# Writing


def test_a_record_becomes_one_sorted_json_object() -> None:
    """hclog: intLogger.logJSON, jsonMapEntry."""
    record = Record(
        Level.WARN,
        "disk low",
        module="kv.store",
        timestamp=NOON,
        pairs={"free": 12, "Path": "/data"},
        caller="store.py:7",
    )
    assert record.format() == (
        '{"@caller":"store.py:7","@level":"warn","@message":"disk low",'
        '"@module":"kv.store","@timestamp":"2024-02-29T12:00:00.000000Z",'
        '"Path":"/data","free":12}'
    )


def test_absent_parts_are_left_out() -> None:
    """hclog: jsonMapEntry omits the name, the caller and a disabled time."""
    line = Record(Level.TRACE, "").format()
    assert line == '{"@level":"trace","@message":""}'


@given(plain_records)
def test_a_record_survives_its_line(record: Record) -> None:
    """Inverse pair: logJSON and parseJSON."""
    line = record.format()
    assert parse_line(line) == record
    assert parse_line(line.encode()) == record


@given(plain_records)
def test_keys_are_sorted_bytewise(record: Record) -> None:
    """encoding/json sorts the keys of maps."""
    keys = list(json.loads(record.format()))
    assert keys == sorted(keys, key=str.encode)


@given(st.sampled_from(Level), any_text, any_text, moments, awkward_pairs)
def test_any_values_make_a_line_that_a_go_host_takes(
    level: Level,
    message: str,
    module: str,
    timestamp: datetime,
    pairs: dict[str, object],
) -> None:
    """go-plugin: parseJSON must neither fail nor panic."""
    record = Record(level, message, module, timestamp, pairs)
    members = members_as_go(record.format())
    assert members["@level"] == level.label
    assert len(members) == 3 + bool(module) + len(pairs)
    assert parsed(record.format()).level is level


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"raw \xff", "raw \\xff"),
        (ValueError("broken"), "broken"),
        (ValueError(), "ValueError"),
        (NOON, "2024-02-29T12:00:00+00:00"),
        (date(2024, 2, 29), "2024-02-29"),
        (time(12, 30), "12:30:00"),
        (float("nan"), "NaN"),
        (float("inf"), "+Inf"),
        (float("-inf"), "-Inf"),
        ({3, 1, 2}, [1, 2, 3]),
        ((1, "a"), [1, "a"]),
        (Point(1, 0.5), {"x": 1, "y": 0.5}),
        (Point, f"<class '{__name__}.Point'>"),
        ({1: "a", None: "b", 0.5: "c"}, {"1": "a", "null": "b", "0.5": "c"}),
        (Level.INFO, 20),
        (Color.RED, "Color.RED"),
        (PurePosixPath("/tmp/x"), "/tmp/x"),
        (Unprintable(), "<unprintable Unprintable>"),
        (Elusive(), "<unprintable Elusive>"),
        ("half \ud83d", "half \\ud83d"),
        (cyclic_list(), [1, {"again": "...[cycle]"}]),
        (2**64, 2**64),
        (10**21 - 1, 10**21 - 1),
        (10**21, str(10**21)),
        (-(10**21), str(-(10**21))),
    ],
    ids=lambda value: type(value).__name__,
)
def test_values_that_json_lacks_become_text(value: object, expected: object) -> None:
    """hclog drops all pairs then (errJsonUnsupportedTypeMsg); here nothing is lost."""
    assert formatted(value) == expected


def test_integers_beyond_float64_stay_readable_for_a_go_host() -> None:
    """encoding/json: a number out of range makes parseJSON fail for the whole line."""
    assert formatted(10**400) == hex(10**400)
    assert str(formatted(10**50_000)).startswith("0x")


def test_structures_without_end_are_cut() -> None:
    """encoding/json stops at a depth; a Python value may be infinite in other ways."""
    assert len(json.dumps(formatted(exploding_list()))) < 2 * MAX_LINE
    assert isinstance(formatted(EndlessMapping()), str | dict)
    assert isinstance(formatted([0] * 10_000_000), str | list)


def test_nesting_is_cut_at_the_depth_that_can_be_read_back() -> None:
    """encoding/json: exceeded max depth; here at MAX_DEPTH."""
    value: object = "core"
    for _ in range(MAX_DEPTH):
        value = [value]
    record = Record(Level.INFO, "m", pairs={"key": value})
    assert parse_line(record.format()) == record
    deeper = Record(Level.INFO, "m", pairs={"key": [value]})
    assert "nested too deep" in parsed(deeper.format()).format()


@pytest.mark.parametrize(
    "key", ["@level", "@message", "@timestamp", "@module", "@caller"]
)
@pytest.mark.parametrize("module", ["", "kv"])
def test_a_pair_named_like_a_built_in_is_renamed(key: str, module: str) -> None:
    """Unlike hclog's logJSON, where the pair overwrites and can crash a Go host."""
    record = Record(Level.INFO, "m", module, pairs={key: 1, "_" + key: 2})
    back = parsed(record.format())
    assert (back.level, back.message, back.module) == (Level.INFO, "m", module)
    assert back.timestamp is None
    assert sorted(back.pairs) == ["_" + key, "__" + key]


def test_keys_that_become_equal_as_text_are_both_kept() -> None:
    """A JSON object with a key twice keeps only the last."""
    pairs: dict[object, object] = {1: "number", "1": "text"}
    back = parsed(Record(Level.INFO, "m", pairs=pairs).format())  # type: ignore[arg-type]
    assert back.pairs == {"1": "number", "_1": "text"}


class BrokenZone(tzinfo):
    def utcoffset(self, moment: datetime | None) -> timedelta:
        raise RuntimeError("no zone data")

    def dst(self, moment: datetime | None) -> timedelta:
        raise RuntimeError("no zone data")

    def tzname(self, moment: datetime | None) -> str:
        raise RuntimeError("no zone data")


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        (datetime(2024, 1, 2, 3, 4, 5, 6), "2024-01-02T03:04:05.000006Z"),
        (NOON, "2024-02-29T12:00:00.000000Z"),
        (
            NOON.replace(tzinfo=timezone(timedelta(hours=-9, minutes=-30))),
            "2024-02-29T12:00:00.000000-09:30",
        ),
        (
            NOON.replace(tzinfo=timezone(timedelta(minutes=19, seconds=32))),
            "2024-02-29T11:40:28.000000Z",
        ),
        (
            datetime.min.replace(tzinfo=timezone(timedelta(seconds=1))),
            "0001-01-01T00:00:00.000000Z",
        ),
        (NOON.replace(tzinfo=BrokenZone()), "2024-02-29T12:00:00.000000Z"),
    ],
)
def test_timestamps_have_go_s_only_form(moment: datetime, expected: str) -> None:
    """hclog: TimeFormatJSON; six digits always, offsets in minutes."""
    line = Record(Level.INFO, "m", timestamp=moment).format()
    assert members_as_go(line)["@timestamp"] == expected


def test_line_ends_of_any_kind_stay_inside_the_line() -> None:
    """encoding/json escapes U+2028 and U+2029; str.splitlines knows still others."""
    text = "a\nb\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029c"
    line = Record(Level.INFO, text, pairs={text: text}).format()
    assert len(line.splitlines()) == 1
    assert parsed(line).message == text


# Shortening


@pytest.mark.parametrize("unit", ["x", "é", "\0", "\U0001f600", '"', "\ud800"])
@pytest.mark.parametrize("where", ["message", "module", "value", "key", "all"])
def test_a_long_record_is_shortened_and_stays_a_record(unit: str, where: str) -> None:
    """go-plugin: logStderr makes Debug text of a line beyond its 64 KiB buffer."""
    long = unit * 200_000
    record = Record(
        Level.ERROR,
        long if where in ("message", "all") else "short message",
        long if where in ("module", "all") else "kv",
        NOON,
        {
            "id": 7,
            "body": long if where in ("value", "all") else "body",
            (long if where in ("key", "all") else "other"): True,
        },
    )
    line = record.format()
    members_as_go(line)
    back = parsed(line)
    assert "...[truncated]" in line
    assert (back.level, back.timestamp, back.pairs["id"]) == (Level.ERROR, NOON, 7)
    if where != "all":
        head = (unit * 10).encode("utf-8", "backslashreplace").decode()
        assert len(line.encode()) > MAX_LINE // 8 or where in ("key", "module")
        assert back.message.startswith(head if where == "message" else "short")


def test_a_record_that_just_fits_is_left_alone() -> None:
    """go-plugin: defaultPluginLogBufferSize, with a margin."""
    room = MAX_LINE - len(Record(Level.INFO, "").format())
    fitting = Record(Level.INFO, "x" * room)
    assert len(fitting.format()) == MAX_LINE
    assert parse_line(fitting.format()) == fitting
    longer = parsed(Record(Level.INFO, "x" * (room + 1)).format())
    assert longer.message.endswith("x...[truncated]")


def test_short_pairs_survive_beside_long_ones() -> None:
    """Only what is long is shortened, and structures become the text of their head."""
    pairs = {"a": "x" * 100_000, "b": list(range(50_000)), "c": [1, {"d": 2}]}
    back = parsed(Record(Level.INFO, "m", pairs=pairs).format())
    assert back.pairs["c"] == [1, {"d": 2}]
    assert str(back.pairs["b"]).startswith("[0,1,2,")
    assert len(str(back.pairs["a"])) > MAX_LINE // 3


def test_too_many_pairs_are_dropped_and_counted() -> None:
    """hclog names what it left out under @warn, too."""
    pairs = {f"key{number}": "x" * 100 for number in range(5000)}
    back = parsed(Record(Level.INFO, "m", pairs=pairs).format())
    shown = len(back.pairs) - 1
    assert back.pairs["key0"] == "x" * 100
    assert back.pairs["@warn"] == f"line too long: {5000 - shown} pairs dropped"


# Reading


def test_what_go_does_not_trim_belongs_to_the_level() -> None:
    """Go: unicode.IsSpace, which leaves out what str.strip takes for space."""
    assert Level.from_name("\u00a0info\n") is Level.INFO
    assert Level.from_name("info\x1f") is None


@pytest.mark.parametrize("level", Level)
@pytest.mark.parametrize("spell", [str.lower, str.upper, " \t{}\n".format])
def test_levels_are_read_in_any_case_with_blanks(level: Level, spell: object) -> None:
    """hclog: LevelFromString."""
    name = spell(level.label)  # type: ignore[operator]
    assert parsed(json.dumps({"@level": name})).level is level


@pytest.mark.parametrize(
    "name",
    [
        "",
        "warning",
        "critical",
        "off",
        "all",
        "err",
        "inf\N{LATIN SMALL LETTER O WITH STROKE}",
    ],
)
def test_other_levels_are_not_hclog_s(name: str) -> None:
    """go-plugin: logStderr shows such a line verbatim at Debug."""
    assert parse_line(json.dumps({"@level": name, "@message": "m"})) is None


@pytest.mark.parametrize(
    "line",
    [
        "",
        " ",
        "plain text",
        "[INFO] text",
        "null",
        "nullx",
        "true",
        "1",
        '"text"',
        "[]",
        '[{"@level":"info"}]',
        "{}",
        "{",
        '{"@level":"info"} trailing',
        '{"@level":"info"}{"@level":"info"}',
        '\ufeff{"@level":"info"}',
        '{"@level":"info","@message":"tab\there"}',
        '{"@level":"info","x":NaN}',
        '{"@level":"info","x":-Infinity}',
        '{"@level":"info","x":1e400}',
        '{"@level":"info","x":-1e400}',
        '{"@level":"info","x":' + "9" * 400 + "}",
        '{"@level":"info","x":' + "9" * 50_000 + "}",
        '{"@level":"info","x":' + "[" * 30_000 + "]" * 30_000 + "}",
        '{"@level":"info","x":' * 5000,
    ],
    ids=lambda line: line[:30],
)
def test_text_and_foreign_json_are_not_records(line: str) -> None:
    """encoding/json: Unmarshal into a map, with Go's limits."""
    assert parse_line(line) is None
    assert parse_line(line.encode()) is None


@pytest.mark.parametrize("depth", [MAX_DEPTH, MAX_DEPTH + 1, 300])
@pytest.mark.parametrize(
    ("opening", "core", "end"), [("[", "[]", "]"), ('{"a":', "{}", "}")]
)
def test_deep_values_are_read_as_text(
    depth: int, opening: str, core: str, end: str
) -> None:
    """encoding/json reads 10,000 levels, which few consumers in Python survive."""
    text = opening * (depth - 1) + core + end * (depth - 1)
    pairs = parsed(f'{{"@level":"info","deep":{text},"\\ud800":1}}').pairs
    assert pairs["deep"] == (text if depth > MAX_DEPTH else json.loads(text))
    assert pairs["\ufffd"] == 1
    assert parse_line(f'{{"@level":"info","@message":{text}}}') is None


@pytest.mark.parametrize("key", ["@level", "@message", "@timestamp"])
@pytest.mark.parametrize("value", [1, None, True, [], {"a": 1}])
def test_what_crashes_a_go_host_is_text(key: str, value: object) -> None:
    """go-plugin: parseJSON, v.(string) panics."""
    members = {"@level": "info", "@message": "m", key: value}
    assert parse_line(json.dumps(members)) is None


@pytest.mark.parametrize("key", ["@module", "@caller"])
def test_a_module_of_another_type_is_a_pair(key: str) -> None:
    """go-plugin: parseJSON takes only three keys out; these are pairs to Go."""
    assert parsed(json.dumps({"@level": "info", key: 1})).pairs == {key: 1}


def test_a_message_is_not_required() -> None:
    """go-plugin: parseJSON leaves the message empty."""
    assert parse_line(' {"@level":"info"} ') == Record(Level.INFO, "")


def test_the_last_of_two_equal_keys_wins() -> None:
    """encoding/json: Unmarshal into a map."""
    assert parsed('{"@level":"info","a":{"x":1},"a":{"y":2}}').pairs == {"a": {"y": 2}}


def test_large_integers_keep_their_digits() -> None:
    """A Go host rounds them to float64; Python need not."""
    assert parsed('{"@level":"info","n":12345678901234567890123}').pairs == {
        "n": 12345678901234567890123
    }


@pytest.mark.parametrize(
    ("stamp", "expected"),
    [
        ("2024-02-29T12:00:00.000000Z", NOON),
        ("2024-02-29T14:30:00.000000+02:30", NOON),
        ("2024-02-29T12:00:00,000000Z", NOON),
        (
            "2024-02-29T4:05:06.000007Z",
            datetime(2024, 2, 29, 4, 5, 6, 7, tzinfo=UTC),
        ),
        ("2024-02-29T11:00:00.000000-00:60", NOON),
        ("2024-03-01T12:00:00.000000+24:00", NOON),
        ("2024-02-28T11:00:00.000000-24:60", NOON),
    ],
)
def test_timestamps_are_read_as_leniently_as_go_does(
    stamp: str, expected: datetime
) -> None:
    """time.Parse: one digit of the hour, a comma, 24 hours and 60 minutes."""
    line = json.dumps({"@level": "info", "@timestamp": stamp})
    assert parsed(line).timestamp == expected


@pytest.mark.parametrize(
    "stamp",
    [
        "",
        "now",
        "2024-02-29T12:00:00Z",
        "2024-02-29T12:00:00.000Z",
        "2024-02-29T12:00:00.000000000Z",
        "2024-02-29T12:00:00.000000",
        "2024-02-29T12:00:00.000000+0000",
        "2024-02-29T12:00:00.000000+00:61",
        "2024-02-29T12:00:00.000000+25:00",
        "9999-12-31T23:59:59.999999-24:00",
        "2024-02-29 12:00:00.000000Z",
        "2024-02-29T12:00:00.000000Z ",
        "2023-02-29T12:00:00.000000Z",
        "2024-02-29T24:00:00.000000Z",
        "2024-02-29T12:00:60.000000Z",
        "0000-02-29T12:00:00.000000Z",
        "\N{FULLWIDTH DIGIT TWO}024-02-29T12:00:00.000000Z",
    ],
)
def test_other_timestamps_make_the_line_text(stamp: str) -> None:
    """go-plugin: parseJSON fails on time.Parse."""
    line = json.dumps({"@level": "info", "@timestamp": stamp})
    assert parse_line(line) is None


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (rb'{"@level":"info","@message":"\ud800 \udc00"}', "\ufffd \ufffd"),
        (rb'{"@level":"info","@message":"\ud83d\ude00"}', "\U0001f600"),
        (b'{"@level":"info","@message":"\xff\xe2\x82"}', "\ufffd\ufffd\ufffd"),
        (b'{"@level":"info","@message":"\xed\xa0\x80"}', "\ufffd\ufffd\ufffd"),
    ],
)
def test_broken_characters_are_replaced(line: bytes, expected: str) -> None:
    """encoding/json: U+FFFD for each byte, and for each half of an escaped pair."""
    assert parsed(line).message == expected


def test_broken_escapes_are_replaced_at_any_depth() -> None:
    """encoding/json: unquote."""
    line = r'{"@level":"info","\ud800":[{"\udc00":"\udfff","n":1}]}'
    assert parsed(line).pairs == {"\ufffd": [{"\ufffd": "\ufffd", "n": 1}]}


@given(st.binary() | st.text(st.characters()))
@example(b"\xef\xbb\xbf{}")
@example("{" * 100_000)
def test_no_line_makes_reading_fail(line: str | bytes) -> None:
    """hashicorp/go-plugin#38: a plugin's output must not crash its host."""
    parse_line(line)


@given(
    st.dictionaries(
        st.sampled_from(["@level", "@message", "@timestamp", "@module", "x"]),
        json_values
        | st.sampled_from(["info", "error"])
        | st.integers(10**300, 10**320),
    )
)
def test_no_json_makes_reading_fail(members: dict[str, object]) -> None:
    """hashicorp/go-plugin#43: JSON that only resembles hclog's."""
    line = json.dumps(members)
    record = parse_line(line)
    if record is not None:
        assert record.level.label == str(members["@level"]).strip().lower()
        assert parsed(record.format()).level is record.level


@pytest.mark.parametrize(
    ("number", "level"),
    [
        (-5, Level.TRACE),
        (0, Level.TRACE),
        (5, Level.TRACE),
        (8, Level.DEBUG),
        (15, Level.DEBUG),
        (25, Level.INFO),
        (26, Level.WARN),
        (50, Level.ERROR),
        (10**9, Level.ERROR),
    ],
)
def test_custom_levels_map_to_the_nearest(number: int, level: Level) -> None:
    """The logging module has any number of levels, hclog has five."""
    assert Level.nearest(number) is level
