"""`python -m interop.bench` measures all and writes docs/performance.md and its plot.

    --quick      the least of everything, to see that all answer; writes to stdout
    --noisy      writes although noise left some targets open, which their rows say
    --install    only makes .venv-bench

The exit status is 1 if something did not answer, or if the machine was too busy to
tell whether a target is met. The tables go to stdout then, and no file is written.
"""

import argparse
import os
import sys

from interop.bench import document, environment, machine, plot
from interop.bench.complete import missing
from interop.bench.driver import Refused
from interop.bench.results import Results
from interop.bench.sizes import FULL, QUICK
from interop.bench.table import report
from interop.bench.targets import targets


def main() -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m interop.bench")
    parser.add_argument("--quick", action="store_true", help="only see that all answer")
    parser.add_argument("--noisy", action="store_true", help="write in any case")
    parser.add_argument("--install", action="store_true", help="only install the peers")
    options = parser.parse_args()
    environment.install()
    if options.install:
        return 0
    try:
        with environment.temporary_files():
            return run(quick=options.quick, noisy=options.noisy)
    except Refused as problem:
        return complain([str(problem)])


def run(*, quick: bool, noisy: bool) -> int:
    """Measure, and write or print."""
    sizes = QUICK if quick else FULL
    before = os.getloadavg()[0]
    results = Results.measure(sizes)
    goals = targets(results)
    origin = machine.description(sizes, (before, os.getloadavg()[0]))
    text = f"{origin}\n\n{report(results, goals)}"
    problems = missing(results)
    noise = [f"too noisy to say: {goal.what}" for goal in goals if goal.is_open]
    if quick:
        print(f"{text}\n\nNothing of it is a measurement: this run is a smoke test.")
    elif problems or (noise and not noisy):
        print(text)
    else:
        document.write(text, plot.drawing(results))
    return complain(problems if quick else problems + noise)


def complain(problems: list[str]) -> int:
    """Print them; return the exit status."""
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
