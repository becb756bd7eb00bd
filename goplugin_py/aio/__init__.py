"""The same names as in `goplugin_py`, for asyncio: what blocks there is awaited here.

Configurations and errors are the same for both. Stubs are on channels of `grpc.aio`;
servicers may have coroutine functions. `Plugin` only has other types.
"""

from goplugin_py.lazy import lazy

# What `typing` calls so; importing that costs more than all else here.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from goplugin_py.aio.broker import Broker, BrokeredServer
    from goplugin_py.aio.client import Client, cleanup_clients, probe
    from goplugin_py.aio.plugin import Plugin
    from goplugin_py.aio.serving import PluginServer, serve

__all__ = [  # noqa: RUF022 - grouped
    # both sides
    "BrokeredServer",
    "Broker",
    "Plugin",
    # host
    "Client",
    "cleanup_clients",
    "probe",
    # plugin
    "PluginServer",
    "serve",
]

_HOMES = {
    "Broker": "broker",
    "BrokeredServer": "broker",
    "Client": "client",
    "Plugin": "plugin",
    "PluginServer": "serving",
    "cleanup_clients": "client",
    "probe": "client",
    "serve": "serving",
}

__getattr__, __dir__ = lazy(__name__, _HOMES)
