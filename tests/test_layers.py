"""The package's layers: which file may import which, read from the source.

A row of `LAYERS` may use itself and the rows above it, and nothing may be circular.
"""

import ast
import graphlib
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

PACKAGE = "goplugin_py"
ROOT = Path(__file__).resolve().parent.parent

# Files and folders directly below the package, each under what it may use.
LAYERS = (
    ("lazy", "errors", "deadline", "callables"),
    ("_pb",),
    ("wire",),
    ("net",),
    ("hclog", "stdout"),
    ("process",),
    ("services",),
    ("plugin", "config"),
    ("child", "link"),
    ("launch", "attach", "managed"),
    ("client",),
    ("hosted",),
    ("serving",),
    ("aio", "testing", "supervisor", "registry"),
    ("__init__",),
    ("terraform", "vault"),
    ("cli", "__main__"),
)
RANKS = {name: rank for rank, row in enumerate(LAYERS) for name in row}

# The kits show that the public surface is enough.
KITS = {"terraform", "vault"}
OPEN_TO_KITS = {
    *("lazy", "_pb", "errors", "callables", "hclog", "aio", "testing", "__init__"),
}

# Modules and calls that would let the outside into wire/. Randomness comes from
# `secrets`, so `os` has nothing to offer; `ssl` is there for SSLObject.
IMPURE_MODULES = {
    *("socket", "socketserver", "select", "selectors", "asyncio"),
    *("threading", "queue", "concurrent", "multiprocessing", "subprocess", "signal"),
    *("os", "pathlib", "shutil", "tempfile", "fcntl", "mmap"),
    *("time", "sched", f"{PACKAGE}.deadline"),
    *("logging", "structlog", "grpc"),
}
IMPURE_CALLS = {"open", "input", "print", "now", "utcnow", "today"}


@dataclass(frozen=True, slots=True)
class Source:
    """One parsed file of the package; `__init__.py` goes by its folder's name."""

    module: str
    path: Path
    tree: ast.Module

    @property
    def layer(self) -> str:
        return layer_of(self.module)

    @property
    def package(self) -> str:
        is_folder = self.path.name == "__init__.py"
        return self.module if is_folder else self.module.rpartition(".")[0]


def layer_of(module: str) -> str:
    """Return the entry of `LAYERS` that a module of the package falls under."""
    _, name, *_ = [*module.split("."), "__init__"]
    return name


def read_sources(root: Path) -> dict[str, Source]:
    """Parse every file of the package below `root`, keyed by module name."""
    sources = {}
    for path in sorted((root / PACKAGE).rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        tree = ast.parse(path.read_text("utf-8"), str(path))
        sources[module] = Source(module, path, tree)
    return sources


def imports(source: Source) -> Iterator[str]:
    """Yield what the file imports, at any depth; `from a import b` gives `a.b`."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = origin(source, node)
            yield from (f"{base}.{alias.name}" for alias in node.names)


def origin(source: Source, node: ast.ImportFrom) -> str:
    """Return the absolute name of the module that `from ... import` names."""
    if not node.level:
        return node.module or ""
    parents = source.package.split(".")
    kept = parents[: len(parents) - node.level + 1]
    return ".".join([*kept, *filter(None, [node.module])])


def own_imports(source: Source) -> Iterator[tuple[str, str]]:
    """Yield the imports from the package itself, each with its layer."""
    for name in imports(source):
        if name.split(".")[0] == PACKAGE:
            layer = layer_of(name)
            # What is no file of the package is a name that its __init__ offers.
            yield name, layer if layer in RANKS else "__init__"


def violations(root: Path) -> list[str]:
    """Return every breach of the rules in the package below `root`, as sentences."""
    sources = read_sources(root)
    found = list(circles(sources))
    for source in sources.values():
        if source.layer not in RANKS:
            found.append(f"{source.module} has no place in LAYERS")
            continue
        found += upward_imports(source)
        found += private_imports_of_kits(source)
        found += impurities(source)
    return found


def upward_imports(source: Source) -> Iterator[str]:
    for name, layer in own_imports(source):
        if RANKS[layer] > RANKS[source.layer]:
            yield f"{source.module} imports {name}, which is of a later layer"


def private_imports_of_kits(source: Source) -> Iterator[str]:
    if source.layer not in KITS:
        return
    for name, layer in own_imports(source):
        if layer not in OPEN_TO_KITS | {source.layer}:
            yield f"{source.module} imports {name}, which is not public"


def impurities(source: Source) -> Iterator[str]:
    if source.layer != "wire":
        return
    for name in imports(source):
        if is_impure(name):
            yield f"{source.module} imports {name}: wire/ is pure"
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and called(node) in IMPURE_CALLS:
            yield f"{source.module} calls {called(node)}(): wire/ is pure"


def is_impure(name: str) -> bool:
    parts = name.split(".")
    prefixes = {".".join(parts[:count]) for count in range(1, len(parts) + 1)}
    return bool(prefixes & IMPURE_MODULES) or "_pb2_grpc" in name


def called(node: ast.Call) -> str | None:
    match node.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return None


def circles(sources: dict[str, Source]) -> Iterator[str]:
    """Yield the first circular chain of imports, if there is one."""
    graph = {
        module: set(existing(imports(source), sources)) - {module}
        for module, source in sources.items()
    }
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as exc:
        yield f"circular imports: {' <- '.join(exc.args[1])}"


def existing(names: Iterable[str], sources: dict[str, Source]) -> Iterator[str]:
    """Turn imported names into the files they come from."""
    for name in names:
        module = name if name in sources else name.rpartition(".")[0]
        if module in sources:
            yield module


def write_package(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / PACKAGE / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")


def test_the_package_keeps_to_its_layers() -> None:
    """Bytes know no sockets, sockets no processes, and none of them the public API."""
    assert violations(ROOT) == []


@pytest.mark.parametrize(
    ("file", "text", "breach"),
    [
        ("wire/a.py", "from goplugin_py.net import loop", "a later layer"),
        ("wire/a.py", "import goplugin_py.net.loop", "a later layer"),
        ("wire/a.py", "from ..net import loop", "a later layer"),
        ("wire/__init__.py", "from ..net.loop import Loop", "a later layer"),
        ("net/a.py", "from goplugin_py import launch", "a later layer"),
        ("net/a.py", "def f():\n    import goplugin_py.hclog", "a later layer"),
        ("client.py", "from goplugin_py import ServeConfig", "a later layer"),
        ("config.py", "from goplugin_py.client import Client", "a later layer"),
        ("serving.py", "from goplugin_py.aio import serve", "a later layer"),
        ("errors.py", "from goplugin_py.wire.address import A", "a later layer"),
        ("vault/a.py", "from goplugin_py.launch import launch", "not public"),
        ("utils.py", "", "no place in LAYERS"),
        ("wire/a.py", "import socket", "pure"),
        ("wire/a.py", "from threading import Lock", "pure"),
        ("wire/a.py", "import time as clock", "pure"),
        ("wire/a.py", "from os import environ", "pure"),
        ("wire/a.py", "import logging.handlers", "pure"),
        ("wire/a.py", "def f():\n    import grpc.aio", "pure"),
        ("wire/a.py", "from goplugin_py.deadline import Deadline", "pure"),
        ("wire/a.py", "from goplugin_py._pb import broker_pb2_grpc", "pure"),
        ("wire/a.py", "text = open('a').read()", "pure"),
        ("wire/a.py", "today = datetime.datetime.now(UTC)", "pure"),
    ],
)
def test_a_forbidden_import_is_found(
    file: str, text: str, breach: str, tmp_path: Path
) -> None:
    """Planted in an otherwise empty package, it is the only breach."""
    write_package(tmp_path, {file: text})
    [found] = violations(tmp_path)
    assert breach in found


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("wire/a.py", "import ssl, secrets\nfrom datetime import datetime, time"),
        ("wire/a.py", "from goplugin_py.errors import ProtocolError"),
        ("wire/a.py", "from goplugin_py._pb.broker_pb2 import ConnInfo"),
        ("wire/a.py", "from .b import B\nfrom . import c"),
        ("net/a.py", "import socket, time\nfrom goplugin_py.wire.tls import TLSCodec"),
        ("process/a.py", "from goplugin_py.hclog import relog"),
        ("config.py", "from goplugin_py.plugin import Plugin"),
        ("serving.py", "from goplugin_py.deadline import Deadline"),
        ("__init__.py", "from goplugin_py import aio\nfrom .client import Client"),
        ("vault/a.py", "from goplugin_py import Client, ConfigError, aio"),
        ("cli.py", "from goplugin_py import terraform"),
    ],
)
def test_an_import_from_above_is_allowed(file: str, text: str, tmp_path: Path) -> None:
    """Also of modules that are not written yet."""
    write_package(tmp_path, {file: text})
    assert violations(tmp_path) == []


@pytest.mark.parametrize(
    "files",
    [
        {"net/a.py": "from .b import B", "net/b.py": "import goplugin_py.net.a"},
        {"plugin.py": "from . import config", "config.py": "from .plugin import P"},
        {"net/__init__.py": "from .a import A", "net/a.py": "from . import B"},
    ],
    ids=["in a folder", "in a row", "through __init__"],
)
def test_circular_imports_are_found(files: dict[str, str], tmp_path: Path) -> None:
    """The order of layers alone leaves files of one folder free to do it."""
    write_package(tmp_path, files)
    [found] = violations(tmp_path)
    assert found.startswith("circular imports: ")
