"""`goplugin terraform package`: put a provider where Terraform finds it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from goplugin_py.cli.output import show_json
from goplugin_py.errors import ConfigError, PluginError

if TYPE_CHECKING:
    from goplugin_py.terraform.packaging import Package


@dataclass(frozen=True, slots=True)
class Made:
    """A package in one of its places.

    Attributes:
        place: The option that has asked for it.
        path: The file that was written.
        snippet: For Terraform's CLI configuration.
        hash: What Terraform's lock file says; empty where there is none.
    """

    place: str
    path: Path
    snippet: str
    hash: str = ""


def run(options: argparse.Namespace) -> int:
    """Make the package, and say how it is found."""
    try:
        made = list(_made(options))
    except ConfigError as exc:
        print(f"goplugin: {exc}", file=sys.stderr)
        return 2
    except PluginError as exc:
        print(f"goplugin: {exc}", file=sys.stderr)
        return 1
    (_show_json if options.json else _show)(made)
    return 0


def _made(options: argparse.Namespace) -> Iterator[Made]:
    from goplugin_py.terraform.packaging.version import check_version

    mirrors = options.mirror or options.packed_mirror
    if not (mirrors or options.dev_overrides):
        raise ConfigError("say where: --dev-overrides, --mirror or --packed-mirror")
    if mirrors:
        if options.version is None:
            raise ConfigError("a mirror needs a --version, as in 1.0.0")
        check_version(options.version)
    package = _package(options)
    package.check()
    yield from _written(package, options)


def _package(options: argparse.Namespace) -> Package:
    from goplugin_py.terraform.packaging import (
        Entry,
        Package,
        ProviderAddress,
        archive,
        launcher,
    )

    address = ProviderAddress.parse(options.address)
    entry = Entry.parse(options.entry)
    if options.shiv:
        return Package(address, archive(entry, address, options.requirements))
    if options.requirements:
        raise ConfigError("--with is for --shiv")
    return Package(address, launcher(entry, address))


def _written(package: Package, options: argparse.Namespace) -> Iterator[Made]:
    from goplugin_py.terraform.packaging import (
        hash_directory,
        hash_zip,
        mirror_snippet,
        override_snippet,
    )

    if folder := options.dev_overrides:
        snippet = override_snippet(package.address, Path(folder))
        yield Made("dev_overrides", package.write_override(folder), snippet)
    if folder := options.mirror:
        snippet = mirror_snippet(package.address, Path(folder))
        path = package.write_mirror(folder, options.version)
        yield Made("mirror", path, snippet, hash_directory(path.parent))
    if folder := options.packed_mirror:
        snippet = mirror_snippet(package.address, Path(folder))
        path = package.write_packed_mirror(folder, options.version)
        yield Made("packed_mirror", path, snippet, hash_zip(path))


def _show_json(made: list[Made]) -> None:
    show_json(
        {
            each.place: {
                "path": str(each.path),
                "cli_config": each.snippet,
                **({"hash": each.hash} if each.hash else {}),
            }
            for each in made
        }
    )


def _show(made: list[Made]) -> None:
    for each in made:
        print(each.path)
    for text in sorted({each.hash for each in made if each.hash}):
        print(text)
    print("\nFor the CLI configuration, such as ~/.terraformrc or ~/.tofurc:")
    for snippet in dict.fromkeys(each.snippet for each in made):
        print(f"\n{snippet}", end="")
