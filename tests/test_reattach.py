"""Plugins that run already: where they are, who may end them, and test mode."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from goplugin_py import (
    Address,
    Client,
    ClientClosed,
    ClientConfig,
    ConfigError,
    ConnectionLost,
    ExitedEarly,
    LaunchError,
    PluginServer,
    ProcessNotFound,
    ReattachConfig,
    ReattachError,
    SecureConfig,
    ServeTestConfig,
    serve,
)
from goplugin_py._pb.controller_pb2 import Empty
from goplugin_py._pb.controller_pb2_grpc import GRPCControllerStub
from goplugin_py.net import owner
from goplugin_py.services.channel import open_channel
from goplugin_py.wire.environ import CLIENT_CERT, MULTIPLEX_GRPC, VOCABULARY
from tests.echo import HANDSHAKE, Echo, client_config, serve_config
from tests.peers import ROOT, WAIT, children, run_python, stop, until

UNIX = Address.unix("/tmp/plugin1")
ECHO = {"echo": Echo()}


@pytest.fixture(autouse=True)
def no_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests may run below a host of their own."""
    for name in VOCABULARY:
        monkeypatch.delenv(name, raising=False)


def attached_config(reattach: ReattachConfig, **options: Any) -> ClientConfig:
    options = {"handshake": HANDSHAKE, "plugins": ECHO, **options}
    return ClientConfig(reattach=reattach, **options)


def debug_server(**options: Any) -> PluginServer:
    return PluginServer(serve_config(test=ServeTestConfig(), **options))


@contextlib.contextmanager
def bystander() -> Iterator[subprocess.Popen[bytes]]:
    """A process that has nothing to do with it, and must survive."""
    with subprocess.Popen(["sleep", "60"], stdin=subprocess.DEVNULL) as process:
        try:
            yield process
            assert process.poll() is None
        finally:
            process.kill()


@contextlib.contextmanager
def started(network: str = "unix") -> Iterator[Client]:
    """A plugin with the host that started it."""
    env = {"PYTHONPATH": str(ROOT), "TEST_NETWORK": network}
    client = Client(client_config(auto_mtls=False, env=env))
    try:
        client.start()
        yield client
    finally:
        client.kill(0)


# The configuration


def test_the_json_is_terraforms() -> None:
    """Terraform: internal/getproviders/reattach; the text of its documentation."""
    text = (
        '{"Protocol":"grpc","ProtocolVersion":5,"Pid":1,"Test":true,'
        '"Addr":{"Network":"unix","String":"/tmp/plugin1"}}'
    )
    config = ReattachConfig("grpc", 5, UNIX, pid=1, test=True)
    assert config.to_json() == text
    assert ReattachConfig.from_json(text) == config


@given(
    st.builds(
        ReattachConfig,
        protocol=st.sampled_from(["grpc", "netrpc", ""]),
        protocol_version=st.integers(0, 100),
        address=st.one_of(
            st.builds(Address.unix, st.text("/ é|\\\"'=", min_size=1)),
            st.builds(Address.tcp, st.just("127.0.0.1"), st.integers(1, 65535)),
        ),
        pid=st.integers(1, (1 << 31) - 1),
        test=st.booleans(),
    )
)
def test_what_was_written_can_be_read(config: ReattachConfig) -> None:
    """Any configuration, as JSON and back."""
    assert ReattachConfig.from_json(config.to_json()) == config


def test_the_json_is_read_as_go_reads_it() -> None:
    """encoding/json: any case of keys, unknown ones ignored, null is nothing."""
    config = ReattachConfig.from_json(
        '{"pid": 7, "ADDR": {"network": "tcp", "string": "[::1]:80"}, "more": null,'
        ' "Protocol": null, "Test": null}'
    )
    assert config == ReattachConfig("", 0, Address.tcp("::1", 80), 7)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a reattach configuration is JSON: Expecting value"),
        ("[" * 100_000, "a reattach configuration is JSON"),
        ("[]", 'a reattach configuration is an object, such as {"Protocol":"grpc"'),
        ("{}", "Addr in a reattach configuration is an object, such as"),
        ('{"Addr":1}', "Addr in a reattach configuration is an object"),
        ('{"Addr":{}}', "Network in a reattach configuration is missing; it is like"),
        (
            '{"Addr":{"Network":"udp","String":"x"}}',
            "Addr in a reattach configuration: network 'udp' is neither unix nor tcp",
        ),
        ('{"Addr":{"Network":"unix","String":"x"}}', "Pid in a .* is missing"),
        ('{"Pid":"1","Addr":{"Network":"unix","String":"x"}}', "Pid in a .* is '1'"),
        ('{"Pid":true,"Addr":{"Network":"unix","String":"x"}}', "Pid in a .* is True"),
        ('{"Pid":-1,"Addr":{"Network":"unix","String":"x"}}', "not a process id: -1"),
        (
            '{"Pid":1,"Test":1,"Addr":{"Network":"unix","String":"x"}}',
            "Test in a reattach configuration is 1",
        ),
        (
            '{"registry.terraform.io/hashicorp/time":{"Protocol":"grpc"}}',
            "a map of .*: pass the value of one, of 'registry.terraform.io/hashicorp/t",
        ),
    ],
)
def test_json_of_another_kind_is_refused(text: str, message: str) -> None:
    """The error says what is wrong with it, and what it is to look like."""
    with pytest.raises(ConfigError, match=message):
        ReattachConfig.from_json(text)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pid": -1}, "not a process id: -1"),
        ({"pid": 1 << 31}, "not a process id: 2147483648"),
        ({"protocol_version": -1}, "protocol_version must not be negative"),
        ({"protocol_version": 1 << 63}, "protocol_version must not .* huge: 9223"),
        ({"address": "/tmp/x"}, "address must be an Address, not '/tmp/x'"),
    ],
)
def test_a_place_that_can_not_be_is_refused(
    options: dict[str, Any], message: str
) -> None:
    """kill(0) and kill(-1) go to many processes: such ids never get that far."""
    fields = {"protocol": "grpc", "protocol_version": 1, "address": UNIX, "pid": 1}
    with pytest.raises(ConfigError, match=message):
        ReattachConfig(**{**fields, **options})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"command": ["kv"]}, "exactly one of command, runner and reattach"),
        ({"runner": print}, "exactly one of command, runner and reattach"),
        ({"auto_mtls": True}, "only the host that started the plugin has the keys"),
        ({"broker_multiplex": True}, "broker_multiplex is not possible with reattach"),
        ({"secure": SecureConfig(bytes(32))}, "secure is not possible with reattach"),
        ({"managed": True, "detach": True}, "managed and detach exclude each other"),
    ],
)
def test_what_does_not_go_with_reattach_is_refused(
    options: dict[str, Any], message: str
) -> None:
    """go-plugin: Client.Start has the same for its Cmd and GRPCBrokerMultiplex."""
    with pytest.raises(ConfigError, match=message):
        attached_config(ReattachConfig("grpc", 1, UNIX, 1), **options)


@pytest.mark.parametrize("protocol", ["netrpc", ""])
def test_a_plugin_of_another_protocol_is_refused(protocol: str) -> None:
    """go-plugin: an empty ReattachConfig.Protocol is net/rpc."""
    with pytest.raises(ConfigError, match="speaks netrpc, and only gRPC is supported"):
        attached_config(ReattachConfig(protocol, 1, UNIX, 1))


def test_the_version_must_be_one_on_offer() -> None:
    """Go's Client.ReattachConfig always says 0, which leaves the choice if any."""
    versions = {"plugins": None, "versioned_plugins": {5: ECHO, 6: ECHO}}
    six = ReattachConfig("grpc", 6, UNIX, 1)
    assert attached_config(six, **versions).attached_version(six) == 6
    unknown = ReattachConfig("grpc", 0, UNIX, 1)
    assert attached_config(unknown).attached_version(unknown) == 1
    with pytest.raises(ConfigError, match="version 0, this host offers: 5, 6"):
        attached_config(unknown, **versions)
    with pytest.raises(ConfigError, match="version 6, this host offers: 1"):
        attached_config(six)


# Hosts that attach


@pytest.mark.parametrize("network", ["unix", "tcp"])
def test_a_second_host_calls_the_plugin_and_ends_it(network: str) -> None:
    """go-plugin: TestClient_reattachGRPC. The first host sees the end as well."""
    with started(network) as first:
        config = first.reattach_config()
        assert config == ReattachConfig("grpc", 1, first.address, first.pid or 0)
        assert config.address.network == network
        with Client(attached_config(config)) as second:
            assert second.dispense("echo")(b"again") == b"again"
            assert (second.pid, second.id) == (first.pid, str(first.pid))
            assert second.address == first.address
            assert second.negotiated_version == 1
            assert second.reattach_config() == config
            assert not second.exited
        assert (second.exited, second.exit_status) == (True, None)
        assert first.wait(WAIT) == 0


def test_brokered_connections_reach_the_second_host_too() -> None:
    """Unlike a Go plugin's, the broker of a Python plugin outlives its first host."""
    with started() as first, Client(attached_config(first.reattach_config())) as second:
        service_id = second.dispense("echo")(b"serve")
        with second.broker.dial(int(service_id)) as channel:
            assert Echo().grpc_client(second.broker, channel)(b"x") == b"x"


def test_the_end_of_an_attached_plugin_is_noticed() -> None:
    """A pidfd tells; the status is its parent's to know."""
    with started() as first, Client(attached_config(first.reattach_config())) as second:
        with pytest.raises(grpc.RpcError):
            second.dispense("echo")(b"exit 3")
        assert second.wait(WAIT) is None
        assert second.exited
        with pytest.raises(ConnectionLost, match="does not answer: it has ended"):
            second.ping()
        assert first.wait(WAIT) == 3


def test_without_pidfds_the_end_is_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """go-plugin: pidWait does so always, once a second."""
    monkeypatch.delattr(os, "pidfd_open")
    monkeypatch.setattr("goplugin_py.process.attached.POLL_INTERVAL", 0.01)
    with started() as first, Client(attached_config(first.reattach_config())) as second:
        stop(first.pid)
        second.kill(0.1)
        assert second.exited
        assert first.wait(WAIT) == -signal.SIGKILL


@pytest.mark.parametrize("network", ["unix", "tcp"])
def test_an_attached_plugin_that_does_not_end_is_killed(network: str) -> None:
    """It was seen to listen, and it answered: so the signal meets no other."""
    with started(network) as first:
        second = Client(attached_config(first.reattach_config()))
        second.start()
        stop(first.pid)
        second.kill(0.1)
        assert second.exited
        assert first.wait(WAIT) == -signal.SIGKILL


def test_a_client_that_is_dropped_leaves_an_attached_plugin_alone() -> None:
    """It was there before; only kill ends it."""
    with started() as first:
        second = Client(attached_config(first.reattach_config()))
        second.start()
        finalizer = second._finalizer
        assert finalizer is not None
        finalizer()  # what runs when it is collected
        until(lambda: not [t for t in threading.enumerate() if "attached" in t.name])
        first.ping()
        second.kill()


def test_a_process_that_has_ended_is_not_found() -> None:
    """go-plugin: ErrProcessNotFound."""
    with started() as first:
        config = first.reattach_config()
        first.kill()
    with pytest.raises(ProcessNotFound, match=r"there is no process \d+ any more"):
        Client(attached_config(config)).start()
    with pytest.raises(ClientClosed):
        first.reattach_config()


@pytest.mark.parametrize("network", ["unix", "tcp"])
def test_a_process_that_does_not_listen_there_gets_no_signal(network: str) -> None:
    """hashicorp/nomad#23969: a reused id was somebody else's, and got killed."""
    with debug_server(network=network) as server, bystander() as other:
        place = server.reattach_config
        config = ReattachConfig("grpc", 1, place.address, other.pid)
        client = Client(attached_config(config))
        with pytest.raises(ProcessNotFound, match=f"{other.pid} is not the one"):
            client.start()
        client.kill()
        assert not server.wait(0)


def test_an_address_where_nobody_listens_gets_the_process_no_signal(
    directory: str,
) -> None:
    """go-plugin before 1.6.2 kills that process."""
    with bystander() as other:
        address = Address.unix(f"{directory}/none")
        client = Client(attached_config(ReattachConfig("grpc", 1, address, other.pid)))
        with pytest.raises(ProcessNotFound, match=r"nothing listens at unix:.* an"):
            client.start()
        client.kill()


def test_a_lack_of_descriptors_is_no_missing_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever sees ProcessNotFound may start another plugin: it must be true."""

    def refuse() -> tuple[int, int]:
        raise OSError(errno.EMFILE, "Too many open files")

    with started() as first:
        client = Client(attached_config(first.reattach_config()))
        monkeypatch.setattr("goplugin_py.process.attached.os.pipe", refuse)
        with pytest.raises(ReattachError, match="Too many open files") as caught:
            client.start()
        monkeypatch.undo()
        assert not isinstance(caught.value, ProcessNotFound)
        first.ping()


@contextlib.contextmanager
def listening(directory: str, accept: Callable[[socket.socket], None]) -> Iterator[str]:
    """Listen in this very process, and do something with each connection."""
    path = f"{directory}/s"
    accepted = []

    def run() -> None:
        with contextlib.suppress(OSError):
            while True:
                accepted.append(listener.accept()[0])
                accept(accepted[-1])

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield path
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(WAIT)
    for connection in accepted:
        connection.close()


@pytest.mark.parametrize(
    "accept", [socket.socket.close, lambda _: None], ids=["hangs-up", "is-silent"]
)
def test_what_answers_no_call_is_no_plugin(
    directory: str, accept: Callable[[socket.socket], None]
) -> None:
    """The process is the right one, this one even, and yet gets no signal."""
    with listening(directory, accept) as path:
        config = ReattachConfig("grpc", 1, Address.unix(path), os.getpid())
        client = Client(attached_config(config, start_timeout=0.3))
        with pytest.raises(ProcessNotFound, match="no plugin answers at unix:"):
            client.start()
        client.kill()


def test_a_server_without_health_can_be_called_but_is_never_signalled(
    directory: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Not every port of go-plugin has health; it proves too little to be killed."""
    with ThreadPoolExecutor(4) as pool:
        server = grpc.server(pool)
        address = Address.unix(f"{directory}/s")
        server.add_insecure_port(address.target)
        server.start()
        config = ReattachConfig("grpc", 1, address, os.getpid())
        client = Client(attached_config(config))
        client.start()
        client.kill(0.1)
        assert not client.exited
        assert "is left alone" in caplog.text
        server.stop(0).wait(WAIT)


def test_a_client_that_is_killed_attaches_no_more(directory: str) -> None:
    """As with a start: kill from another thread ends the attempt."""
    connected = threading.Semaphore(0)
    failures: list[BaseException] = []

    def attach() -> None:
        try:
            client.start()
        except ClientClosed as exc:
            failures.append(exc)

    with listening(directory, lambda _: connected.release()) as path:
        config = ReattachConfig("grpc", 1, Address.unix(path), os.getpid())
        client = Client(attached_config(config))
        thread = threading.Thread(target=attach)
        thread.start()
        for _ in range(2):  # the look at who listens, then the channel
            assert connected.acquire(timeout=WAIT)
        client.kill()
        thread.join(WAIT)
    assert "the client was killed" in str(failures)


def test_a_link_of_one_host_alone_can_not_be_described() -> None:
    """The keys of AutoMTLS, and the one multiplexed connection, stay with the host."""
    with pytest.raises(ReattachError, match=r"AutoMTLS .* auto_mtls=False"):
        Client(client_config()).reattach_config()
    multiplexed = client_config(auto_mtls=False, broker_multiplex=True)
    with pytest.raises(ReattachError, match="broker_multiplex=False"):
        Client(multiplexed).reattach_config()


def test_an_ended_plugin_can_not_be_described() -> None:
    """Its socket is gone, or nobody listens on it."""
    with started() as first:
        with pytest.raises(grpc.RpcError):
            first.dispense("echo")(b"exit 0")
        first.wait(WAIT)
        with pytest.raises(ProcessNotFound, match="nothing listens at"):
            first.reattach_config()


def test_the_listener_is_described_where_the_command_is_its_parent() -> None:
    """A command may be a script that waits for the plugin."""
    command = ["/bin/sh", "-c", f"{sys.executable} -m tests.echo; true"]
    client = Client(client_config(*command, auto_mtls=False))
    with client:
        config = client.reattach_config()
        assert config.pid != client.pid
        with Client(attached_config(config)) as second:
            assert second.dispense("echo")() == b"ping"


def test_what_another_users_process_listens_on_is_unknown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """/proc/PID/fd can't be read then, and there is none on other systems."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = Address.tcp(*listener.getsockname()[:2])
        assert owner.owns(os.getpid(), address, WAIT) is True

        def refuse(path: str) -> list[str]:
            raise PermissionError(path)

        monkeypatch.setattr(os, "listdir", refuse)
        assert owner.owns(os.getpid(), address, WAIT) is None


# Plugins that outlive their host

HOST = """
import sys
from goplugin_py import Client
from tests.echo import client_config
client = Client(client_config(auto_mtls=False, detach=sys.argv[1] == "detach"))
print(client.reattach_config().to_json())
"""


def test_a_detached_plugin_serves_the_host_after_the_next() -> None:
    """Issue: host upgrade. The first ends without kill, and its finalizers run."""
    output, _ = run_python(HOST, "detach")
    config = ReattachConfig.from_json(output)
    second = Client(attached_config(config))
    second.start()
    assert second.dispense("echo")(b"log to nobody") == b"log to nobody"
    assert os.getsid(config.pid) == config.pid
    with Client(attached_config(second.reattach_config())) as third:
        assert third.dispense("echo")(b"third") == b"third"
    assert third.exited
    assert second.wait(WAIT) is None
    assert second.exited
    second.kill()


def test_a_plugin_that_is_not_detached_ends_with_its_host() -> None:
    """The default."""
    output, _ = run_python(HOST, "-")
    with pytest.raises(ProcessNotFound):
        Client(attached_config(ReattachConfig.from_json(output))).start()


def test_the_last_words_of_a_detached_plugin_arrive() -> None:
    """They take one process more than others', and are waited for."""
    command = ["/bin/sh", "-c", "seq 1 1000 >&2; exit 3"]
    before = children()
    with pytest.raises(ExitedEarly) as caught:
        Client(client_config(*command, detach=True)).start()
    assert caught.value.status == 3
    assert caught.value.stderr_tail[-1] == "1000"
    assert children() <= before


def test_a_detached_plugin_that_can_not_be_run_leaves_nothing() -> None:
    """The process beside it, which was first, is gone as well."""
    before = children()
    with pytest.raises(LaunchError, match="can't run '/none'"):
        Client(client_config("/none", detach=True)).start()
    assert children() <= before


def test_a_grandchild_does_not_hold_up_the_end_of_a_detached_plugin() -> None:
    """It has the plugin's stderr, and nobody waits for it."""
    script = "sleep 60 & echo $! >&2; exit 3"
    before = children()
    with pytest.raises(ExitedEarly) as caught:
        Client(client_config("/bin/sh", "-c", script, detach=True)).start()
    os.kill(int(caught.value.stderr_tail[0]), signal.SIGKILL)
    until(lambda: children() <= before)


# Test mode


def test_a_server_in_test_mode_outlives_every_host() -> None:
    """go-plugin: Client.Kill sends nothing where there is no runner."""
    with debug_server() as server:
        config = server.reattach_config
        assert (config.pid, config.test) == (os.getpid(), True)
        for _ in range(2):
            with Client(attached_config(config)) as client:
                assert client.dispense("echo")() == b"ping"
                assert client.reattach_config() == config
            assert not client.exited
            assert client.wait(WAIT) is None  # at once: nobody watches any more
        assert not server.wait(0)


def test_the_process_id_of_a_test_may_be_another_namespaces() -> None:
    """A plugin in a container tells the id that it has there."""
    with debug_server() as server, bystander() as other:
        config = server.reattach_config
        for pid in (other.pid, (1 << 22) + 1):
            elsewhere = ReattachConfig("grpc", 1, config.address, pid, test=True)
            with Client(attached_config(elsewhere)) as client:
                assert client.dispense("echo")() == b"ping"
                assert not client.exited


def test_serve_in_test_mode_leaves_the_process_alone(
    capfd: pytest.CaptureFixture[str],
) -> None:
    """No cookie, no line, no signals; any thread; the event ends it."""
    ready: list[ReattachConfig] = []
    arrived = threading.Event()

    def on_ready(config: ReattachConfig) -> None:
        ready.append(config)
        arrived.set()

    test = ServeTestConfig(on_ready=on_ready)
    thread = threading.Thread(target=serve, args=(serve_config(test=test),))
    thread.start()
    try:
        assert arrived.wait(WAIT)
        with Client(attached_config(ready[0])) as client:
            sys.stdout.write("mine\n")
            assert client.dispense("echo")() == b"ping"
    finally:
        test.stop.set()
        thread.join(WAIT)
    assert not thread.is_alive()
    assert not os.path.exists(ready[0].address.text)
    assert capfd.readouterr().out == "mine\n"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_test_mode_callback_that_fails_stops_the_server() -> None:
    """Its exception is the caller's."""
    places: list[ReattachConfig] = []

    def on_ready(config: ReattachConfig) -> None:
        places.append(config)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        serve(serve_config(test=ServeTestConfig(on_ready=on_ready)))
    assert not os.path.exists(places[0].address.text)


def test_test_mode_takes_no_variables_that_tie_it_to_a_host(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A debugger may itself be the child of a plugin."""
    monkeypatch.setenv(CLIENT_CERT, "no certificate")
    monkeypatch.setenv(MULTIPLEX_GRPC, "true")
    with debug_server() as server:
        target = server.reattach_config.address.target
        with open_channel(target) as channel:
            assert Echo().grpc_client(None, channel)() == b"ping"  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="PLUGIN_CLIENT_CERT is no certificate"):
        PluginServer(serve_config()).start()


def test_a_server_that_is_tied_to_its_host_can_not_be_described(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nor can one that does not serve."""
    server = PluginServer(serve_config())
    with pytest.raises(ReattachError, match="was not started"):
        _ = server.reattach_config
    monkeypatch.setenv(MULTIPLEX_GRPC, "true")
    with server, pytest.raises(ReattachError, match="tie a plugin to one host"):
        _ = server.reattach_config


def test_a_host_that_asks_for_it_ends_a_server_in_test_mode() -> None:
    """go-plugin: Shutdown stops the server, whoever started it."""
    with debug_server() as server:
        with open_channel(server.reattach_config.address.target) as channel:
            GRPCControllerStub(channel).Shutdown(Empty(), timeout=WAIT)
        assert server.wait(WAIT)
