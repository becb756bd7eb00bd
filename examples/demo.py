"""Show the main job in both directions, against real Go programs.

    python examples/demo.py

`make demo` builds the Go programs and then runs this. Each step says in plain words
what it did; the first that fails says which and why, and the exit status is 1.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples"
FIXTURES = ROOT / "go-fixtures" / "bin"
STEP_TIMEOUT = 60.0  # each takes about a second


class StepFailed(Exception):
    """A program of a step did not do its job; the text says what it did."""


def run(*command: str | Path, cwd: Path, **env: str) -> str:
    """Run a program of a step; return what it prints."""
    try:
        done = subprocess.run(
            [str(word) for word in command],
            cwd=cwd,
            env={**os.environ, **env},
            capture_output=True,
            text=True,
            timeout=STEP_TIMEOUT,
            check=True,
        )
    except FileNotFoundError as exc:
        raise StepFailed(f"{exc.filename} is missing: run make fixtures") from exc
    except subprocess.TimeoutExpired as exc:
        raise StepFailed(f"{command[0]} took over {STEP_TIMEOUT:g} seconds") from exc
    except subprocess.CalledProcessError as exc:
        raise StepFailed(f"{command[0]} failed:\n{exc.stdout}{exc.stderr}") from exc
    return done.stdout


def python_host_go_plugin(cwd: Path) -> str:
    """A Python host with mutual TLS calls go-plugin's example KV plugin."""
    (cwd / "kv-plugin").symlink_to(FIXTURES / "kv-plugin")
    return run(sys.executable, EXAMPLES / "kv" / "host.py", cwd=cwd)


def python_host_terraform_provider(cwd: Path) -> str:
    """A Python host with mutual TLS loads the real Terraform provider "time"."""
    return run(
        sys.executable,
        EXAMPLES / "terraform_host" / "schema.py",
        FIXTURES / "terraform-provider-time",
        "rfc3339_parse",
        "2026-01-02T03:04:05Z",
        cwd=cwd,
    )


def go_host_python_plugin(cwd: Path) -> str:
    """go-plugin's example host calls a Python KV plugin."""
    return put_and_get("kv-host", cwd)


def go_mtls_host_python_plugin(cwd: Path) -> str:
    """A go-plugin host with AutoMTLS calls the same Python plugin."""
    return put_and_get("kv-host-mtls", cwd)


def put_and_get(host: str, cwd: Path) -> str:
    plugin = f"'{sys.executable}' '{EXAMPLES / 'kv' / 'plugin.py'}'"
    env = {"KV_PLUGIN": plugin, "KV_PROTO": "grpc"}
    run(FIXTURES / host, "put", "greeting", f"hello from {host}", cwd=cwd, **env)
    return run(FIXTURES / host, "get", "greeting", cwd=cwd, **env)


STEPS: tuple[Callable[[Path], str], ...] = (
    python_host_go_plugin,
    python_host_terraform_provider,
    go_host_python_plugin,
    go_mtls_host_python_plugin,
)


def main() -> int:
    for number, step in enumerate(STEPS, 1):
        print(f"{number}. {step.__doc__}")
        with tempfile.TemporaryDirectory(prefix="goplugin-demo-") as cwd:
            try:
                output = step(Path(cwd))
            except StepFailed as exc:
                print(f"step {number} failed: {exc}", file=sys.stderr)
                return 1
        print("".join(f"   | {line}\n" for line in output.rstrip().splitlines()))
    print("All four steps worked.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
