"""The beginning of a packaged provider, which names it by module and name."""

from __future__ import annotations

import importlib
import sys

from goplugin_py import ConfigError, guard_stdout

__all__ = ["run"]


def run(target: str, address: str) -> None:
    """Be the provider that a name stands for.

    Args:
        target: `MODULE:NAME` of a provider, of its class, or of a function that serves
            one.
        address: What Terraform knows the provider by.

    Raises:
        ConfigError: It is none of these.
        ImportError: There is no such module.
        AttributeError: There is no such name in it.
    """
    if not sys.argv[1:]:  # of `-debug` and others, people read the answer
        guard_stdout()
    from goplugin_py.terraform.serving.plugin import serve
    from goplugin_py.terraform.serving.provider import Provider

    module, _, name = target.partition(":")
    found = getattr(importlib.import_module(module), name)
    if isinstance(found, type) and issubclass(found, Provider):
        found = found()
    if isinstance(found, Provider):
        serve(found, address=address)
    elif callable(found):
        found()
    else:
        raise ConfigError(f"{target} is no provider, but {found!r:.80}")
