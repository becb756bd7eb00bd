"""What takes minutes: many starts, faults, log lines, and random cases.

Each part ends in an assertion, and prints what it counted before and after.

    python -m interop.stress              all of it
    python -m interop.stress cycles 100   a part, and how much of it
"""

import contextlib
import gc
import logging
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from interop.echo_pb2 import Payload, PrintRequest
from interop.faults import FAULTS
from interop.fuzz import SUBJECTS
from interop.fuzz.comparison import compare
from interop.left import Left, settled
from interop.python_host import echo, echo_config

LINKS: dict[str, dict[str, object]] = {
    "plain": {"auto_mtls": False},
    "mtls": {},
    "multiplex": {"broker_multiplex": True},
}
CALL_TIMEOUT = 60.0
# What a log may take that is read as fast as it is written, whatever its length.
LOG_MEMORY = 50_000
LINES_A_BLOCK = 1000
CASES_A_SEED = 200


def resident() -> int:
    """Return the memory of this process, in KiB."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])


def cycle(options: dict[str, object]) -> None:
    """Start a plugin, call it, print something, and kill it."""
    with echo(echo_config(**options)) as (client, stub):
        stub.Print(PrintRequest(stdout=b"hello"), timeout=CALL_TIMEOUT)
        assert stub.Unary(Payload(number=7), timeout=CALL_TIMEOUT).number == 7
    assert client.exit_status == 0


def cycles(count: int) -> None:
    """Start and kill a plugin so many times, and compare what is open."""
    for options in [*LINKS.values()] * 2:  # what is opened once, for good
        cycle(options)
    gc.collect()
    before, memory = settled(), resident()
    for number in range(count):
        cycle([*LINKS.values()][number % len(LINKS)])
    gc.collect()
    after = settled(before)
    say("before", before, memory)
    say(f"after {count} starts", after, resident())
    assert not after - before, after - before


def say(when: str, left: Left, memory: int) -> None:
    """Print counts on one line."""
    counts = ", ".join(f"{number} {name}" for name, number in left.counts.items())
    print(f"{when}: {counts}, {memory} KiB", flush=True)


def faults(count: int) -> None:
    """Let every step fail, for so many of the kinds of links."""
    for kind in FAULTS:
        for link, options in [*LINKS.items()][:count]:
            command = [sys.executable, "-m", "interop.faults", kind, repr(options)]
            with tempfile.TemporaryDirectory(dir="/tmp") as directory:
                ended = subprocess.run(
                    command,
                    env={"TMPDIR": directory, "PYTHONPATH": ":".join(sys.path)},
                    capture_output=True,
                    text=True,
                    check=False,
                )
            assert ended.returncode == 0, ended.stderr
            print(f"{kind}, {link}: {ended.stdout.strip()} steps, nothing is left")


class Counter(logging.Handler):
    """Counts records by their message."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Count one."""
        self.count += record.getMessage() == "one of many"


def lines(count: int) -> None:
    """Have a plugin log so many lines, and compare the memory."""
    counter = Counter()
    logger = logging.getLogger("goplugin.echo-plugin")
    logger.addHandler(counter)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    line = b'{"@level":"info","@message":"one of many","@module":"m","pair":1}\n'
    block = line * LINES_A_BLOCK
    with echo(echo_config()) as (_, stub):
        log = PrintRequest(stderr=block, raw_fd=True)
        stub.Print(log, timeout=CALL_TIMEOUT)
        gc.collect()
        memory = resident()
        log.repeat = count // LINES_A_BLOCK - 1
        stub.Print(log, timeout=CALL_TIMEOUT * 5)
    print(f"{counter.count} of {count} lines, {memory} then {resident()} KiB")
    assert counter.count == count
    assert resident() - memory < LOG_MEMORY


def fuzz(count: int) -> None:
    """Let Go decide so many random cases of each kind, too, or what takes as long."""
    for name, subject in SUBJECTS.items():
        cases = CASES_A_SEED // subject.cost
        for _ in range(0, count, CASES_A_SEED):
            seed = random.randrange(1 << 32)
            print(f"{name}, seed {seed}: ", end="", flush=True)
            known = compare(subject, seed, cases)
            print(f"{cases} cases, {known.total()} known to differ")


PARTS: dict[str, tuple[Callable[[int], None], int]] = {
    "cycles": (cycles, 1000),
    "faults": (faults, len(LINKS)),
    "lines": (lines, 1_000_000),
    "fuzz": (fuzz, 5000),
}


def main(arguments: list[str]) -> None:
    """Run the part that is named, or all of them."""
    names = arguments[:1] or [*PARTS]
    for name in names:
        part, count = PARTS[name]
        started = time.monotonic()
        with contextlib.ExitStack() as stack:
            directory = stack.enter_context(tempfile.TemporaryDirectory(dir="/tmp"))
            os.environ["TMPDIR"] = directory
            part(int(arguments[1]) if arguments[1:] else count)
        print(f"{name} took {time.monotonic() - started:.0f} s\n", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
