"""What go.mod files pin."""

import functools
import re

from interop.fixtures import FIXTURES, MODULES

GO_PLUGIN = "github.com/hashicorp/go-plugin"

_REQUIRED = re.compile(r"^(?:require)?\s+(\S+) (v\S+)(?: // indirect)?$", re.MULTILINE)
_REPLACED = re.compile(r"^(?:replace)?\s+(\S+) => \S+ (v\S+)$", re.MULTILINE)


@functools.cache
def pinned(fixture: str) -> dict[str, str]:
    """Return the version of each module that a fixture is built from."""
    text = (MODULES / FIXTURES[fixture].module / "go.mod").read_text()
    return dict(_REQUIRED.findall(text)) | dict(_REPLACED.findall(text))


def go_plugin(fixture: str) -> str:
    """Return the version of go-plugin in a fixture, or nothing."""
    return pinned(fixture).get(GO_PLUGIN, "")
