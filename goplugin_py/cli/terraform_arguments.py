"""What `goplugin terraform` understands."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from goplugin_py.cli.terraform_package_arguments import add_package

if TYPE_CHECKING:
    _Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001 - typeshed has no other name

    AddOptions: TypeAlias = Callable[[argparse.ArgumentParser], None]

PROVIDER_HELP = (
    "PROVIDER is the path of an executable, or a name such as time or hashicorp/time, "
    "which is looked for where Terraform looks: dev_overrides, .terraform, the plugin "
    "cache, filesystem mirrors, and PATH. JSON may be @FILE, or - for stdin."
)


def add_terraform(commands: _Commands, add_options: AddOptions) -> None:
    """Add the command.

    Args:
        commands: To which.
        add_options: Adds what all commands with a plugin take.
    """
    purpose = "look into a Terraform provider, drive it, and package one of yours"
    parser = commands.add_parser("terraform", help=purpose, description=PROVIDER_HELP)
    tasks = parser.add_subparsers(dest="task", required=True)
    _add_schema(tasks, add_options)
    _add_plan(tasks, add_options)
    _add_apply(tasks, add_options)
    _add_function(tasks, add_options)
    add_package(tasks)


def _add_schema(tasks: _Commands, add_options: AddOptions) -> None:
    schema = _add_task(
        *(tasks, add_options, "schema", "show what a provider offers"),
        json_help="as `terraform providers schema -json` prints it",
    )
    schema.add_argument(
        "name", metavar="NAME", nargs="?", help="of one resource, function..., in full"
    )
    schema.add_argument(
        "--address",
        metavar="HOST/NAMESPACE/TYPE",
        help="the provider's address in the JSON; else it is made up from its name",
    )


def _add_plan(tasks: _Commands, add_options: AddOptions) -> None:
    plan = _add_task(
        *(tasks, add_options, "plan", "show what would be done for a resource"),
        json_help="one of the resource_changes that `terraform show -json` prints",
    )
    _add_resource(plan)
    plan.add_argument(
        "--state", metavar="FILE", help="what exists, as apply has stored it"
    )


def _add_apply(tasks: _Commands, add_options: AddOptions) -> None:
    apply = _add_task(
        *(tasks, add_options, "apply", "create, change or destroy a resource"),
        json_help="the change as `plan` has it, then what exists",
        more="The change is made without a question: see it with `plan` first.",
    )
    _add_resource(apply)
    apply.add_argument(
        "--state",
        metavar="FILE",
        required=True,
        help="what exists; written anew, also if the change fails halfway",
    )


def _add_function(tasks: _Commands, add_options: AddOptions) -> None:
    function = _add_task(
        *(tasks, add_options, "function", "call a function of a provider"),
        json_help="the result on one line",
    )
    function.add_argument("name", metavar="NAME")
    function.add_argument(
        "values",
        metavar="ARG",
        nargs="*",
        help="text where the parameter is a string, JSON where it is anything else",
    )


def _add_resource(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("type_name", metavar="TYPE", help="as in time_sleep")
    parser.add_argument(
        "config",
        metavar="JSON",
        nargs="?",
        default="{}",
        help="the resource's configuration",
    )
    parser.add_argument(
        "--provider-config",
        metavar="JSON",
        default="{}",
        help="the provider's own configuration",
    )
    wish = parser.add_mutually_exclusive_group()
    wish.add_argument(
        "--destroy", action="store_true", help="destroy it; no configuration is needed"
    )
    wish.add_argument(
        "--replace", action="store_true", help="even where it could be updated"
    )
    parser.add_argument(
        "--no-refresh",
        action="store_true",
        help="trust the state, instead of reading what exists now",
    )


def _add_task(
    tasks: _Commands,
    add_options: AddOptions,
    name: str,
    purpose: str,
    *,
    json_help: str,
    more: str = "",
) -> argparse.ArgumentParser:
    description = f"{PROVIDER_HELP} {more}".strip()
    parser = tasks.add_parser(name, help=purpose, description=description)
    parser.add_argument("provider", metavar="PROVIDER")
    parser.add_argument(
        "--version", default="", help="of the provider, if it is to be found"
    )
    parser.add_argument("--json", action="store_true", help=json_help)
    add_options(parser)
    return parser
