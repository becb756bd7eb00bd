"""Runs `echo-host`, a real go-plugin host, against an Echo plugin, and reports."""

import contextlib
import json
import os
import re
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from interop.echo_plugin import COMMAND
from interop.fixtures import ROOT, binary

# Two processes start and some scenarios move 64 MiB or sleep; other tests run beside.
RUN_TIMEOUT = 60.0

Entry: TypeAlias = dict[str, Any]

# go-hclog: TimeFormatJSON; the host takes a line with another form for plain text.
_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(Z|[+-]\d\d:\d\d)")
_LEVELS = {"trace", "debug", "info", "warn", "error"}


@dataclass(frozen=True, slots=True)
class Link:
    """How host and plugin are connected."""

    mtls: bool
    network: str

    @property
    def flags(self) -> tuple[str, ...]:
        """What to tell the host."""
        return ("-mtls",) if self.mtls else ()

    @property
    def env(self) -> dict[str, str]:
        """What to tell the plugin."""
        return {"ECHO_NETWORK": self.network}

    def __str__(self) -> str:
        return f"{'mtls' if self.mtls else 'plain'}-{self.network}"


LINKS = [Link(mtls, network) for mtls in (False, True) for network in ("unix", "tcp")]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one scenario came to."""

    ok: bool
    error: str
    detail: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Report:
    """All that a run of the host left behind."""

    outcomes: Mapping[str, Outcome]
    """By scenario, and `kill` at the end; or `start` alone if that failed."""

    log: Sequence[Entry]
    """The host's own log, with what it made of the plugin's stderr."""

    stderr: str
    """The plugin's stderr as it came."""

    def __getitem__(self, scenario: str) -> Outcome:
        return self.outcomes[scenario]

    @property
    def failures(self) -> dict[str, str]:
        """The errors of the scenarios that failed."""
        return {name: o.error for name, o in self.outcomes.items() if not o.ok}

    @property
    def messages(self) -> list[str]:
        """The messages in the host's log."""
        return [str(entry.get("@message")) for entry in self.log]

    @property
    def complaints(self) -> list[Entry]:
        """What the host itself warns of; the plugin's records have a `timestamp`."""
        return [
            entry
            for entry in self.log
            if entry["@level"] in ("warn", "error") and "timestamp" not in entry
        ]

    @property
    def stray_lines(self) -> list[str]:
        """The lines of the plugin's stderr that are no hclog records."""
        return [line for line in self.stderr.splitlines() if not _is_hclog(line)]

    def find(self, message: str) -> Entry:
        """Return the only log entry with this message."""
        found = [entry for entry in self.log if entry.get("@message") == message]
        assert len(found) == 1, f"{message!r} is {len(found)} times in {self.messages}"
        return found[0]

    def assert_healthy(self) -> None:
        """Require that all went well and that nobody had to complain."""
        assert "kill" in self.outcomes, self.outcomes
        assert not self.failures, self.failures
        assert not self.stray_lines
        assert not self.complaints
        assert not [entry for entry in self.log if "Unimplemented" in str(entry)]
        assert not self["kill"].detail["forced"]


def run(
    *scenarios: str,
    flags: Sequence[str] = (),
    command: Sequence[str] = COMMAND,
    env: Mapping[str, str] | None = None,
    host: str = "echo-host",
) -> Report:
    """Run scenarios one after the other against one plugin process.

    Args:
        scenarios: As `echo-host -help` lists them.
        flags: More flags of echo-host.
        command: How to start the plugin; the current directory is the project's.
        env: More variables for both processes.
        host: The fixture; those with a version in their name have that of go-plugin.
    """
    with tempfile.TemporaryDirectory(prefix="go-host-") as directory:
        log, stderr = Path(directory, "log"), Path(directory, "stderr")
        own_flags = [f"-log-file={log}", f"-stderr-file={stderr}"]
        if scenarios:
            own_flags.append(f"-scenario={','.join(scenarios)}")
        output = _output(
            [str(binary(host)), *own_flags, *flags, "--", *command],
            os.environ | dict(env or {}),
        )
        return Report(
            outcomes=dict(_outcomes(output)),
            log=[json.loads(line) for line in log.read_text().splitlines()],
            stderr=stderr.read_text(errors="replace"),
        )


def _output(command: Sequence[str], env: Mapping[str, str]) -> str:
    # In a session of its own, so that nothing outlives a host that had to be killed.
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            return process.communicate(timeout=RUN_TIMEOUT)[0]
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def _outcomes(output: str) -> Iterator[tuple[str, Outcome]]:
    for line in output.splitlines():
        raw = json.loads(line)
        outcome = Outcome(raw["ok"], raw.get("error", ""), raw.get("detail", {}))
        yield raw["scenario"], outcome


def _is_hclog(line: str) -> bool:
    try:
        record = json.loads(line)
    except ValueError:
        return False
    return (
        isinstance(record, dict)
        and record.get("@level") in _LEVELS
        and isinstance(record.get("@message"), str)
        and _TIMESTAMP.fullmatch(str(record.get("@timestamp"))) is not None
    )
