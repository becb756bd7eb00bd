"""Asks the Go program that decides as go-plugin, hclog and yamux do."""

import base64
import json
import os
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from interop.fixtures import binary

# For a whole batch, which takes seconds on a busy machine.
TIMEOUT = 100.0


class JudgeError(Exception):
    """The Go program failed in another way than a Go host fails."""


@dataclass(frozen=True, slots=True)
class Death:
    """In place of a verdict: the case ends a Go host.

    Attributes:
        cause: The panic's text.
    """

    cause: str


def ask(kind: str, cases: Sequence[object]) -> list[Any]:
    """Return a verdict, or a `Death`, for each case, in order."""
    verdicts: list[Any] = []
    while len(verdicts) < len(cases):
        rest = cases[len(verdicts) :]
        answered, death = _ask_one_process(kind, rest)
        verdicts += answered
        if death is not None:
            verdicts.append(death)
        elif len(answered) < len(rest):
            raise JudgeError(f"{len(answered)} verdicts on {len(rest)} cases")
    return verdicts


def _ask_one_process(
    kind: str, cases: Sequence[object]
) -> tuple[list[Any], Death | None]:
    requests = [
        json.dumps({"kind": kind, "case": case}, default=_base64) for case in cases
    ]
    # A Go host that dies leaves its directory. A path below /tmp is short enough for a
    # socket.
    with tempfile.TemporaryDirectory(prefix="judge-", dir="/tmp") as directory:
        ended = subprocess.run(
            [binary("judge")],
            input="\n".join(requests),
            capture_output=True,
            check=False,
            text=True,
            timeout=TIMEOUT,
            env={**os.environ, "TMPDIR": directory},
        )
    answered = [json.loads(line) for line in ended.stdout.split("\n")[:-1]]
    if ended.returncode == 0:
        return answered, None
    _, is_panic, cause = ended.stderr.partition("panic: ")
    if not is_panic:
        raise JudgeError(ended.stderr)
    return answered, Death(cause.partition("\n")[0])


def _base64(data: object) -> str:
    if not isinstance(data, bytes):
        raise TypeError(f"not bytes: {data!r}")
    return base64.b64encode(data).decode()


def from_base64(text: str | None) -> bytes:
    """Return the bytes that Go has written, where nil is none."""
    return base64.b64decode(text or "")
