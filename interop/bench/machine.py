"""Where and with what a run was made."""

import datetime
import os
import platform
from importlib.metadata import version
from pathlib import Path

from interop.bench.environment import versions
from interop.bench.sizes import Sizes

SHOWN = ("grpcio", "protobuf", "cryptography", "python-plugin", "pyvider-rpcplugin")


def description(sizes: Sizes, loads: tuple[float, float]) -> str:
    """Return a paragraph.

    Args:
        sizes: What was measured.
        loads: The system's load before and after.
    """
    pins = versions()
    packages = ", ".join(f"{name} {pins[name]}" for name in SHOWN)
    today = datetime.datetime.now(datetime.UTC).date()
    return (
        f"Measured on {today} on {_processor()}, {os.cpu_count()} cores, "
        f"{platform.system()} {platform.release()}; load {loads[0]:.1f} before and "
        f"{loads[1]:.1f} after; {sizes.rounds} rounds.\n"
        f"goplugin_py {version('goplugin_py')}, Python {platform.python_version()}, "
        f"{packages}, go-plugin 1.8.0."
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            return value.strip()
    return platform.machine()
