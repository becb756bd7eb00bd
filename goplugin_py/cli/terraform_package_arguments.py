"""What `goplugin terraform package` understands."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    _Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001 - typeshed has no other name

DESCRIPTION = (
    "Make a provider that is written in Python into an executable, and put it where "
    "Terraform and OpenTofu find it. It is started once to see that it works."
)


def add_package(tasks: _Commands) -> None:
    """Add the command."""
    purpose = "make a provider in Python into an executable for Terraform"
    parser = tasks.add_parser("package", help=purpose, description=DESCRIPTION)
    parser.add_argument(
        "entry", metavar="MODULE:NAME|SCRIPT", help="where the provider is"
    )
    parser.add_argument(
        "--address",
        metavar="HOST/NAMESPACE/TYPE",
        required=True,
        help="what it is called, as in example.com/acme/shelf",
    )
    parser.add_argument("--version", help="of the provider, for mirrors")
    _add_places(parser)
    parser.add_argument(
        "--shiv",
        action="store_true",
        help="put all that it imports into the executable, with shiv; without this it "
        "starts the provider where it is, with this Python",
    )
    parser.add_argument(
        "--with",
        dest="requirements",
        metavar="REQUIREMENT",
        action="append",
        default=[],
        help="for --shiv: what pip must put into it, such as . for a project",
    )
    parser.add_argument("--json", action="store_true", help="for machines to read")


def _add_places(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--dev-overrides", metavar="DIR", help="a folder to develop with"
    )
    parser.add_argument("--mirror", metavar="DIR", help="a filesystem mirror")
    parser.add_argument(
        "--packed-mirror", metavar="DIR", help="a filesystem mirror with zip files"
    )
