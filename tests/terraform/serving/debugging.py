"""A provider that was started by hand, with `-debug`."""

import json
import os
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from goplugin_py import ReattachConfig
from tests.peers import ROOT

VARIABLE = "TF_REATTACH_PROVIDERS"


class Debugged:
    """What it has told.

    Attributes:
        process: That it runs as.
        variable: The value that Terraform wants.
        address: What Terraform knows it by.
        reattach: Where it is.
    """

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None
        self.process = process
        lines = iter(process.stdout.readline, "")
        line = next(each for each in lines if f"{VARIABLE}=" in each)
        (assignment,) = shlex.split(line)
        self.variable = assignment.removeprefix(f"{VARIABLE}=")
        ((self.address, told),) = json.loads(self.variable).items()
        self.reattach = ReattachConfig.from_json(json.dumps(told))


@contextmanager
def debugged(*command: str | os.PathLike[str]) -> Iterator[Debugged]:
    """Start it, and end it."""
    process = subprocess.Popen(
        command,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield Debugged(process)
        finally:
            process.kill()
