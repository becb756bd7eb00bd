"""`python -m interop.matrix`: prepare for the matrix, and write it down."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from interop.fixtures import ROOT
from interop.matrix.grid import groups, silent
from interop.matrix.loading import load
from interop.matrix.markdown import summary
from interop.matrix.page import page
from interop.matrix.results import read
from interop.matrix.runtime import install_floor


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    options = _parser().parse_args(arguments)
    if options.floor:
        install_floor()
    return write(options.results, options.into) if options.results else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m interop.matrix",
        description="Write MATRIX.md and matrix.html from results of the tests.",
    )
    parser.add_argument(
        "results",
        nargs="*",
        type=Path,
        metavar="RESULTS",
        help="files that pytest wrote with -p interop.matrix.recorder",
    )
    parser.add_argument(
        "--into",
        type=Path,
        default=ROOT / "interop",
        metavar="DIRECTORY",
        help="default interop",
    )
    parser.add_argument(
        "--floor",
        action="store_true",
        help="install the oldest grpcio and protobuf into .venv-floor",
    )
    return parser


def write(results: Sequence[Path], directory: Path) -> int:
    """Write both pages; return 1 and write nothing if a peer is missing."""
    matrix, outcomes = load(), read(results)
    missing = silent(matrix, outcomes)
    for peer in missing:
        print(
            f"error: no test of the peer {peer.name} ran. Build its fixtures "
            f"({', '.join(peer.fixtures)}) with python -m interop.fixtures --full, or "
            "say in interop/matrix.yaml under `optional` why it may be missing.",
            file=sys.stderr,
        )
    if missing:
        return 1
    grid = groups(matrix, outcomes)
    (directory / "MATRIX.md").write_text(summary(matrix, outcomes, grid))
    (directory / "matrix.html").write_text(page(matrix, outcomes, grid))
    return 0


if __name__ == "__main__":
    sys.exit(main())
