"""What a plugin writes to stderr, as log records."""

import collections
import logging

from goplugin_py.hclog import StructuredLogger, forward
from goplugin_py.process.output import LineSplitter
from goplugin_py.wire.log_line import LINE_BUFFER_SIZE
from goplugin_py.wire.stderr import LineClassifier

Logger = logging.Logger | StructuredLogger

TAIL_LINES = 20
MAX_TAIL_LINE = 1000


class StderrLog:
    """Forwards each line to a logger and keeps the last few for errors."""

    def __init__(self, logger: Logger | None, name: str) -> None:
        """Prepare.

        Args:
            logger: Receives the records; None means the stdlib logger `goplugin`.
            name: The plugin's, which a stdlib logger gets as a child.
        """
        parent = logger if logger is not None else logging.getLogger("goplugin")
        if isinstance(parent, logging.Logger):
            parent = parent.getChild(name)
        self._logger = parent
        self._tail: collections.deque[str] = collections.deque(maxlen=TAIL_LINES)
        self._splitter = LineSplitter(LINE_BUFFER_SIZE, self._take)
        self._classifier = LineClassifier()

    @property
    def tail(self) -> list[str]:
        """The last lines, each shortened where it is very long."""
        return list(self._tail)

    def feed(self, data: bytes) -> None:
        """Take the next bytes; none means the end."""
        if data:
            self._splitter.feed(data)
        else:
            self._splitter.finish()

    def _take(self, line: bytes, is_piece: bool) -> None:
        self._tail.append(line[:MAX_TAIL_LINE].decode(errors="backslashreplace"))
        forward(self._classifier.classify(line, is_piece), self._logger)
