"""What calls of a supervised plugin raise when there is no process to answer them."""

from __future__ import annotations

import grpc

from goplugin_py.errors import ClientClosed, ConnectionLost, PluginError
from goplugin_py.supervisor.status import State, Status


class CallLost(ConnectionLost, grpc.RpcError):
    """A call that ended with its plugin: a `ConnectionLost` that gRPC's users know.

    It is a `grpc.RpcError` as well, with the code UNAVAILABLE.
    """

    def code(self) -> grpc.StatusCode:
        """Return what gRPC's own errors would."""
        return grpc.StatusCode.UNAVAILABLE

    def details(self) -> str:
        """Return the text."""
        return str(self)

    def initial_metadata(self) -> tuple[()]:
        """Return nothing: none arrived."""
        return ()

    def trailing_metadata(self) -> tuple[()]:
        """Return nothing: none arrived."""
        return ()


def absence(name: str, status: Status) -> PluginError:
    """Return the error for a call that finds no process."""
    if status.state is State.STOPPED:
        return ClientClosed(f"the plugin {name} is stopped: start() it")
    after = (
        "it is not started again"
        if status.restart_in is None
        else f"it is started again {status.restart_in:.3g} s after that"
    )
    return CallLost(f"{status.error}\n{after}", status.exit_status)
