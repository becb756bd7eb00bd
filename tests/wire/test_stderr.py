"""The lines of a plugin's stderr, sorted into records."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goplugin_py.wire.hclog import Level, Record
from goplugin_py.wire.stderr import MAX_TRACEBACK_LINES, LineClassifier

NOON = datetime(2024, 2, 29, 12, 0, 0, 0, tzinfo=UTC)


def levels(text: str, classifier: LineClassifier | None = None) -> list[str]:
    classifier = classifier or LineClassifier()
    return [classifier.classify(line.encode()).level.label for line in text.split("\n")]


@pytest.mark.parametrize("level", Level)
def test_a_tag_at_column_0_sets_the_level_and_stays(level: Level) -> None:
    """go-plugin: logStderr, strings.HasPrefix."""
    line = f"[{level.name}] core: started"
    assert LineClassifier().classify(line.encode()) == Record(level, line)


@pytest.mark.parametrize("line", ["[ERR] x", " [ERROR] x", "[error] x", "ERROR x", ""])
def test_other_text_is_debug(line: str) -> None:
    """go-plugin: logStderr's default."""
    assert LineClassifier().classify(line.encode()) == Record(Level.DEBUG, line)


def test_structured_lines_are_records() -> None:
    """go-plugin: logStderr."""
    record = Record(Level.ERROR, "m", "kv", NOON, {"a": 1})
    assert LineClassifier().classify(record.format().encode()) == record


@pytest.mark.parametrize("line", ['{"a": 1}', "null", '{"@level":"warning"}'])
def test_foreign_json_is_verbatim_debug_text_even_after_a_panic(line: str) -> None:
    """go-plugin: logStderr, "it's likely this is unexpected json"."""
    classifier = LineClassifier()
    classifier.classify(b"panic: boom")
    assert classifier.classify(line.encode()) == Record(Level.DEBUG, line)


@pytest.mark.parametrize(
    "first", ["panic: boom", "fatal error: all goroutines", "Fatal Python error: Abort"]
)
def test_all_untagged_text_after_a_panic_is_error(first: str) -> None:
    """go-plugin: logStderr, inPanic; the third is CPython's, beyond Go."""
    text = f"before\n{first}\n\ngoroutine 1 [running]:\n[INFO] tagged\n[1, 2]\nlast"
    assert levels(text) == ["debug", *["error"] * 3, "info", "error", "error"]


def test_a_panic_must_start_the_line() -> None:
    """go-plugin: logStderr, strings.HasPrefix."""
    assert levels("got panic: boom\nnext") == ["debug", "debug"]


TRACEBACK = """\
Traceback (most recent call last):
  File "plugin.py", line 3, in <module>
    serve()
    ^^^^^^^
ValueError: bad"""


def test_a_python_traceback_is_error_and_ends() -> None:
    """Beyond go-plugin's logStderr, which shows it at Debug."""
    assert levels(f"before\n{TRACEBACK}\nafter") == ["debug", *["error"] * 5, "debug"]


def test_chained_tracebacks_are_error() -> None:
    """CPython: traceback.TracebackException.format, the sentences between."""
    during = "During handling of the above exception, another exception occurred:"
    text = f"Exception in thread T:\n{TRACEBACK}\n\n{during}\n\n{TRACEBACK}\nafter"
    chained = ["error"] * 6 + ["debug", "error", "debug"] + ["error"] * 5 + ["debug"]
    assert levels(text) == chained


def test_the_traceback_of_an_exception_group_has_no_line_of_its_own() -> None:
    """CPython: every line of it is indented, so what follows is not part of it."""
    text = """\
  + Exception Group Traceback (most recent call last):
  |   File "plugin.py", line 1, in <module>
  | ExceptionGroup: two (1 sub-exception)
  +-+---------------- 1 ----------------
    | Traceback (most recent call last):
    |   File "plugin.py", line 2, in f
    | ValueError: bad
    +------------------------------------
after"""
    assert levels(text) == ["error"] * 8 + ["debug"]


def test_records_and_tags_inside_a_traceback_keep_their_levels() -> None:
    """Other threads log while one prints."""
    head, rest = TRACEBACK.split("\n", 1)
    record = Record(Level.INFO, "m").format()
    assert levels(f"{head}\n{record}\n[WARN] w\n{rest}\nafter") == [
        *("error", "info", "warn"),
        *["error"] * 4,
        "debug",
    ]


def test_a_traceback_without_an_end_is_given_up() -> None:
    """Bounded, so that indented output is not Error for ever."""
    text = TRACEBACK.partition("\n")[0] + "\n  x" * (MAX_TRACEBACK_LINES + 5)
    assert levels(text) == ["error"] * (MAX_TRACEBACK_LINES + 1) + ["debug"] * 5


def test_the_pieces_of_a_long_line_are_debug_text() -> None:
    """go-plugin: logStderr, isPrefix and continuation."""
    classifier = LineClassifier()
    for piece in (b'{"@level":"error",', b"panic: x", b"[ERROR]}"):
        record = classifier.classify(piece, is_piece=True)
        assert record == Record(Level.DEBUG, piece.decode())
    assert levels("[ERROR] x\nplain", classifier) == ["error", "debug"]


def test_text_that_is_not_utf8_is_shown_escaped() -> None:
    """Nothing of a line is lost, and it can be printed anywhere."""
    assert LineClassifier().classify(b"caf\xe9").message == "caf\\xe9"


@given(st.lists(st.tuples(st.binary(), st.booleans())))
def test_no_bytes_make_sorting_fail(lines: list[tuple[bytes, bool]]) -> None:
    """The reader's thread has to go on whatever a plugin writes."""
    classifier = LineClassifier()
    for line, is_piece in lines:
        assert isinstance(classifier.classify(line, is_piece), Record)
