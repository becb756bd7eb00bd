"""The plugin's side: from the cookie to the answer to Shutdown.

`PluginServer` binds and serves and leaves the process alone. `serve` is what a
plugin's `main` calls, and does to the process what go-plugin's `Serve` does, in this
order: it checks the cookie, listens, and puts pipes in the place of stdout and
stderr; only then does it print the line, on the real stdout, so that nothing else
can get in between and a host that reads the line finds the server listening. The log
keeps going to the real stderr.

On Shutdown, what was printed is sent before the answer is, because the host hangs up
after it. Calls that are still running are cancelled; handlers that go on regardless
do not keep the process alive.
"""

from __future__ import annotations

import datetime
import functools
import os
import ssl
import threading
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

from goplugin_py._pb.broker_pb2_grpc import add_GRPCBrokerServicer_to_server
from goplugin_py._pb.controller_pb2_grpc import add_GRPCControllerServicer_to_server
from goplugin_py._pb.stdio_pb2_grpc import add_GRPCStdioServicer_to_server
from goplugin_py.callables import refuse_coroutine
from goplugin_py.config.serve import ServeConfig
from goplugin_py.errors import (
    ConfigError,
    PluginError,
    ReattachError,
)
from goplugin_py.hosted import (
    Signals,
    announced,
    captured,
    check_process,
    give_up,
    logger_of,
)
from goplugin_py.net import sockets
from goplugin_py.plugin import PluginSet, blocking
from goplugin_py.services.broker import LinkBroker
from goplugin_py.services.broker_stream import BrokerServicer
from goplugin_py.services.capture import Capture
from goplugin_py.services.connection import Binding, Served
from goplugin_py.services.control import Controller
from goplugin_py.services.server import Server
from goplugin_py.services.stdio import StdioServicer
from goplugin_py.services.transport import Listening, Transport
from goplugin_py.services.transports import transport_for
from goplugin_py.wire.environ import CLIENT_CERT, MULTIPLEX_GRPC, PluginEnviron
from goplugin_py.wire.handshake import Handshake, choose_version

if TYPE_CHECKING:
    from goplugin_py.wire.reattach import ReattachConfig

# The answer to Shutdown goes out within this; a host kills two seconds after it.
STOP_GRACE = 0.5


class HostedServer(Served, Protocol):
    """A server with the services that each plugin has."""

    def add_control(self, add_to_server: Callable[..., None], servicer: object) -> None:
        """See `Registration.add_control`."""

    def add_streams(self, add_to_server: Callable[..., None], servicer: object) -> None:
        """See `Registration.add_streams`."""

    def add_health_and_reflection(self) -> None:
        """See `Registration.add_health_and_reflection`."""


class PluginServer:
    """Serves a plugin set; the testable core of `serve`.

    It reads the `PLUGIN_*` variables as a plugin does, but checks no cookie, prints
    no line and leaves stdout, stderr and signals alone.
    """

    def __init__(self, config: ServeConfig, *, stdio: Capture | None = None) -> None:
        """Prepare.

        Args:
            config: What to serve.
            stdio: Feeds the stdio service; without it the service is silent.
        """
        self._config = config
        test = config.test
        self._stopping = test.stop if test is not None else threading.Event()
        self._lock = threading.Lock()  # held while starting or stopping
        self._stdio = StdioServicer(stdio.readers if stdio is not None else {})
        self._transport: Transport | None = None
        self._broker: LinkBroker | None = None
        self._server: HostedServer | None = None
        self._binding: Binding | None = None
        self._handshake: Handshake | None = None

    def start(self) -> Handshake:
        """Listen and serve; tell a test where.

        Returns:
            What the handshake line must say.

        Raises:
            ConfigError: There is nowhere to listen, or the host's variables or a
                TLS context can't be used.
        """
        handshake = self._start()
        test = self._config.test
        if test is not None and test.on_ready is not None:
            try:
                self._tell(test.on_ready)
            except BaseException:
                self.stop(0)
                raise
        return handshake

    def _tell(self, on_ready: Callable[[ReattachConfig], object]) -> None:
        refuse_coroutine(on_ready(self.reattach_config), "on_ready")

    def _start(self) -> Handshake:
        environ = _plugin_environ(_variables(self._config), logger_of(self._config))
        version = choose_version(self._config.plugin_sets, environ.versions)
        with self._lock:
            self._transport, certificate = _transport(
                self._config, environ, self.ask_to_stop
            )
            try:
                self._serve(self._transport, version)
            except BaseException:
                self._transport.close()
                raise
            assert self._binding is not None
            self._handshake = Handshake(
                app_version=version,
                address=self._binding.address,
                certificate=certificate,
                multiplex=environ.multiplex if environ.asked_for_multiplex else None,
            )
            return self._handshake

    @property
    def reattach_config(self) -> ReattachConfig:
        """What a host needs to reattach to this process, once it serves.

        Raises:
            ReattachError: It does not serve yet, or in a way that is open to the host
                alone that started it.
        """
        handshake = self._handshake
        if handshake is None:
            raise ReattachError("the server was not started")
        if handshake.certificate or handshake.multiplex:
            raise ReattachError("AutoMTLS and multiplexing tie a plugin to one host")
        from goplugin_py.wire.reattach import ReattachConfig

        return ReattachConfig(
            protocol=handshake.protocol,
            protocol_version=handshake.app_version,
            address=handshake.address,
            pid=os.getpid(),
            test=self._config.test is not None,
        )

    def _serve(self, transport: Transport, version: int) -> None:
        server = self._make_server(self._config)
        broker = LinkBroker(transport.exchange())
        server.add_control(
            add_GRPCControllerServicer_to_server, Controller(self._shutdown_asked)
        )
        server.add_streams(add_GRPCStdioServicer_to_server, self._stdio)
        server.add_streams(add_GRPCBrokerServicer_to_server, BrokerServicer(broker))
        server.add_health_and_reflection()
        self._register(self._config.plugin_sets[version], broker, server)
        self._binding = transport.bind(server)
        self._server, self._broker = server, broker
        server.start()

    def _make_server(self, config: ServeConfig) -> HostedServer:
        return Server(
            max_workers=config.max_workers,
            options=config.server_options,
            interceptors=config.interceptors,
        )

    def _register(
        self, plugins: PluginSet, broker: LinkBroker, server: HostedServer
    ) -> None:
        assert isinstance(server, Server)
        for name, plugin in plugins.items():
            registered: object = blocking(plugin, name).grpc_server(broker, server)  # type: ignore[func-returns-value]
            refuse_coroutine(registered, f"grpc_server of plugin {name!r}")

    def _shutdown_asked(self) -> None:
        self._stdio.drain()
        self._stopping.set()

    def ask_to_stop(self) -> None:
        """Make `wait` return."""
        self._stopping.set()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for a host's Shutdown, or `stop`; False after `timeout` seconds."""
        return self._stopping.wait(timeout)

    def stop(self, grace: float = STOP_GRACE) -> None:
        """Stop, and remove the sockets; calls get `grace` seconds. Idempotent."""
        self._stopping.set()
        self._stdio.drain()
        with self._lock:
            if self._server is None:
                return
            assert self._broker is not None
            assert self._binding is not None
            assert self._transport is not None
            self._broker.close()
            self._server.close(grace)
            self._binding.close()
            self._transport.close()
            self._server = None

    def __enter__(self) -> PluginServer:
        self.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()


def serve(config: ServeConfig) -> None:
    """Be a plugin: serve until the host asks for the end (go-plugin: `Serve`).

    Must be called from the main thread, for the sake of signals. Without the host's
    cookie it explains itself on stderr and exits with status 1; so it does when it
    can't serve.

    With `ServeConfig.test` it leaves the process alone, and any thread may call it.
    """
    if config.test is not None:
        with PluginServer(config) as server:
            server.wait()
        return
    check_process(config)
    with captured(logger_of(config)) as capture:
        server = PluginServer(config, stdio=capture)
        try:
            handshake = server.start()
        except PluginError as exc:
            server.stop()
            give_up(config, exc)
        signals = Signals(server.ask_to_stop)
        try:
            with announced(config, capture, handshake, server.ask_to_stop):
                server.wait()
        finally:
            server.stop()
    signals.restore()


def _variables(config: ServeConfig) -> Mapping[str, str]:
    """Return the environment; in a test without what asks for a link of one host."""
    if config.test is None:
        return os.environ
    tying = (CLIENT_CERT, MULTIPLEX_GRPC)
    return {name: text for name, text in os.environ.items() if name not in tying}


def _plugin_environ(environ: Mapping[str, str], logger: Any) -> PluginEnviron:
    try:
        parsed = PluginEnviron.parse(environ)
    except ValueError as exc:
        raise ConfigError(str(exc)) from exc
    for item in parsed.invalid_versions:
        logger.warning(f"the host sent an invalid plugin version {item!r}")  # noqa: G004
    return parsed


def _transport(
    config: ServeConfig, environ: PluginEnviron, on_end: Callable[[], None]
) -> tuple[Transport, bytes]:
    """Return how to listen, and the certificate for the handshake line.

    With multiplexing, `on_end` is called when the host has hung up: it can't come
    back (go-plugin: `GRPCServerMuxer`).
    """
    make = transport_for(
        tls=config.tls is not None or bool(environ.client_certificate),
        multiplexed=environ.multiplex,
    )
    if environ.multiplex:
        make = functools.partial(make, on_end=on_end)
    listening = Listening(
        network=config.network,
        ports=environ.ports if config.network == "tcp" else (),
        directory=environ.socket_dir,
        group=environ.socket_group,
    )
    if config.tls is not None:
        return make(server_context=config.tls(), listening=listening), b""
    if not environ.client_certificate:
        return make(listening=listening), b""
    from goplugin_py.wire.certificates import generate

    identity = generate(datetime.datetime.now(datetime.UTC))
    peer = environ.client_certificate
    try:
        transport = make(
            client_context=sockets.later(sockets.client_context, identity, peer),
            server_context=sockets.server_context(identity, peer),
            listening=listening,
        )
    except (ssl.SSLError, ValueError) as exc:
        raise ConfigError(f"PLUGIN_CLIENT_CERT is no certificate: {exc}") from exc
    return transport, identity.certificate
