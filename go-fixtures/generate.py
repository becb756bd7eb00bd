"""Generate the Go code of `proto/NAME.proto` into `go-fixtures/NAME`.

Run it with any Python: protoc comes from grpcio-tools in an environment of its own,
the Go plugins from the versions that `echo/go.mod` pins.
"""

import argparse
import filecmp
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
NAMES = ("callback", "echo", "streams")
PROTO = ROOT / "proto"
# Apart from the development environment, whose protobuf may be of another version.
TOOLS = ROOT / ".venv-protoc-go"
PROTOC_REQUIREMENT = "grpcio-tools==1.76.0"


def main() -> int:
    """Generate, or with `--check` tell whether the committed code is up to date."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare, change nothing")
    if not parser.parse_args().check:
        generate(HERE)
        return 0
    with tempfile.TemporaryDirectory() as fresh:
        generate(Path(fresh))
        stale = _differences(Path(fresh))
    print("".join(f"out of date: {name}\n" for name in stale), end="", file=sys.stderr)
    return 1 if stale else 0


def generate(target: Path) -> None:
    """Write the generated files into directories below `target`."""
    python = _protoc_python()
    _run(
        sys.executable, "-m", "interop.fixtures", "protoc-gen-go", "protoc-gen-go-grpc"
    )
    for name in NAMES:
        output = target / name
        output.mkdir(exist_ok=True)
        _run(
            python,
            *("-m", "grpc_tools.protoc", f"--proto_path={PROTO}"),
            f"--plugin=protoc-gen-go={HERE / 'bin' / 'protoc-gen-go'}",
            f"--plugin=protoc-gen-go-grpc={HERE / 'bin' / 'protoc-gen-go-grpc'}",
            *(f"--go_out={output}", "--go_opt=paths=source_relative"),
            *(f"--go-grpc_out={output}", "--go-grpc_opt=paths=source_relative"),
            f"{name}.proto",
        )


def _protoc_python() -> str:
    python = str(TOOLS / "bin" / "python")
    if not Path(python).exists():
        venv.create(TOOLS, with_pip=True)
    _run(python, "-m", "pip", "install", "--quiet", PROTOC_REQUIREMENT)
    return python


def _differences(fresh: Path) -> list[str]:
    names = [str(path.relative_to(fresh)) for path in fresh.rglob("*.go")]
    _, mismatch, errors = filecmp.cmpfiles(fresh, HERE, names, shallow=False)
    return sorted(mismatch + errors)


def _run(*command: str) -> None:
    subprocess.run(command, cwd=ROOT, check=True, timeout=600)


if __name__ == "__main__":
    sys.exit(main())
