"""The lines of a plugin's stderr, sorted into records.

Layer: wire. Bytes and values only.
"""

import re

from goplugin_py.wire.hclog import Level, Record, read_json

MAX_TRACEBACK_LINES = 1000


class LineClassifier:
    """Turns the lines of one plugin's stderr into records, in order.

    It follows go-plugin's logStderr: structured records, level tags at column 0, and
    Error for all untagged text after a Go panic. Beyond Go, which shows them at
    Debug, the text of a Python traceback and of a fatal interpreter error is Error.
    """

    __slots__ = ("_panicked", "_traceback")

    def __init__(self) -> None:
        self._panicked = False
        self._traceback = _Traceback()

    def classify(self, line: bytes, is_piece: bool = False) -> Record:
        """Return the record to log for one line, without its line ending.

        `is_piece` says that it is a part of a line that was too long, the last part
        included: these are text at Debug. Must not raise.
        """
        text = line.decode("utf-8", "backslashreplace")
        if is_piece:
            return Record(Level.DEBUG, text)
        try:
            record = read_json(line)
        except (ValueError, RecursionError):
            return Record(self._text_level(text), text)
        # JSON of something that is not hclog. Go: Debug, even after a panic.
        return record or Record(Level.DEBUG, text)

    def _text_level(self, text: str) -> Level:
        for tag, level in _TAGS:
            if text.startswith(tag):
                return level
        if text.startswith(_PANICS):
            self._panicked = True
        if self._traceback.takes(text) or self._panicked:
            return Level.ERROR
        return Level.DEBUG


_TAGS = tuple((f"[{level.name}]", level) for level in Level)

# The process ends with these, so everything after them belongs to them. The third is
# CPython's own; the others are Go's.
_PANICS = ("panic: ", "fatal error: ", "Fatal Python error: ")

_TRACEBACK_HEADER = re.compile(
    r"( +\+ Exception Group |)Traceback \(most recent call last\):"
)
_TRACEBACK_COMPANIONS = (
    "During handling of the above exception, another exception occurred:",
    "The above exception was the direct cause of the following exception:",
    "Exception ignored ",
    "Exception in thread ",
)


class _Traceback:
    """Recognises the lines of Python tracebacks.

    A traceback is its header, the indented lines, and one line at column 0 with the
    exception; the one of an exception group has no such line. Further lines of the
    exception's own text can't be told from other output and are not taken. A
    traceback that does not end after `MAX_TRACEBACK_LINES` is given up.
    """

    __slots__ = ("_grouped", "_left")

    def __init__(self) -> None:
        self._left = 0
        self._grouped = False

    def takes(self, text: str) -> bool:
        if header := _TRACEBACK_HEADER.fullmatch(text):
            self._left = MAX_TRACEBACK_LINES
            self._grouped = bool(header[1])
            return True
        return self._continues(text) or text.startswith(_TRACEBACK_COMPANIONS)

    def _continues(self, text: str) -> bool:
        if not self._left:
            return False
        self._left -= 1
        if text.startswith((" ", "\t")):
            return True
        self._left = 0
        return bool(text) and not self._grouped
