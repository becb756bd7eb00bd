"""On what the tests ran: the versions that stand on the page."""

import importlib.metadata
import platform
import sys

from interop.fixtures import find_go


def environment() -> dict[str, str]:
    """Return the version of each thing that matters, by its name."""
    packages = ("goplugin_py", "grpcio", "protobuf")
    return {
        **{name: importlib.metadata.version(name) for name in packages},
        "Python": ".".join(map(str, sys.version_info[:3])),
        "Go": str(find_go(())).removeprefix("go"),
        "OS": _system(),
    }


def _system() -> str:
    try:
        name = platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):  # no Linux, or one without a name
        name = f"{platform.system()} {platform.release()}"
    return f"{name}, {platform.machine()}"
