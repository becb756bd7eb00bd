"""Generate the messages and stubs of goplugin_py/_pb, the examples and interop.

    python proto/generate.py            write what differs
    python proto/generate.py --check    write nothing; exit 1 if anything differs

The pinned tools live in .venv-proto, which is made when first needed.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import venv
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROTO = ROOT / "proto"
TOOLS = ROOT / ".venv-proto"
REQUIREMENTS = PROTO / "requirements.txt"

CODE = ("--python_out=", "--grpc_python_out=")
# protoc's own .pyi files fail mypy --strict, and it writes none for stubs. Concrete
# servicers: implementing some methods only is fine, the others answer UNIMPLEMENTED.
TYPES = (
    "--mypy_out=quiet:",
    "--mypy_grpc_out=quiet,generate_concrete_servicer_stubs:",
)


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run of protoc.

    An include that maps a directory to a package makes the output import its
    neighbours from that package.
    """

    protos: tuple[str, ...]
    includes: tuple[str, ...]
    output: tuple[str, ...]
    target: str
    private: bool = False


RUNS = (
    Run(
        protos=(
            "goplugin_py/_pb/broker.proto",
            "goplugin_py/_pb/controller.proto",
            "goplugin_py/_pb/stdio.proto",
            "goplugin_py/_pb/tfplugin5.proto",
            "goplugin_py/_pb/tfplugin6.proto",
        ),
        includes=(f"goplugin_py/_pb={PROTO}/goplugin", f"goplugin_py/_pb={PROTO}"),
        output=CODE + TYPES,
        target="goplugin_py/_pb",
        private=True,
    ),
    # What those refer to has to be in the same pool.
    Run(
        protos=("google/protobuf/empty.proto", "google/protobuf/timestamp.proto"),
        includes=(str(PROTO),),
        output=("--python_out=", "--pyi_out="),
        target="goplugin_py/_pb",
        private=True,
    ),
    Run(
        protos=("kv.proto",),
        includes=(str(PROTO),),
        output=(*CODE, "--pyi_out="),
        target="examples/kv",
    ),
    Run(
        protos=("streams.proto",),
        includes=(str(PROTO),),
        output=CODE + TYPES,
        target="examples/streams",
    ),
    Run(
        protos=("tflint.proto",),
        includes=(str(PROTO),),
        output=CODE + TYPES,
        target="examples/tflint",
    ),
    Run(
        protos=("grafana.proto",),
        includes=(str(PROTO),),
        output=CODE + TYPES,
        target="examples/grafana",
    ),
    Run(
        protos=(
            "vault_pb/backend.proto",
            "vault_pb/database.proto",
            "vault_pb/event.proto",
            "vault_pb/identity.proto",
            "vault_pb/multiplexing.proto",
            "vault_pb/plugin.proto",
            "vault_pb/version.proto",
        ),
        includes=(f"vault_pb={PROTO}/vault",),
        output=CODE + TYPES,
        target="examples/vault/vault_pb",
    ),
    Run(
        protos=("interop/callback.proto", "interop/echo.proto"),
        includes=(f"interop={PROTO}",),
        output=CODE + TYPES,
        target="interop",
    ),
)

# Moves a module from protobuf's default pool to ours, see goplugin_py/_pb/_private.py.
TO_PRIVATE_POOL = (
    (
        r"^from google\.protobuf import descriptor_pool as _descriptor_pool$",
        "from goplugin_py._pb import _private",
    ),
    (r"^from google\.protobuf import symbol_database as _symbol_database\n", ""),
    (r"^_sym_db = _symbol_database\.Default\(\)\n", ""),
    (r"\b_descriptor_pool\.Default\(\)", "_private.POOL"),
    (r"\b_builder\.BuildTopDescriptorsAndMessages\b", "_private.define_messages"),
    (
        r"^from google\.protobuf import (empty|timestamp)_pb2 as",
        r"from goplugin_py._pb import \1_pb2 as",
    ),
    (r"'google\.protobuf\.(empty|timestamp)_pb2'", r"'goplugin_py._pb.\1_pb2'"),
)


def main() -> int:
    parser = argparse.ArgumentParser(description="Generate messages and stubs.")
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    check = parser.parse_args().check

    install_tools()
    files: dict[Path, str] = {}
    for run in RUNS:
        files |= protoc(run)
    changed = [path for path, text in files.items() if read(path) != text]
    unknown = [p for p in ROOT.glob("goplugin_py/_pb/*_pb2*.py*") if p not in files]
    for path in sorted(changed + unknown):
        print(path.relative_to(ROOT))
    if check:
        return 1 if changed or unknown else 0
    for path in changed:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(files[path], encoding="utf-8", newline="\n")
    for path in unknown:
        path.unlink()
    return 0


def install_tools() -> None:
    """Make .venv-proto hold what requirements.txt pins."""
    wanted = REQUIREMENTS.read_text(encoding="utf-8")
    stamp = TOOLS / REQUIREMENTS.name
    if read(stamp) == wanted:
        return
    venv.create(TOOLS, clear=True, with_pip=True)
    pip = [tool("python"), "-m", "pip", "install", "--quiet"]
    subprocess.run([*pip, "--requirement", str(REQUIREMENTS)], check=True)
    # Written last: an installation that broke off is done again.
    stamp.write_text(wanted, encoding="utf-8")


def protoc(run: Run) -> dict[Path, str]:
    """Return the text of every file of a run, by the path it belongs at."""
    with tempfile.TemporaryDirectory() as scratch:
        subprocess.run(
            [
                *(tool("python"), "-m", "grpc_tools.protoc"),
                *(f"--plugin=protoc-gen-{p}={tool(f'protoc-gen-{p}')}"
                  for p in ("mypy", "mypy_grpc")),
                *(f"--proto_path={include}" for include in run.includes),
                *(f"{option}{scratch}" for option in run.output),
                *run.protos,
            ],
            check=True,
        )  # fmt: skip
        files = {
            ROOT / run.target / path.name: path.read_text(encoding="utf-8")
            for path in Path(scratch).rglob("*.py*")
        }
    if run.private:
        files = {path: to_private_pool(text) for path, text in files.items()}
    return files


def to_private_pool(text: str) -> str:
    for pattern, replacement in TO_PRIVATE_POOL:
        text = re.sub(pattern, replacement, text, flags=re.MULTILINE)
    if "Default()" in text:
        raise SystemExit("protoc's output has changed: adapt TO_PRIVATE_POOL")
    return text


def read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None


def tool(name: str) -> str:
    return str(TOOLS / ("Scripts" if os.name == "nt" else "bin") / name)


if __name__ == "__main__":
    sys.exit(main())
