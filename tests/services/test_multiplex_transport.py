"""A link in one connection: its socket, its beginning and its end."""

import contextlib
import errno
import gc
import logging
import os
import socket
import threading
from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from goplugin_py.errors import BrokerError
from goplugin_py.net.loop import shared_loop
from goplugin_py.services import multiplex
from goplugin_py.services.channel import open_channel
from goplugin_py.services.connection import Binding
from goplugin_py.services.exchange import SocketExchange
from goplugin_py.services.multiplex import (
    MultiplexExchange,
    MultiplexTransport,
    run,
)
from goplugin_py.services.server import Server
from goplugin_py.services.transport import Transport
from goplugin_py.wire.address import Address
from tests.echo import add_echo, call
from tests.peers import WAIT, connect, has_ended, run_python, until
from tests.services.multiplexed import SHORT, Pair, joined, transport_of


@pytest.fixture(params=[False, True], ids=["plain", "tls"])
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    with joined(tls=request.param) as pair:
        yield pair


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
from tests.services.multiplexed import Lone
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
