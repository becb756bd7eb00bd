"""Several event loops in a process, and the process's end."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import threading

import pytest

from goplugin_py import aio
from goplugin_py.aio.poller import quiet_poller
from tests.aio.conftest import LOOPS, Run
from tests.aio.echo import config
from tests.peers import SCRIPT_WAIT, WAIT, run_python, until

CALLS = 50


@pytest.mark.parametrize("kind", LOOPS)
def test_two_loops_in_two_threads_use_clients_of_their_own(
    kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    """grpc/grpc#25364: loops of older versions log a traceback of each other."""
    both = threading.Barrier(2)
    done: list[int] = []

    async def main() -> None:
        async with aio.Client(config()) as client:
            echo = await client.dispense("echo")
            await asyncio.to_thread(both.wait, 2 * WAIT)
            for _ in range(CALLS):
                assert await echo(b"x", timeout=WAIT) == b"x"
            done.append(CALLS)

    def work() -> None:
        with asyncio.Runner(loop_factory=LOOPS[kind]) as runner:
            runner.run(main())

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(4 * WAIT)
    assert done == [CALLS, CALLS]
    assert [r for r in caplog.records if r.levelno >= logging.ERROR] == []


def test_what_finds_nothing_to_read_on_a_loop_is_no_error(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    """As grpcio before 1.80 does it, once for each message of another loop."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        called = asyncio.Event()

        def find_nothing() -> None:
            called.set()
            raise BlockingIOError

        with ours, theirs:
            with quiet_poller(loop):
                loop.add_reader(ours, find_nothing)
            theirs.send(b"x")
            await asyncio.wait_for(called.wait(), WAIT)
            loop.remove_reader(ours)
        assert "add_reader" not in vars(loop)

    run(main())
    assert caplog.records == []


def test_loops_one_after_the_other_have_clients_of_their_own() -> None:
    async def main() -> None:
        async with aio.Client(config()) as client:
            echo = await client.dispense("echo")
            assert await echo(b"x", timeout=WAIT) == b"x"

    for _ in range(2):
        asyncio.run(main())


UNCLOSED = """
import asyncio, sys, time
import uvloop
from goplugin_py import aio
from tests.aio.echo import call, config

async def main():
    client = aio.Client(config(auto_mtls="mtls" in sys.argv))
    echo = await client.dispense("echo")
    await echo(b"x", timeout=5)
    if "call" in sys.argv:
        asyncio.ensure_future(echo(b"hang"))
        await asyncio.sleep(0)
    return client, echo

factory = uvloop.new_event_loop if "uvloop" in sys.argv else None
with asyncio.Runner(loop_factory=factory) as runner:
    kept = runner.run(main())
print(kept[0].pid, time.monotonic())
"""
TIMER = """
import subprocess, sys, time
started = subprocess.run([sys.executable, "-W", "error", "-c", *sys.argv[1:]],
    stdout=subprocess.PIPE, check=True, text=True)
pid, end = started.stdout.split()
print(pid, time.monotonic() - float(end))
"""


@pytest.mark.parametrize("kind", LOOPS)
@pytest.mark.parametrize("what", ["plain", "mtls", "call"])
def test_a_process_ends_at_once_with_its_channels_unclosed(
    what: str, kind: str
) -> None:
    """grpc/grpc#29560, #39297; `kill` was forgotten too, and the plugin ends."""
    out, errors = run_python(TIMER, UNCLOSED, what, kind)
    pid, seconds = out.split()
    # Half a second when idle, and many where others have the processor; not for ever.
    assert float(seconds) < SCRIPT_WAIT / 2
    assert errors == ""
    until(lambda: not os.path.exists(f"/proc/{pid}"))


def test_the_names_that_block_do_not_import_those_that_are_awaited() -> None:
    """grpcio imports asyncio in any case; the package alone does not."""
    out, _ = run_python(
        "import sys, goplugin_py, goplugin_py.aio\n"
        "print('asyncio' in sys.modules, 'grpc' in sys.modules)\n"
        "import goplugin_py.client, goplugin_py.serving\n"
        "print([name for name in sys.modules if name.startswith('goplugin_py.aio.')])"
    )
    assert out.split() == ["False", "False", "[]"]
