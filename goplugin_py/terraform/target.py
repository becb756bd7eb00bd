"""The system and processor of this machine, as Terraform names them."""

import platform

__all__ = ["this_target"]

_SYSTEMS = {"Linux": "linux", "Darwin": "darwin", "FreeBSD": "freebsd"}
_MACHINES = {
    "x86_64": "amd64",
    "AMD64": "amd64",
    "aarch64": "arm64",
    "arm64": "arm64",
    "i686": "386",
}


def this_target() -> str:
    """Return the name of this machine's kind, such as `linux_amd64`."""
    system, machine = platform.system(), platform.machine()
    return f"{_SYSTEMS.get(system, system)}_{_MACHINES.get(machine, machine)}"
