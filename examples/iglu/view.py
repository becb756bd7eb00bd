"""What Iglu shows: tables and events, in colour where a person looks at a terminal."""

import os
import sys
from collections.abc import Iterable, Mapping, Sequence

from goplugin_py.registry import Manifest, Problem
from goplugin_py.supervisor import Change, State, Status, Supervised

BOLD, FAINT, RED, GREEN, YELLOW = "1", "2", "31", "32", "33"
COLOURS = {State.RUNNING: GREEN, State.CRASHED: RED, State.STOPPED: YELLOW}


class View:
    """Writes whole lines, so that any thread may use it."""

    def __init__(self) -> None:
        self._has_colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")

    def heading(self, text: str) -> None:
        self._write("\n" + self._paint(text, BOLD))

    def say(self, text: str) -> None:
        self._write(f"   {text}")

    def changed(self, change: Change) -> None:
        state = change.after.state
        what = self._paint(state.value, COLOURS[state])
        self._write(f"   * {what}: {story(change.plugin, change.after)}")

    def manifests(
        self, found: Iterable[Manifest], problems: Iterable[Problem] = ()
    ) -> None:
        self._table(
            ("PLUGIN", "VERSION", "NAME", "AUTHOR", "CHECKSUM"),
            [
                (each.id, str(each.version), each.name, each.author, checksum(each))
                for each in found
            ],
        )
        for problem in problems:
            place = f"{problem.path.parent.name}/{problem.path.name}"
            self.say(self._paint(f"! {place}: {problem.error}", YELLOW))

    def plugins(
        self, plugins: Mapping[str, Supervised], versions: Mapping[str, Manifest]
    ) -> None:
        statuses = {name: plugin.status for name, plugin in plugins.items()}
        self._table(
            ("PLUGIN", "VERSION", "STATE", "PROCESS", "PID"),
            [
                (
                    name,
                    str(versions[name].version),
                    status.state.value,
                    str(status.generation),
                    str(status.pid or "-"),
                )
                for name, status in statuses.items()
            ],
        )

    def _table(self, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        if not rows:
            return self.say("(nothing)")
        widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
        for row in (head, *rows):
            cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            line = "  ".join(cells).rstrip()
            self.say(self._paint(line, FAINT) if row is head else line)
        return None

    def _paint(self, text: str, colour: str) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if self._has_colour else text

    def _write(self, line: str) -> None:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


def checksum(manifest: Manifest) -> str:
    if manifest.secure is None:
        return "-"
    return f"{manifest.secure.hash}:{manifest.secure.checksum.hex()[:8]}…"


def story(name: str, status: Status) -> str:
    if status.state is State.RUNNING:
        return f"{name}, process {status.generation}, pid {status.pid}"
    if status.state is State.STOPPED:
        return f"{name}, after {status.generation} processes"
    if status.restart_in is None:
        return f"{status.error}; it stays so"
    return f"{status.error}; it is started again in {status.restart_in:.2g} s"
