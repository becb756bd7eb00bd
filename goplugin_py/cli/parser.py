"""What the command line understands."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

from goplugin_py.cli.terraform_arguments import add_terraform

if TYPE_CHECKING:
    _Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001 - typeshed has no other name

EPILOG = """\
Arguments of the plugin's own come after --: goplugin list ./tflint -- --act-as-bundled-plugin

exit status: 0 success, 1 the plugin or the call failed, 2 wrong arguments, 130 Ctrl-C
"""  # noqa: E501 - an example is one line

PLUGIN_HELP = (
    "The plugin is started with the magic cookies of Terraform, Vault, Nomad, TFLint, "
    "Grafana and others; --cookie names that of any other host."
)


def split(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Split at the first `--` into our arguments and the plugin's."""
    own = list(arguments)
    if "--" not in own:
        return own, []
    at = own.index("--")
    return own[:at], own[at + 1 :]


def make_parser() -> argparse.ArgumentParser:
    """Make the parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="goplugin",
        description="Look into go-plugin plugins, call them, and serve them.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    _add_probe(commands)
    _add_list(commands)
    _add_describe(commands)
    _add_call(commands)
    _add_logs(commands)
    add_terraform(commands, _add_start_options)
    _add_run(commands)
    _add_completion(commands)
    return parser


def _add_probe(commands: _Commands) -> None:
    _add_plugin_command(
        commands, "probe", "show how a plugin starts, what it speaks and what it serves"
    )


def _add_list(commands: _Commands) -> None:
    _add_plugin_command(commands, "list", "list the methods of a plugin's services")


def _add_describe(commands: _Commands) -> None:
    describe = _add_plugin_command(
        commands,
        "describe",
        "show a service, a method, a message or an enum as a .proto",
    )
    describe.add_argument("symbol", metavar="SYMBOL", help="as in tfplugin5.Provider")


def _add_call(commands: _Commands) -> None:
    call = _add_plugin_command(commands, "call", "call a method with JSON")
    call.add_argument("method", metavar="SERVICE/METHOD")
    call.add_argument(
        "message",
        metavar="JSON",
        nargs="?",
        default="{}",
        help="the request; - reads one or, for a stream, more from stdin",
    )
    call.add_argument(
        "--metadata",
        metavar="KEY=VALUE",
        type=_pair,
        action="append",
        default=[],
        help="gRPC metadata for the call",
    )
    call.add_argument(
        "--deadline",
        metavar="SECONDS",
        type=_seconds,
        help="for the whole call; without it a call may take for ever",
    )


def _add_logs(commands: _Commands) -> None:
    logs = _add_plugin_command(
        commands, "logs", "run a plugin and show its log, until it ends or Ctrl-C"
    )
    logs.add_argument(
        "--level",
        choices=("trace", "debug", "info", "warn", "error"),
        default="trace",
        help="the lowest level to show",
    )


def _add_run(commands: _Commands) -> None:
    run = commands.add_parser(
        "run", help="serve a plugin, with its stdout guarded from the first import on"
    )
    run.add_argument(
        "config", metavar="MODULE:NAME", help="where the plugin's ServeConfig is"
    )


def _add_completion(commands: _Commands) -> None:
    completion = commands.add_parser(
        "completion", help="print a completion script for your shell"
    )
    completion.add_argument("shell", choices=("bash", "zsh", "tcsh"))


def _add_plugin_command(
    commands: _Commands, name: str, purpose: str
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=purpose, description=PLUGIN_HELP)
    parser.add_argument("plugin", metavar="PLUGIN", help="the plugin's executable")
    parser.add_argument("--json", action="store_true", help="for machines to read")
    parser.add_argument(
        "--cookie",
        metavar="KEY=VALUE",
        type=_pair,
        help="the magic cookie, instead of all known ones",
    )
    _add_start_options(parser)
    return parser


def _add_start_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--plaintext", action="store_true", help="for plugins without AutoMTLS"
    )
    parser.add_argument(
        "--env",
        metavar="KEY=VALUE",
        type=_pair,
        action="append",
        default=[],
        help="a variable for the plugin",
    )
    parser.add_argument(
        "--timeout",
        metavar="SECONDS",
        type=_seconds,
        default=60.0,
        help="for the start (default: %(default)g)",
    )


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not (key and equals):
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form KEY=VALUE")
    return key, value


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds")
    return seconds
