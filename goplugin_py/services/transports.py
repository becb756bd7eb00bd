"""Which kind of transport a link needs; only that one is imported."""

from collections.abc import Callable

from goplugin_py.services.transport import Transport


def transport_for(*, tls: bool, multiplexed: bool) -> Callable[..., Transport]:
    """Return what makes it: start-up time is a feature."""
    if multiplexed:
        from goplugin_py.services.multiplex import MultiplexTransport

        return MultiplexTransport
    if tls:
        from goplugin_py.services.relayed import RelayedTransport

        return RelayedTransport
    return Transport
