"""A pytest plugin that keeps what came of each test: `-p interop.matrix.recorder`.

With `--matrix-results FILE` it writes JSON there at the end: outcome and seconds of
each test, the log of a failure, which Go programs the test asked for, and what it
recorded with `record_property`. With xdist the processes that run tests pass that on to
the one that writes.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from interop.fixtures import ASKED_FOR, ROOT
from interop.matrix.environment import environment
from interop.matrix.runtime import runtime

OPTION = "--matrix-results"
# Property of a test: the fixtures that it asked for.
PROGRAMS = "programs"
# The end of a failure's log tells most, and pages should not be huge.
LOG_LIMIT = 20_000


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(OPTION, type=Path, metavar="FILE", help="write outcomes as JSON")


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Programs())
    path = config.getoption(OPTION)
    if path is not None and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Recorder(path))


class Programs:
    """Notes the Go programs of each test, where it runs."""

    def __init__(self) -> None:
        self._of_fixtures: dict[str, set[str]] = {}

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        ASKED_FOR.clear()

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: Any) -> Iterator[None]:
        """Keep what a fixture asks for: of the tests that share it, one sets it up."""
        before = set(ASKED_FOR)
        try:
            return (yield)
        finally:
            if fixturedef.scope != "function":
                self._of_fixtures[fixturedef.argname] = ASKED_FOR - before

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> None:
        if call.when == "call" or (call.when == "setup" and call.excinfo):
            names: list[str] = getattr(item, "fixturenames", [])
            shared = (self._of_fixtures.get(name, set()) for name in names)
            programs = ASKED_FOR.union(*shared)
            item.user_properties.append((PROGRAMS, sorted(programs)))


class Recorder:
    """Collects the reports of all tests, and writes them at the end."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._tests: dict[str, dict[str, Any]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        test = self._tests.setdefault(
            report.nodeid, {"outcome": "passed", "seconds": 0.0, "log": ""}
        )
        test["seconds"] += report.duration
        if report.outcome != "passed" and test["outcome"] != "failed":
            test["outcome"] = report.outcome
        if report.failed:
            test["log"] = (test["log"] + _log(report))[-LOG_LIMIT:]
        if report.skipped:
            test["log"] = _reason(report)
        test["properties"] = _properties(report)

    def pytest_sessionfinish(self) -> None:
        content = {
            "runtime": runtime(),
            "environment": environment(),
            "tests": dict(sorted(self._tests.items())),
        }
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_text(json.dumps(content, indent=1) + "\n")


def _log(report: pytest.TestReport) -> str:
    captured = "".join(f"\n{title}\n{text}" for title, text in report.sections)
    text = f"{report.when}: {report.longreprtext}{captured}\n"
    return text.replace(f"{ROOT}/", "")  # where that is, is nobody's business


def _reason(report: pytest.TestReport) -> str:
    reason = report.longrepr
    return str(reason[2]) if isinstance(reason, tuple) else report.longreprtext


def _properties(report: pytest.TestReport) -> dict[str, list[str]]:
    """Return each property's values, of which there may be several."""
    found: dict[str, list[str]] = {}
    for name, value in report.user_properties:
        values = value if isinstance(value, list) else [str(value)]
        found.setdefault(name, []).extend(values)
    return found
