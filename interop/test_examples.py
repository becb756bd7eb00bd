"""What the README shows works as it stands there, against real Go programs."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from interop.fixtures import binary

ROOT = Path(__file__).parent.parent
KV = ROOT / "examples" / "kv"
TIMEOUT = 60  # seconds; a step takes about one, more on a busy machine


def readme_snippet(first_word_of: str) -> str:
    """Return the Python block of a README section."""
    text = (ROOT / "README.md").read_text()
    section = text.split(f"## A {first_word_of} in 12 lines", 1)[1]
    found = re.search(r"```python\n(.*?)```", section, re.DOTALL)
    assert found is not None
    return found[1]


def run(command: list[str], cwd: Path, **env: str) -> str:
    done = subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(KV), **env},
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("kind", ["host", "plugin"])
def test_readme_shows_the_example_file_in_twelve_lines(kind: str) -> None:
    """README: "a host in 12 lines", "a plugin in 12 lines"; blank ones not counted."""
    snippet = readme_snippet(kind)
    assert snippet == (KV / f"{kind}.py").read_text()
    assert len([line for line in snippet.splitlines() if line.strip()]) == 12


def test_readme_host_calls_the_example_plugin_of_go_plugin(tmp_path: Path) -> None:
    """README: the host, with mutual TLS, against examples/grpc/plugin-go-grpc."""
    (tmp_path / "kv-plugin").symlink_to(binary("kv-plugin"))
    (tmp_path / "host.py").write_text(readme_snippet("host"))
    output = run([sys.executable, "host.py"], tmp_path)
    assert output == "hello\n\nWritten from plugin-go-grpc\n"


@pytest.mark.parametrize("host", ["kv-host", "kv-host-mtls"])
def test_readme_plugin_runs_under_hosts_of_go_plugin(host: str, tmp_path: Path) -> None:
    """README: the plugin under go-plugin's example host, and under AutoMTLS."""
    (tmp_path / "plugin.py").write_text(readme_snippet("plugin"))
    env = {"KV_PLUGIN": f"'{sys.executable}' plugin.py", "KV_PROTO": "grpc"}
    run([str(binary(host)), "put", "greeting", "hello"], tmp_path, **env)
    assert run([str(binary(host)), "get", "greeting"], tmp_path, **env) == "hello\n"


def test_demo_shows_four_steps_and_says_so() -> None:
    """README: `make demo` shows the main job in both directions."""
    output = run([sys.executable, str(ROOT / "examples" / "demo.py")], ROOT)
    assert "All four steps worked." in output
    for fact in (
        "Written from plugin-go-grpc",
        "time_sleep",
        '"month_name": "January"',
    ):
        assert fact in output


def test_demo_names_the_step_that_fails_and_why(tmp_path: Path) -> None:
    """README: `make demo`, on a machine where the Go programs are not built."""
    examples = tmp_path / "examples"
    examples.mkdir()
    (examples / "demo.py").write_text((ROOT / "examples" / "demo.py").read_text())
    done = subprocess.run(
        [sys.executable, str(examples / "demo.py")],
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert done.returncode == 1
    assert "step 1 failed" in done.stderr
