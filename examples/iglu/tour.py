"""A tour of Iglu, without questions: a Go plugin, a Python plugin and their lives.

    python examples/iglu/tour.py

The Go plugin is go-plugin's own example, unchanged; `make iglu` builds it first.
"""

import hashlib
import os
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "examples" / "kv"))  # where the stubs are

from iglu import Iglu  # noqa: E402
from kv_pb2 import GetRequest, PutRequest  # noqa: E402
from view import View  # noqa: E402

from goplugin_py import ConnectionLost, PluginError  # noqa: E402

GO_PLUGIN = ROOT / "go-fixtures" / "bin" / "kv-plugin"
PYTHON_PLUGIN = Path(__file__).with_name("kv_plugin.py")
STEP_TIMEOUT = 20.0  # seconds; each takes about one
CALLERS = 4


def main() -> int:
    if not GO_PLUGIN.exists():
        print(f"{GO_PLUGIN} is missing: run make iglu", file=sys.stderr)
        return 1
    view = View()
    try:
        with directories() as (plugins, state), Iglu(plugins, state, view) as iglu:
            tour(iglu, plugins, view)
    except PluginError as exc:
        print(f"the tour ended early: {exc}", file=sys.stderr)
        return 1
    view.heading("All plugins are gone, and so is the directory.")
    return 0


def tour(iglu: Iglu, plugins: Path, view: View) -> None:
    view.heading("1. What is in the directory")
    view.manifests(iglu.registry.plugins, iglu.registry.problems)

    view.heading("2. Load it")
    for name in ("go-kv", "python-kv"):
        iglu.load(name)
    view.plugins(iglu.supervisor.plugins, iglu.versions)
    for name in iglu.versions:
        iglu.kv(name).Put(PutRequest(key=name, value=b"hello"))
        view.say(f"{name} answers: {get(iglu, name)}")
        report = iglu.reported(name)
        view.say(f"{name} says of itself: {report or 'nothing, as most plugins do'}")

    view.heading("3. Crash the Go plugin, with a call in flight")
    crash(iglu, "go-kv", view)
    view.plugins(iglu.supervisor.plugins, iglu.versions)
    view.say(f"go-kv answers: {get(iglu, 'go-kv')}")

    view.heading("4. Reload the Python plugin, with calls in flight")
    write_python_plugin(plugins, "1.1.0")
    view.say(f"the directory has changed: {iglu.registry.refresh().added[0]} is new")
    calls = reload_under_load(iglu, "python-kv")
    view.plugins(iglu.supervisor.plugins, iglu.versions)
    view.say(f"{calls} calls meanwhile, 0 lost")
    view.say(f"python-kv answers: {get(iglu, 'python-kv')}")

    view.heading("5. Unload the Go plugin")
    iglu.unload("go-kv")
    view.plugins(iglu.supervisor.plugins, iglu.versions)


def get(iglu: Iglu, name: str) -> str:
    value: bytes = iglu.kv(name).Get(GetRequest(key=name)).value
    return " ".join(value.decode().split())


def crash(iglu: Iglu, name: str, view: View) -> None:
    before = iglu.supervisor[name].status
    assert before.pid is not None
    # Stopped, so that the call does not end too soon.
    os.kill(before.pid, signal.SIGSTOP)
    os.waitid(os.P_PID, before.pid, os.WSTOPPED)
    call = iglu.kv(name).Get.future(GetRequest(key=name))
    os.kill(before.pid, signal.SIGKILL)
    error = call.exception(timeout=STEP_TIMEOUT)
    assert isinstance(error, ConnectionLost)
    view.say(f"the call in flight ended in ConnectionLost: {error}")
    while iglu.changes.get(timeout=STEP_TIMEOUT).after.generation == before.generation:
        pass  # it is crashed, for a moment


def reload_under_load(iglu: Iglu, name: str) -> int:
    """Reload while several threads call; return how many calls there were."""
    done = threading.Event()

    def call_on() -> int:
        calls = 0
        while not done.is_set():
            get(iglu, name)
            calls += 1
        return calls

    with ThreadPoolExecutor(CALLERS) as pool:
        callers = [pool.submit(call_on) for _ in range(CALLERS)]
        try:
            iglu.reload(name)
        finally:
            done.set()
        return sum(caller.result(STEP_TIMEOUT) for caller in callers)


# The directory


@contextmanager
def directories() -> Iterator[tuple[Path, Path]]:
    """Give a directory of plugins, and one for what they store."""
    with tempfile.TemporaryDirectory(prefix="iglu-") as top:
        plugins, state = Path(top, "plugins"), Path(top, "state")
        plugins.mkdir(mode=0o755)
        state.mkdir()
        write_go_plugin(plugins)
        write_python_plugin(plugins, "1.0.0")
        write_python_plugin(plugins, "1.9")  # no semantic version: three numbers
        yield plugins, state


def write_go_plugin(plugins: Path) -> None:
    place = plugins / "go-kv"
    place.mkdir(mode=0o755)
    shutil.copy(GO_PLUGIN, place / "kv-plugin")
    checksum = hashlib.sha256(GO_PLUGIN.read_bytes()).hexdigest()
    write_manifest(
        place,
        id="go-kv",
        version="1.8.0",
        name="Key-value store in Go",
        author="HashiCorp",
        command="[./kv-plugin]",
        checksum=f"sha256:{checksum}",
    )


def write_python_plugin(plugins: Path, version: str) -> None:
    place = plugins / f"python-kv-{version}"
    place.mkdir(mode=0o755)
    shutil.copy(PYTHON_PLUGIN, place)
    write_manifest(
        place,
        id="python-kv",
        version=version,
        name="Key-value store in Python",
        author="The goplugin_py authors",
        command=f"['{sys.executable}', ./{PYTHON_PLUGIN.name}]",
    )


def write_manifest(place: Path, **fields: str) -> None:
    text = "".join(f"{key}: {value}\n" for key, value in fields.items())
    (place / "plugin.yaml").write_text(text)


if __name__ == "__main__":
    sys.exit(main())
