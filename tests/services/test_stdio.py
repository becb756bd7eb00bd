"""The stdio service: what a plugin prints, carried to its host."""

import io
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from typing import BinaryIO

import grpc
import pytest

from goplugin_py._pb.empty_pb2 import Empty
from goplugin_py._pb.stdio_pb2 import StdioData
from goplugin_py._pb.stdio_pb2_grpc import (
    GRPCStdioServicer,
    GRPCStdioStub,
    add_GRPCStdioServicer_to_server,
)
from goplugin_py.services.server import Server
from goplugin_py.services.stdio import (
    CHUNK_SIZE,
    DRAIN_TIMEOUT,
    StdioServicer,
    copy_stdio,
)
from tests.echo import serving
from tests.peers import WAIT, run_python, until


class Plugin:
    """A server whose stdio comes from two pipes."""

    def __init__(self) -> None:
        pipes = [os.pipe() for _ in range(2)]
        self.readers = [reading for reading, _ in pipes]
        self.stdout, self.stderr = (os.fdopen(w, "wb", 0) for _, w in pipes)
        for fd in self.readers:
            os.set_blocking(fd, False)
        channels = (StdioData.STDOUT, StdioData.STDERR)
        self.servicer = StdioServicer(dict(zip(self.readers, channels, strict=True)))
        self.server = Server(max_workers=1)
        self.server.add_streams(add_GRPCStdioServicer_to_server, self.servicer)

    def close(self) -> None:
        for fd in self.readers:
            os.close(fd)
        self.stdout.close()
        self.stderr.close()


@pytest.fixture
def plugin() -> Iterator[Plugin]:
    plugin = Plugin()
    yield plugin
    plugin.close()


@pytest.fixture
def channel(plugin: Plugin) -> Iterator[grpc.Channel]:
    with serving(plugin.server) as channel:
        yield channel
        plugin.servicer.drain()


def copied(
    channel: grpc.Channel, stdout: BinaryIO | None, stderr: BinaryIO | None
) -> threading.Thread:
    """Copy on a thread, as a client does."""
    thread = threading.Thread(target=copy_stdio, args=(channel, stdout, stderr))
    thread.start()
    return thread


def test_each_stream_arrives_whole_in_its_file(
    plugin: Plugin, channel: grpc.Channel
) -> None:
    stdout, stderr = io.BytesIO(), io.BytesIO()
    plugin.stdout.write(b"before the host listens\n")
    thread = copied(channel, stdout, stderr)
    data = os.urandom(CHUNK_SIZE * 10 + 7)
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(plugin.stdout.write, data).result(WAIT) == len(data)
    plugin.stderr.write(b"an error\n")
    plugin.servicer.drain()
    thread.join(WAIT)
    assert not thread.is_alive()
    assert stdout.getvalue() == b"before the host listens\n" + data
    assert stderr.getvalue() == b"an error\n"


def test_what_was_printed_last_arrives_before_the_drain_is_done(
    plugin: Plugin, channel: grpc.Channel
) -> None:
    stream = GRPCStdioStub(channel).StreamStdio(Empty(), timeout=WAIT)
    until(lambda: plugin.servicer._listeners)
    plugin.stdout.write(b"last words")
    plugin.servicer.drain()
    assert [(chunk.channel, chunk.data) for chunk in stream] == [
        (StdioData.STDOUT, b"last words")
    ]
    plugin.servicer.drain()  # idempotent


def test_a_host_that_comes_after_the_drain_gets_what_is_left(
    plugin: Plugin, channel: grpc.Channel
) -> None:
    plugin.stderr.write(b"left over")
    plugin.servicer.drain()
    stream = GRPCStdioStub(channel).StreamStdio(Empty(), timeout=WAIT)
    assert b"".join(chunk.data for chunk in stream) == b"left over"


def test_the_drain_waits_for_a_host_that_is_about_to_listen(
    plugin: Plugin, channel: grpc.Channel
) -> None:
    """On a busy machine its Shutdown can overtake its StreamStdio."""
    plugin.stdout.write(b"last words")
    with ThreadPoolExecutor(1) as pool:
        drain = pool.submit(plugin.servicer.drain)
        assert not wait([drain], DRAIN_TIMEOUT / 10).done
        stream = GRPCStdioStub(channel).StreamStdio(Empty(), timeout=WAIT)
        assert b"".join(chunk.data for chunk in stream) == b"last words"
        drain.result(WAIT)


def test_the_drain_ends_although_the_plugin_prints_without_end(
    plugin: Plugin, channel: grpc.Channel
) -> None:
    ended = threading.Event()

    def chatter() -> None:
        while not ended.is_set():
            plugin.stdout.write(b"x" * CHUNK_SIZE)

    with ThreadPoolExecutor(2) as pool:
        stream = GRPCStdioStub(channel).StreamStdio(Empty(), timeout=WAIT)
        printing = pool.submit(chatter)
        assert next(stream).data  # or the drain may find nothing yet
        drain = pool.submit(plugin.servicer.drain)
        for _ in stream:
            pass  # until it ends, or its time is over, which is an error
        drain.result(WAIT)
        ended.set()
        # Nor does the plugin hang in what nobody reads.
        list(GRPCStdioStub(channel).StreamStdio(Empty(), timeout=WAIT))
        printing.result(WAIT)


def test_a_host_that_hangs_up_leaves_no_descriptor(
    plugin: Plugin, channel: grpc.Channel
) -> None:
    for _ in range(5):
        stream = GRPCStdioStub(channel).StreamStdio(Empty(), timeout=WAIT)
        plugin.stdout.write(b"x")
        next(stream)
        stream.cancel()
        until(lambda: not plugin.servicer._listeners)


def test_a_descriptor_that_the_plugin_replaces_ends_quietly(
    plugin: Plugin, channel: grpc.Channel
) -> None:
    """Its pipe has ended, and a selector would report that without end."""
    stream = GRPCStdioStub(channel).StreamStdio(Empty(), timeout=WAIT)
    plugin.stdout.write(b"out")
    assert next(stream).data == b"out"
    plugin.stdout.close()
    plugin.stderr.write(b"err")
    assert next(stream).data == b"err"
    before = os.times()
    plugin.stderr.write(b"still")
    threading.Event().wait(0.2)
    used = sum(os.times()[:2]) - sum(before[:2])
    assert used < 0.15
    assert next(stream).data == b"still"
    stream.cancel()


def test_without_readers_the_stream_stays_silent_until_the_end() -> None:
    servicer = StdioServicer({})
    server = Server(max_workers=1)
    server.add_streams(add_GRPCStdioServicer_to_server, servicer)
    with serving(server) as channel:
        stream = GRPCStdioStub(channel).StreamStdio(Empty(), timeout=WAIT)
        until(lambda: servicer._listeners)
        servicer.drain()
        assert list(stream) == []


class Broken(io.BytesIO):
    def write(self, data: object) -> int:
        raise OSError("disk full")


def test_a_file_that_fails_is_given_up_and_the_rest_goes_on(
    plugin: Plugin, channel: grpc.Channel, caplog: pytest.LogCaptureFixture
) -> None:
    stderr = io.BytesIO()
    thread = copied(channel, Broken(), stderr)
    for _ in range(3):
        plugin.stdout.write(b"lost")
    until(lambda: "disk full" in caplog.text)
    plugin.stderr.write(b"kept")
    plugin.stdout.write(b"lost too")
    plugin.servicer.drain()
    thread.join(WAIT)
    assert stderr.getvalue() == b"kept"
    assert caplog.text.count("a stdio file failed") == 1


def test_output_without_a_file_is_discarded(
    plugin: Plugin, channel: grpc.Channel
) -> None:
    thread = copied(channel, None, None)
    plugin.stdout.write(b"x")
    plugin.servicer.drain()
    thread.join(WAIT)
    assert not thread.is_alive()


def test_an_unknown_channel_is_reported_and_skipped(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Odd(GRPCStdioServicer):
        def StreamStdio(
            self, request: Empty, context: grpc.ServicerContext
        ) -> Iterator[StdioData]:
            yield StdioData(channel=StdioData.INVALID, data=b"?")
            yield StdioData(channel=StdioData.STDOUT, data=b"ok")

    server = Server(max_workers=1)
    server.add_streams(add_GRPCStdioServicer_to_server, Odd())
    stdout = io.BytesIO()
    with serving(server) as channel:
        copy_stdio(channel, stdout, None)
    assert stdout.getvalue() == b"ok"
    assert "unknown channel 0" in caplog.text


def test_a_plugin_without_the_service_is_no_failure() -> None:
    """Plugins from before go-plugin 1.0.1 have none."""
    with serving(Server(max_workers=1)) as channel:
        copy_stdio(channel, io.BytesIO(), None)


CAPTURE = """
import ctypes, os, subprocess, sys
from goplugin_py.services.capture import Capture

def everything(name):
    print(f"print {name}", file=getattr(sys, name))
    fd = {"stdout": 1, "stderr": 2}[name]
    os.write(fd, f"write {name}\\n".encode())
    subprocess.run(["sh", "-c", f"echo child {name} >&{fd}"], check=True)

libc = ctypes.CDLL(None)
sys.stdout.write("before,")  # buffered: it must not end up in the pipe
capture = Capture()
everything("stdout")
everything("stderr")
libc.puts(b"libc stdout")
libc.fflush(None)
sys.stdout.write("no newline")
sys.stdout.flush()
got = {each: os.read(fd, 1 << 20).decode() for fd, each in capture.readers.items()}
os.write(capture.stdout, b"the real one,")
assert not os.get_inheritable(capture.stdout)
readers = list(capture.readers)
capture.release()
print("after")
for fd in (*readers, capture.stdout, capture.stderr):
    try:
        os.fstat(fd)
    except OSError:
        continue
    raise AssertionError(fd)
sys.stderr.write(repr(got))
"""


def test_all_that_a_process_writes_is_captured_until_the_release() -> None:
    """Python's print, a C library's output, a child's, and what is written raw."""
    stdout, stderr = run_python(CAPTURE)
    assert stdout == "before,the real one,after\n"
    got = eval(stderr)
    assert got[StdioData.STDOUT].splitlines() == [
        "print stdout",
        "write stdout",
        "child stdout",
        "libc stdout",
        "no newline",
    ]
    assert got[StdioData.STDERR].splitlines() == [
        "print stderr",
        "write stderr",
        "child stderr",
    ]


NO_STREAMS = """
import os, sys
from goplugin_py.services.capture import Capture

real = os.dup(2)
sys.stdout.close()
sys.stderr = None
capture = Capture(real)
os.write(1, b"x")
(fd, _) = capture.readers
assert os.read(fd, 9) == b"x"
capture.release()
"""


def test_a_program_that_closed_its_streams_can_be_captured_too() -> None:
    run_python(NO_STREAMS)
