"""The versions that Terraform takes for one."""

import re

from goplugin_py.errors import ConfigError

__all__ = ["check_version"]

# Semantic Versioning 2.0.0, with ASCII digits alone.
_NUMBER = r"(0|[1-9][0-9]*)"
_WORD = rf"({_NUMBER}|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
_SEMANTIC = re.compile(
    rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}"
    rf"(-{_WORD}(\.{_WORD})*)?"
    r"(\+[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?"
)


def check_version(text: str) -> str:
    """Return the version.

    Raises:
        ConfigError: It is no semantic version.
    """
    if not _SEMANTIC.fullmatch(text):
        raise ConfigError(
            f"{text!r} is no version: Terraform wants three numbers, as in 1.0.0 or "
            "1.0.0-beta.1, without a v before them"
        )
    return text
