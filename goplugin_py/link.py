"""A host's connection to one plugin, with the services that it uses all the time."""

from __future__ import annotations

import contextlib
import socket
import threading

from goplugin_py.config.client import ClientConfig
from goplugin_py.deadline import Deadline
from goplugin_py.errors import LaunchError
from goplugin_py.process.running import RunningProcess
from goplugin_py.services.broker import LinkBroker
from goplugin_py.services.broker_stream import BrokerStream
from goplugin_py.services.channel import open_channel
from goplugin_py.services.stdio import copy_stdio
from goplugin_py.services.transport import Transport
from goplugin_py.wire.address import Address
from goplugin_py.wire.handshake import Handshake

# For threads whose input has ended: they take milliseconds.
JOIN_TIMEOUT = 1.0
# Output that is on its way comes without pauses of this length, or nearly so.
OUTPUT_PAUSE = 0.05


class Link:
    """A connected plugin: its process, channel, broker and stdio."""

    def __init__(
        self,
        config: ClientConfig,
        process: RunningProcess,
        handshake: Handshake,
        transport: Transport,
    ) -> None:
        """Connect; nothing is awaited yet."""
        name = process.name
        self.process = process
        self.handshake = handshake
        self.is_closed = False
        self._transport = transport
        self._connection = transport.connect(_literal(handshake.address))
        options = tuple(config.channel_options)
        with contextlib.ExitStack() as undo:
            undo.callback(self._connection.close)
            self.target = self._connection.target
            self.channel = open_channel(self.target, options)
            undo.callback(self.channel.close)
            self.broker = LinkBroker(transport.exchange(), options)
            undo.callback(self.broker.close)
            self._broker_stream = BrokerStream(self.broker, self.channel, name)
            self._output_arrived = threading.Event()
            self._wants_output = bool(config.sync_stdout or config.sync_stderr)
            self._stdio = threading.Thread(
                target=copy_stdio,
                args=(
                    self.channel,
                    config.sync_stdout,
                    config.sync_stderr,
                    self._output_arrived.set,
                ),
                name=f"goplugin-stdio-{name}",
                daemon=True,
            )
            self._stdio.start()
            undo.pop_all()

    @property
    def failure(self) -> Exception | None:
        """Why the connection failed, where that is known."""
        return self._connection.failure

    def close_broker(self) -> None:
        """End what was brokered; the first step of a shutdown."""
        self.broker.close()
        self._broker_stream.close(JOIN_TIMEOUT)

    def settle(self, timeout: float) -> None:
        """Wait until the plugin's output pauses, if anybody wants it.

        A Go plugin that is told to shut down loses what it has not sent yet.
        """
        deadline = Deadline(timeout)
        while self._wants_output and self._stdio.is_alive():
            self._output_arrived.clear()
            if not self._output_arrived.wait(deadline.within(OUTPUT_PAUSE)):
                break

    def close(self, timeout: float) -> None:
        """Close the channel, once the plugin's last output has arrived.

        Args:
            timeout: Seconds to wait for that output.
        """
        self._stdio.join(timeout)
        self.channel.close()
        self._connection.close()
        self._transport.close()
        self.is_closed = True

    def forsake(self) -> None:
        """End the process and remove files, when nobody is left to close the link.

        Runs at the interpreter's end, or as a finalizer on whatever thread, so it
        must not wait for gRPC.
        """
        self.process.end()
        self.leave()

    def leave(self) -> None:
        """Remove files, as `forsake` does, and let the process live."""
        self.process.release()
        self._connection.close()
        self._transport.close()

    def abandon(self) -> None:
        """Close everything at once."""
        self.close_broker()
        self.close(timeout=0)


def _literal(address: Address) -> Address:
    """Resolve a host name, which the relay's thread must not do."""
    if address.network == "unix":
        return address
    host, port = address.host_port
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as exc:
        raise LaunchError(f"the plugin's address {address} can't be resolved") from exc
    return Address.tcp(str(found[0][4][0]), port)
