"""Providers that are started by hand, with `-debug`, for hosts that reattach."""

from __future__ import annotations

import argparse
import dataclasses
import functools
import json
import shlex
import signal
from collections.abc import Collection, Sequence

from goplugin_py import PluginServer, ReattachConfig, ServeConfig, ServeTestConfig

__all__ = ["debug_version", "serve_debug"]

VARIABLE = "TF_REATTACH_PROVIDERS"


def debug_version(
    arguments: Sequence[str], versions: Collection[int], address: str
) -> int | None:
    """Return the protocol version to debug with; None if that was not asked for.

    Hosts that reattach do not negotiate, so it is one: the highest, or what `-protocol`
    says.

    Args:
        arguments: Of the command line, without the program's name. What is not known
            is left to the author.
        versions: What the provider speaks.
        address: What Terraform knows the provider by.

    Raises:
        SystemExit: The arguments make no sense, or there is no address; a person was
            told.
    """
    parser = _parser(versions)
    options, _ = parser.parse_known_args(arguments)
    if not options.debug:
        return None
    if not address:
        example = 'serve(..., address="example.com/acme/shelf")'
        parser.error(f"-debug needs the provider's address, as in {example}")
    version: int = options.protocol
    return version


def _parser(versions: Collection[int]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description="A provider, to be started by Terraform."
    )
    parser.add_argument(
        "-debug",
        "--debug",
        action="store_true",
        help=f"serve until Ctrl-C, for a Terraform that is told by {VARIABLE}",
    )
    parser.add_argument(
        "-protocol",
        "--protocol",
        type=int,
        choices=sorted(versions),
        default=max(versions),
        help="which one to serve when debugging (default: %(default)s)",
    )
    return parser


def serve_debug(config: ServeConfig, address: str, version: int) -> None:
    """Tell on stdout how to reattach, and serve until SIGINT or SIGTERM.

    Must be called from the main thread, for the sake of signals. As Go's providers do,
    it looks for no cookie, and leaves stdout and stderr alone; a debugger keeps its
    breakpoints, because no host ends the process.

    Args:
        config: How the provider is served to a host that starts it.
        address: What Terraform knows the provider by.
        version: Of the protocol; one of those in the configuration.
    """
    server = PluginServer(
        dataclasses.replace(
            config,
            plugins=None,
            versioned_plugins={version: config.plugin_sets[version]},
            test=ServeTestConfig(on_ready=functools.partial(_tell, address)),
        )
    )
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        server.start()
        server.wait()
    except KeyboardInterrupt:
        pass  # that is how it ends
    finally:
        server.stop()


def _tell(address: str, reattach: ReattachConfig) -> None:
    # terraform-plugin-go: Serve writes the variable on a line of its own, in this form.
    value = f"{{{json.dumps(address)}:{reattach.to_json()}}}"
    print(  # noqa: T201 - for who has started it
        "The provider is running. Terraform and OpenTofu use it where this is set:"
        f"\n\n\t{VARIABLE}={shlex.quote(value)}\n",
        flush=True,
    )
