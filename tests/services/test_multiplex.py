"""A link in one connection: the transport, the exchange and the broker on top."""

import contextlib
import errno
import functools
import gc
import logging
import os
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

import grpc
import pytest

from goplugin_py._pb.broker_pb2 import ConnInfo
from goplugin_py._pb.broker_pb2_grpc import add_GRPCBrokerServicer_to_server
from goplugin_py.deadline import Deadline
from goplugin_py.errors import BrokerError, BrokerTimeout, KnockRejected
from goplugin_py.net import link as link_module
from goplugin_py.net.loop import shared_loop
from goplugin_py.net.sockets import client_context, server_context
from goplugin_py.services import multiplex
from goplugin_py.services.broker import LinkBroker
from goplugin_py.services.broker_stream import BrokerServicer, BrokerStream
from goplugin_py.services.channel import open_channel
from goplugin_py.services.connection import Binding, Connection
from goplugin_py.services.exchange import SocketExchange
from goplugin_py.services.multiplex import (
    MultiplexExchange,
    MultiplexTransport,
    run,
)
from goplugin_py.services.server import Server
from goplugin_py.services.transport import Listening, Transport
from goplugin_py.wire import knocking
from goplugin_py.wire.address import Address
from tests.echo import Behaviour, add_echo, call
from tests.peers import WAIT, connect, has_ended, identity_of, run_python, until

SHORT = 0.05


def transport_of(own: str, peer: str, tls: bool, **options: Any) -> MultiplexTransport:
    if not tls:
        return MultiplexTransport(**options)
    identity, certificate = identity_of(own), identity_of(peer).certificate
    return MultiplexTransport(
        client_context=client_context(identity, certificate),
        server_context=server_context(identity, certificate),
        **options,
    )


class Side:
    """A transport with its broker, and the knocks that it sends."""

    def __init__(self, transport: MultiplexTransport) -> None:
        self.transport = transport
        self.broker = LinkBroker(transport.exchange())
        self.knocks: list[int] = []
        send = transport.router.send
        assert send is not None

        def noted(info: ConnInfo) -> None:
            if not info.knock.ack:
                self.knocks.append(info.service_id)
            send(info)

        transport.router.send = noted

    def dial(self, service_id: int) -> Connection:
        """Dial without the broker, which hides the connection."""
        return MultiplexExchange(self.transport).dial(service_id, Deadline(WAIT))

    @property
    def streams(self) -> int:
        session = self.transport.router._session
        return session._session.stream_count if session is not None else 0


class Pair:
    """A host and a plugin in this process, joined as by `Client` and `serve`."""

    def __init__(self, tls: bool, **listening: Any) -> None:
        self.ended = threading.Event()
        self.plugin = Side(
            transport_of(
                "plugin",
                "host",
                tls,
                listening=Listening(**listening),
                on_end=self.ended.set,
            )
        )
        self.host = Side(transport_of("host", "plugin", tls))
        self._server = Server(max_workers=2)
        servicer = BrokerServicer(self.plugin.broker)
        self._server.add_streams(add_GRPCBrokerServicer_to_server, servicer)
        add_echo(self._server)
        self._binding = self.plugin.transport.bind(self._server)
        self._server.start()
        self.address = self._binding.address
        self.connection = self.host.transport.connect(self.address)
        self.channel = open_channel(self.connection.target)
        self._stream = BrokerStream(self.host.broker, self.channel, "test")
        assert call(self.channel) == b"ping"

    def sides(self, who: str) -> tuple[Side, Side]:
        """Return this side, and the other one."""
        return (self.host, self.plugin) if who == "host" else (self.plugin, self.host)

    def hang_up(self) -> None:
        """Do what a host does at its end."""
        self.host.broker.close()
        self._stream.close(WAIT)
        self.channel.close()
        self.connection.close()
        self.host.transport.close()

    def close(self) -> None:
        self.hang_up()
        self.plugin.broker.close()
        self._server.close(0)
        self._binding.close()
        self.plugin.transport.close()


@contextlib.contextmanager
def joined(*, tls: bool = False, **listening: Any) -> Iterator[Pair]:
    pair = Pair(tls, **listening)
    try:
        yield pair
    finally:
        pair.close()


@pytest.fixture(params=[False, True], ids=["plain", "tls"])
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    with joined(tls=request.param) as pair:
        yield pair


@pytest.fixture
def plain() -> Iterator[Pair]:
    with joined() as pair:
        yield pair


class Lone:
    """A host's exchange whose other side is played by the test."""

    def __init__(self) -> None:
        self.transport = MultiplexTransport()
        self.exchange = MultiplexExchange(self.transport)
        self.sent: list[ConnInfo] = []
        self.exchange.start(self.sent.append)
        near, self.peer = socket.socketpair()
        self.peer.settimeout(WAIT)
        router = self.transport.router
        run(lambda: router.begin(near, is_client=True, default=None, on_end=None))

    def answer(self, service_id: int, error: str = "") -> None:
        knock = ConnInfo.Knock(knock=True, ack=True, error=error)
        self.exchange.receive(ConnInfo(service_id=service_id, knock=knock))

    def close(self) -> None:
        self.transport.close()
        self.peer.close()


@pytest.fixture
def lone() -> Iterator[Lone]:
    lone = Lone()
    yield lone
    lone.close()


both_sides = pytest.mark.parametrize("who", ["host", "plugin"])


def says(what: bytes) -> Behaviour:
    return lambda _request, _context: what


def cut_connections(connection: Connection) -> None:
    """End the connections that are open now, as a fault would."""
    relayed = connection._relayed  # type: ignore[attr-defined]
    links = relayed._relay._links

    def cut() -> None:
        for link in list(links):
            link.close(ConnectionResetError("on purpose"))

    until(lambda: links)
    run(cut)


def call_again(channel: grpc.Channel) -> bytes:
    """Call until a channel that has lost its connection has another."""
    answers: list[bytes] = []

    def attempt() -> bool:
        with contextlib.suppress(grpc.RpcError):
            answers.append(call(channel))
        return bool(answers)

    until(attempt)
    return answers[0]


# Connections


@both_sides
def test_what_one_side_serves_the_other_dials_with_one_knock(
    pair: Pair, who: str
) -> None:
    """go-plugin: GRPCBrokerMultiplex; the first connection takes the dial's stream."""
    near, far = pair.sides(who)
    with near.broker.accept_and_serve(7, add_echo):
        with far.broker.dial(7) as channel:
            until(lambda: near.streams == far.streams == 2)
            assert call(channel, b"hello" * 100_000) == b"hello" * 100_000
            assert far.streams == 2
        assert far.knocks == [7]
        until(lambda: near.streams == far.streams == 1)
    assert near.knocks == []
    assert call(pair.channel) == b"ping"


@both_sides
def test_one_accept_serves_several_dials(pair: Pair, who: str) -> None:
    """go-plugin: unlike an address, an id may be dialled again."""
    near, far = pair.sides(who)
    with near.broker.accept_and_serve(7, add_echo), contextlib.ExitStack() as stack:
        for number in range(3):
            channel = stack.enter_context(far.broker.dial(7))
            assert call(channel, b"%d" % number) == b"%d" % number
    assert far.knocks == [7, 7, 7]


def test_all_is_in_one_connection(pair: Pair) -> None:
    """Dials of both sides at once, and no socket of the plugin's but the first."""
    with contextlib.ExitStack() as stack:
        served: list[tuple[Side, int, bytes]] = []
        for near, far in (pair.sides("host"), pair.sides("plugin")):
            for service_id in range(1, 11):
                name = b"%d, served to %d" % (service_id, id(far))
                register = functools.partial(add_echo, behaviour=says(name))
                stack.enter_context(near.broker.accept_and_serve(service_id, register))
                served.append((far, service_id, name))

        def dial(side: Side, service_id: int, name: bytes) -> bool:
            with side.broker.dial(service_id) as channel:
                return call(channel) == name

        with ThreadPoolExecutor(8) as pool:
            assert all(pool.map(dial, *zip(*served, strict=True)))
    with pytest.raises(OSError, match=r"refused"):
        connect(pair.address.text)


@both_sides
def test_a_connection_that_breaks_is_replaced_by_another_knock(
    pair: Pair, who: str
) -> None:
    near, far = pair.sides(who)
    with near.broker.accept_and_serve(7, add_echo):
        connection = far.dial(7)
        with open_channel(connection.target) as channel:
            assert call(channel) == b"ping"
            assert far.knocks == [7]
            cut_connections(connection)
            assert isinstance(connection.failure, ConnectionResetError)
            assert call_again(channel) == b"ping"
            assert far.knocks == [7, 7]
        connection.close()
        connection.close()


@both_sides
def test_a_dialled_channel_that_was_never_used_leaves_no_stream(
    pair: Pair, who: str
) -> None:
    near, far = pair.sides(who)
    with near.broker.accept_and_serve(7, add_echo):
        far.broker.dial(7).close()
        until(lambda: near.streams == far.streams == 1)


def test_the_stream_of_a_dial_that_took_too_long_is_replaced(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever serves does not wait for ever for the first bytes of a connection."""
    with joined(tls=True) as pair:
        monkeypatch.setattr(link_module, "HANDSHAKE_TIMEOUT", SHORT)
        with pair.plugin.broker.accept_and_serve(7, add_echo):
            connection = pair.host.dial(7)
            until(lambda: pair.host.streams == 1)
            monkeypatch.undo()
            with open_channel(connection.target) as channel:
                assert call(channel) == b"ping"
            assert pair.host.knocks == [7, 7]
            connection.close()


def test_a_connection_without_tls_lives_on(
    plain: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link_module, "HANDSHAKE_TIMEOUT", SHORT)
    with (
        plain.plugin.broker.accept_and_serve(7, add_echo),
        plain.host.broker.dial(7) as channel,
    ):
        assert call(channel) == b"ping"
        passed = threading.Event()

        def begin() -> None:
            shared_loop().call_later(2 * SHORT, passed.set)

        run(begin)
        assert passed.wait(WAIT)
        assert call(channel) == b"ping"
        assert plain.host.knocks == [7]


def test_a_plugin_may_listen_on_tcp() -> None:
    with joined(tls=True, network="tcp") as pair:
        assert pair.address.network == "tcp"
        with (
            pair.plugin.broker.accept_and_serve(7, add_echo),
            pair.host.broker.dial(7) as channel,
        ):
            assert call(channel) == b"ping"


def test_a_side_with_other_certificates_is_refused() -> None:
    """Each stream has a TLS connection of its own."""
    plugin = transport_of("plugin", "host", True)
    host = transport_of("stranger", "plugin", True)
    server = Server(max_workers=1)
    add_echo(server)
    binding = plugin.bind(server)
    server.start()
    connection = host.connect(binding.address)
    with open_channel(connection.target) as channel:
        with pytest.raises(grpc.RpcError):
            call(channel)
        assert connection.failure is not None
    connection.close()
    server.close(0)
    host.close()
    binding.close()
    plugin.close()


# Failures


@both_sides
def test_a_dial_that_nobody_answers_names_the_id(plain: Pair, who: str) -> None:
    near, _ = plain.sides(who)
    with pytest.raises(BrokerTimeout, match="knock for service id 4711") as caught:
        near.broker.dial(4711, timeout=SHORT)
    assert caught.value.service_id == 4711
    assert near.streams == 1


def test_an_id_that_timed_out_can_be_dialled_later(plain: Pair) -> None:
    with pytest.raises(BrokerTimeout):
        plain.host.broker.dial(7, timeout=SHORT)
    with (
        plain.plugin.broker.accept_and_serve(7, add_echo),
        plain.host.broker.dial(7) as channel,
    ):
        assert call(channel) == b"ping"


def test_a_dial_with_more_time_than_a_knock_knocks_again(
    lone: Lone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(knocking, "KNOCK_TIMEOUT", SHORT)
    with ThreadPoolExecutor(1) as pool:
        dialled = pool.submit(lone.exchange.dial, 7, Deadline(WAIT))
        until(lambda: len(lone.sent) == 3)
        monkeypatch.undo()
        until(lambda: len(lone.sent) == 4)
        lone.answer(7)
        dialled.result(WAIT).close()
    with pytest.raises(BrokerTimeout):
        lone.exchange.dial(8, Deadline(SHORT))
    assert {info.service_id for info in lone.sent} == {7, 8}


def test_a_refused_knock_is_an_error_with_the_other_sides_words(lone: Lone) -> None:
    """go-plugin: `no listener for id`."""
    with ThreadPoolExecutor(1) as pool:
        dialled = pool.submit(lone.exchange.dial, 7, Deadline(WAIT))
        until(lambda: lone.sent)
        lone.answer(7, "no listener for id 7")
        with pytest.raises(KnockRejected, match="service id 7") as caught:
            dialled.result(WAIT)
    assert caught.value.reason == "no listener for id 7"


def test_an_answer_that_comes_with_the_timeout_is_taken(lone: Lone) -> None:
    """Whichever the loop sees first."""

    class Late(Deadline):
        """Lets the answer in at the last moment."""

        def remaining(self) -> float | None:
            lone.answer(7)
            run(lambda: None)
            return 0.0

    lone.exchange.dial(7, Late(0)).close()


def test_a_dial_whose_relay_can_not_be_made_leaves_no_stream(
    lone: Lone, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> Connection:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(lone.transport, "_relayed", fail)
    with ThreadPoolExecutor(1) as pool:
        dialled = pool.submit(lone.exchange.dial, 7, Deadline(WAIT))
        until(lambda: lone.sent)
        lone.answer(7)
        with pytest.raises(OSError, match="open files"):
            dialled.result(WAIT)
    session = lone.transport.router._session
    assert session is not None
    assert session._session.stream_count == 0


@both_sides
def test_closing_a_broker_fails_who_waits(plain: Pair, who: str) -> None:
    near, _ = plain.sides(who)
    with ThreadPoolExecutor(3) as pool:
        dials = [pool.submit(near.broker.dial, number) for number in (1, 2, 3)]
        assert not wait(dials, SHORT).done
        near.broker.close()
        for dialled in dials:
            with pytest.raises(BrokerError, match="the broker is closed") as caught:
                dialled.result(WAIT)
            assert not isinstance(caught.value, BrokerTimeout)
    assert len(near.knocks) == 1


@both_sides
def test_the_end_of_the_session_fails_who_waits_and_who_comes_later(
    plain: Pair, who: str
) -> None:
    near, far = plain.sides(who)
    with ThreadPoolExecutor(1) as pool:
        dialled = pool.submit(near.broker.dial, 1)
        assert not wait([dialled], SHORT).done
        far.transport.close()
        with pytest.raises(BrokerError):
            dialled.result(WAIT)
    with pytest.raises(BrokerError, match="has ended"):
        near.broker.dial(2)


def test_stopping_a_served_id_ends_its_connections_and_refuses_knocks(
    plain: Pair,
) -> None:
    served = plain.plugin.broker.accept_and_serve(7, add_echo)
    with plain.host.broker.dial(7) as channel:
        assert call(channel) == b"ping"
        served.stop()
        until(lambda: plain.host.streams == 1)
    with pytest.raises(KnockRejected, match="no listener for id 7"):
        plain.host.broker.dial(7)


def test_stopping_what_was_replaced_does_not_stop_what_came_after(
    plain: Pair,
) -> None:
    old = plain.plugin.broker.accept_and_serve(7, add_echo)
    with plain.plugin.broker.accept_and_serve(7, add_echo):
        old.stop()
        with plain.host.broker.dial(7) as channel:
            assert call(channel) == b"ping"


# The one socket


def test_a_second_connection_is_refused(pair: Pair) -> None:
    """go-plugin: GRPCServerMuxer accepts one, and never another."""
    with pytest.raises(ConnectionRefusedError):
        connect(pair.address.text)
    assert call(pair.channel) == b"ping"


def test_a_connection_that_waits_behind_the_first_is_hung_up_on(
    listening: tuple[MultiplexTransport, Binding],
) -> None:
    _, binding = listening
    hold, go_on = threading.Event(), threading.Event()

    def keep_busy() -> None:
        hold.set()
        go_on.wait(WAIT)

    shared_loop().call_soon(keep_busy)
    assert hold.wait(WAIT)
    with connect(binding.address.text) as first, connect(binding.address.text) as late:
        go_on.set()
        assert has_ended(late)
        first.setblocking(False)
        with pytest.raises(BlockingIOError):
            first.recv(1)


def test_a_plugin_learns_that_its_host_has_hung_up(pair: Pair) -> None:
    """go-plugin: the end of the session is an accept error, and ends `Serve`."""
    assert not pair.ended.is_set()
    pair.hang_up()
    assert pair.ended.wait(WAIT)


def test_a_plugin_that_ends_by_itself_is_not_told_so() -> None:
    with joined() as pair:
        pair.plugin.transport.close()
        until(lambda: pair.host.streams == 0)
        assert not pair.ended.is_set()


def test_who_is_told_of_the_end_may_close_the_transport() -> None:
    """On the loop's thread, which must not wait for itself."""
    with joined() as pair:
        told = threading.Event()

        def on_end() -> None:
            pair.plugin.transport.close()
            told.set()

        pair.plugin.transport.router._on_end = on_end
        pair.hang_up()
        assert told.wait(WAIT)


FORK = """
import os, signal, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # of forking beside threads
from goplugin_py.deadline import Deadline
from goplugin_py.errors import BrokerError
from goplugin_py.services.multiplex import run
from tests.services.test_multiplex import Lone
from tests.peers import has_ended, receive
from tests.wire import frames

lone = Lone()
lone.peer.sendall(frames.syn(2))
assert receive(lone.peer, 12) == frames.rst(2)  # the session is at work
alive, tell = os.pipe()
if not (pid := os.fork()):
    signal.alarm(5)
    try:
        lone.exchange.dial(7, Deadline(0.05))
    except BrokerError:
        run(lone.transport.router.close)
        os.write(tell, b"failed")
    signal.pause()  # until the parent is done
assert os.read(alive, 6) == b"failed"
lone.peer.sendall(frames.syn(4))
assert receive(lone.peer, 12) == frames.rst(4)
lone.transport.close()
assert has_ended(lone.peer)  # though the child lives
os.kill(pid, signal.SIGKILL)
os.waitpid(pid, 0)
lone.close()
"""


def test_a_forked_child_can_not_dial_and_does_not_disturb_its_parent() -> None:
    run_python(FORK)


@pytest.fixture
def listening() -> Iterator[tuple[MultiplexTransport, Binding]]:
    """A plugin's transport that waits for its host."""
    transport = MultiplexTransport()
    server = Server(max_workers=1)
    add_echo(server)
    binding = transport.bind(server)
    server.start()
    yield transport, binding
    binding.close()
    binding.close()
    server.close(0)
    transport.close()
    transport.close()


def test_a_plugin_may_stop_before_its_host_came(
    listening: tuple[MultiplexTransport, Binding],
) -> None:
    _, binding = listening
    assert os.path.exists(binding.address.text)
    binding.close()
    assert not os.path.exists(binding.address.text)


def fail_to_accept(monkeypatch: pytest.MonkeyPatch, times: int) -> list[int]:
    """Let sockets fail to accept, as if descriptors had run out."""
    failures: list[int] = []
    accept = socket.socket.accept

    def failing(sock: socket.socket) -> tuple[socket.socket, Any]:
        if len(failures) < times:
            failures.append(errno.EMFILE)
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return accept(sock)

    monkeypatch.setattr(socket.socket, "accept", failing)
    return failures


def test_a_plugin_accepts_its_host_after_descriptors_ran_out(
    listening: tuple[MultiplexTransport, Binding],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    _, binding = listening
    failures = fail_to_accept(monkeypatch, 2)
    host = MultiplexTransport()
    with caplog.at_level(logging.WARNING, "goplugin.multiplex"):
        connection = host.connect(binding.address)
        until(lambda: len(failures) == 2)
    assert "could not accept" in caplog.text
    with open_channel(connection.target) as channel:
        assert call(channel) == b"ping"
    connection.close()
    host.close()


def test_a_plugin_that_can_not_accept_can_be_stopped(
    listening: tuple[MultiplexTransport, Binding],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    _, binding = listening
    failures = fail_to_accept(monkeypatch, 1 << 30)
    with connect(binding.address.text) as sock:
        until(lambda: failures)
        binding.close()
        assert has_ended(sock)
    run(lambda: None)
    assert "callback failed" not in caplog.text


def test_a_plugin_that_is_not_there_is_an_error_at_once(directory: str) -> None:
    """A host connects when it starts, unlike without multiplexing."""
    host = MultiplexTransport()
    with pytest.raises(FileNotFoundError):
        host.connect(Address.unix(f"{directory}/nothing"))
    host.close()


def test_a_loop_that_is_stuck_does_not_keep_the_directory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And its error is one of ours, which says what is wrong."""
    transport = MultiplexTransport()
    directory = transport._directory()
    monkeypatch.setattr(multiplex, "LOOP_TIMEOUT", SHORT)
    go_on = threading.Event()

    def hold_up() -> None:
        go_on.wait(WAIT)

    shared_loop().call_soon(hold_up)
    with pytest.raises(BrokerError, match="thread that moves all bytes"):
        transport.close()
    assert not os.path.exists(directory)
    go_on.set()


def test_the_exchange_goes_with_the_transport() -> None:
    assert isinstance(MultiplexTransport().exchange(), MultiplexExchange)
    assert isinstance(Transport().exchange(), SocketExchange)


def sockets_of_this_process() -> set[str]:
    gc.collect()
    found = set()
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):  # the one that listed them
            found.add(os.readlink(f"/proc/self/fd/{name}"))
    return {name for name in found if name.startswith("socket:")}


def test_nothing_of_ours_is_left_in_the_end() -> None:
    before = sockets_of_this_process()
    with joined(tls=True) as pair:
        for near, far in (pair.sides("host"), pair.sides("plugin")):
            near.broker.accept_and_serve(7, add_echo)
            assert call(far.broker.dial(7)) == b"ping"
            far.broker.dial(7)
        directories = [side.transport._private for side in (pair.host, pair.plugin)]
        assert all(map(os.path.isdir, directories))
    assert not any(map(os.path.exists, directories))
    until(lambda: sockets_of_this_process() <= before)
    assert "goplugin-broker-test" not in [each.name for each in threading.enumerate()]
