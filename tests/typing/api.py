"""The public surface as users write it; checked by mypy, never run."""

import logging
import ssl
import subprocess
from io import BytesIO
from typing import Any, assert_type

import grpc
import grpc.aio

from goplugin_py import (
    Address,
    AddressTranslator,
    AttachedRunner,
    Broker,
    BrokeredServer,
    BrokerTimeout,
    Client,
    ClientConfig,
    CommandRunner,
    ConnectionLost,
    DirectoryTranslator,
    ExitedEarly,
    ExitStatus,
    Handshake,
    HandshakeConfig,
    LaunchError,
    PidRunner,
    Plugin,
    PluginServer,
    ReattachConfig,
    Runner,
    RunnerSpec,
    SecureConfig,
    ServeConfig,
    ServeTestConfig,
    UnixSocketConfig,
    UnknownPlugin,
    VersionMismatch,
    aio,
    cleanup_clients,
    guard_stdout,
    hclog,
    probe,
    serve,
)
from goplugin_py.testing import FakeRunner, check_attached_runner, check_runner

HANDSHAKE = HandshakeConfig(
    protocol_version=1, magic_cookie_key="KEY", magic_cookie_value="value"
)


class Stub:
    def __init__(self, channel: grpc.Channel) -> None: ...


class Servicer: ...


def add_to_server(servicer: Servicer, server: grpc.Server) -> None: ...


class Both(Plugin):
    def grpc_server(self, broker: Broker, server: grpc.Server) -> None:
        add_to_server(Servicer(), server)

    def grpc_client(self, broker: Broker, channel: grpc.Channel) -> Stub:
        return Stub(channel)


def host() -> None:
    config = ClientConfig(
        command=["./kv", "-v"],
        handshake=HANDSHAKE,
        plugins={"kv": Plugin.from_stub(Stub), "both": Both()},
        env={"A": "b"},
        inherit_env=False,
        cwd="/",
        stdin=subprocess.DEVNULL,
        auto_mtls=True,
        secure=SecureConfig(bytes(32), hash="sha256"),
        start_timeout=1,
        kill_timeout=0.5,
        min_port=1,
        max_port=2,
        unix_socket=UnixSocketConfig(directory="/run", group="kv"),
        sync_stdout=BytesIO(),
        sync_stderr=None,
        logger=logging.getLogger("kv"),
        managed=True,
        channel_options=[("grpc.max_receive_message_length", 1 << 20)],
    )
    ClientConfig(
        command=("./kv",),
        handshake=HANDSHAKE,
        versioned_plugins={1: {"kv": Both()}},
        tls=ssl.create_default_context(),
        broker_multiplex=True,
        inherit_env={"PATH", "HOME"},
        on_exit=lambda status: status and status.text,
        detach=True,
    )
    with Client(config) as client:
        assert_type(client, Client)
        assert_type(client.dispense("kv"), Any)
        assert_type(client.ping(timeout=1.0), None)
        assert_type(client.wait(1.0), ExitStatus | None)
        assert_type(client.exited, bool)
        assert_type(client.exit_status, ExitStatus | None)
        assert_type(client.pid, int | None)
        assert_type(client.id, str)
        assert_type(client.address, Address)
        assert_type(client.target, str)
        assert_type(client.channel, grpc.Channel)
        assert_type(client.broker, Broker)
        assert_type(client.negotiated_version, int)
        client.kill(grace=1.0)
    assert_type(probe(["./kv"]), Handshake)
    assert_type(cleanup_clients(), None)


def errors() -> None:
    try:
        host()
    except VersionMismatch as exc:
        assert_type(exc.plugin, int)
        assert_type(exc.line, str)
    except ExitedEarly as exc:
        assert_type(exc.status, int | None)
    except (TimeoutError, LookupError, ValueError, LaunchError, UnknownPlugin):
        pass
    except ConnectionLost as exc:
        assert_type(exc.status, int | None)
    except BrokerTimeout as exc:
        assert_type(exc.service_id, int)


def broker(broker: Broker) -> None:
    service_id = broker.next_id()
    assert_type(service_id, int)
    with broker.accept_and_serve(
        service_id, lambda server: add_to_server(Servicer(), server), timeout=1.0
    ) as served:
        assert_type(served, BrokeredServer)
        served.stop()
    with broker.dial(service_id, timeout=1.0) as channel:
        Stub(channel)


def plugin() -> None:
    guard_stdout()
    hclog.configure(level="debug")
    config = ServeConfig(
        handshake=HANDSHAKE,
        plugins={"kv": Plugin.from_servicer(add_to_server, Servicer())},
        tls=ssl.create_default_context,
        max_workers=4,
        server_options=[("grpc.max_send_message_length", 1)],
        interceptors=[],
        network="tcp",
        outlive_host=True,
    )
    with PluginServer(config) as server:
        assert_type(server.wait(1.0), bool)
        server.stop(grace=0.0)
    assert_type(PluginServer(config).start(), Handshake)
    serve(config)


def reattach(client: Client) -> None:
    reattach = assert_type(client.reattach_config(), ReattachConfig)
    assert_type(ReattachConfig.from_json(reattach.to_json()), ReattachConfig)
    ClientConfig(reattach=reattach, handshake=HANDSHAKE, plugins={}, detach=True)
    test = ServeTestConfig(on_ready=lambda config: assert_type(config.pid, int))
    test.stop.set()
    config = ServeConfig(handshake=HANDSHAKE, plugins={}, test=test)
    assert_type(PluginServer(config).reattach_config, ReattachConfig)


class OwnRunner:
    """A runner that knows nothing of the library but an address and what to run."""

    def __init__(self, spec: RunnerSpec) -> None:
        self.name, self.id = spec.command[0], ""

    def start(self) -> None:
        self._process = subprocess.Popen(["kv"], stdout=-1, stderr=-1)
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self.stdout, self.stderr = self._process.stdout, self._process.stderr

    def wait(self) -> int:
        return self._process.wait()

    def kill(self) -> None:
        self._process.kill()

    def diagnose(self) -> list[str]:
        return []

    def plugin_to_host(self, address: Address) -> Address:
        return address

    def host_to_plugin(self, address: Address) -> Address:
        return address


def runners(spec: RunnerSpec, reattach: ReattachConfig) -> None:
    for kind in (OwnRunner, CommandRunner, FakeRunner):
        ClientConfig(runner=kind, handshake=HANDSHAKE, plugins={})
        check_runner(kind)
    runner: Runner = CommandRunner(spec, command=["bwrap"], sockets_at="/sockets")
    attached: AttachedRunner = PidRunner(reattach.pid)
    translators: list[AddressTranslator] = [runner, attached]
    translators.append(DirectoryTranslator(host="/run/kv", plugin="/sockets"))
    ClientConfig(
        reattach=reattach,
        attached_runner=lambda reattach: PidRunner(reattach.pid),
        handshake=HANDSHAKE,
        plugins={},
    )
    check_attached_runner(lambda: PidRunner(1), timeout=2.0)


class AsyncStub:
    def __init__(self, channel: grpc.aio.Channel) -> None: ...


def add_async_to_server(servicer: Servicer, server: grpc.aio.Server) -> None: ...


class AsyncBoth(aio.Plugin):
    async def grpc_server(self, broker: aio.Broker, server: grpc.aio.Server) -> None:
        add_async_to_server(Servicer(), server)

    async def grpc_client(
        self, broker: aio.Broker, channel: grpc.aio.Channel
    ) -> AsyncStub:
        return AsyncStub(channel)


async def asyncio_host() -> None:
    plugins = {
        "kv": aio.Plugin.from_stub(AsyncStub),
        "both": AsyncBoth(),
        "same": Both(),
    }
    config = ClientConfig(command=["./kv"], handshake=HANDSHAKE, plugins=plugins)
    async with aio.Client(config) as client:
        assert_type(client, aio.Client)
        assert_type(await client.dispense("kv"), Any)
        assert_type(await client.ping(timeout=1.0), None)
        assert_type(await client.wait(1.0), ExitStatus | None)
        assert_type(client.exited, bool)
        assert_type(client.target, str)
        assert_type(client.channel, grpc.aio.Channel)
        assert_type(client.broker, aio.Broker)
        assert_type(await client.reattach_config(), ReattachConfig)
        await client.kill(grace=1.0)
    assert_type(await aio.probe(["./kv"]), Handshake)
    assert_type(await aio.cleanup_clients(), None)


async def asyncio_broker(broker: aio.Broker) -> None:
    service_id = assert_type(broker.next_id(), int)
    async with await broker.accept_and_serve(
        service_id, lambda server: add_async_to_server(Servicer(), server), timeout=1.0
    ) as served:
        assert_type(served, aio.BrokeredServer)
        await served.stop()
    async with await broker.dial(service_id, timeout=1.0) as channel:
        assert_type(channel, grpc.aio.Channel)


async def asyncio_plugin() -> None:
    plugins = {"kv": aio.Plugin.from_servicer(add_async_to_server, Servicer())}
    config = ServeConfig(handshake=HANDSHAKE, plugins=plugins)
    async with aio.PluginServer(config) as server:
        assert_type(await server.wait(1.0), bool)
        await server.stop(grace=0.0)
    assert_type(await aio.PluginServer(config).start(), Handshake)
    await aio.serve(config)
