"""What runs the core behaviours with a peer, by the name that `matrix.yaml` uses.

A driver has a method for each behaviour; a test calls it, and it asserts.
"""

from typing import Any

from interop.matrix.drivers.callback import Callback
from interop.matrix.drivers.echo import Echo
from interop.matrix.drivers.echo_host import EchoHost
from interop.matrix.drivers.examples import Examples
from interop.matrix.drivers.provider import Provider
from interop.matrix.drivers.python_host import PythonHost
from interop.matrix.model import Combination

DRIVERS: dict[str, Any] = {
    # Whatever the plugin is, it starts, logs and ends.
    "any-plugin": PythonHost,
    "callback": Callback,
    "echo": Echo,
    "echo-host": EchoHost,
    "examples": Examples,
    "provider": Provider,
}


def driver_of(combination: Combination) -> Any:
    """Make the driver of a combination; it starts nothing before it is called."""
    assert combination.peer.driver is not None
    return DRIVERS[combination.peer.driver](combination)
