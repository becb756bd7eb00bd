"""The check of runners: good ones pass, and each broken part is told by its name."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from goplugin_py import Address, CommandRunner, PidRunner, RunnerSpec
from goplugin_py.testing import BrokenContract, check_attached_runner, check_runner
from tests.peers import run_python, until
from tests.runners import PlainRunner, Tampered, tampered

# A step of a broken runner takes this long to fail, one of a good one milliseconds.
TIMEOUT = 2.0


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    yield
    until(lambda: "goplugin-check" not in [t.name for t in threading.enumerate()])


@pytest.mark.parametrize("runner", [PlainRunner, CommandRunner])
def test_a_good_runner_passes(runner: Any) -> None:
    check_runner(runner)


def test_the_check_works_without_pytest() -> None:
    run_python(
        "from goplugin_py import CommandRunner\n"
        "from goplugin_py.testing import check_runner\n"
        "check_runner(CommandRunner)"
    )


def shell(script: str) -> Callable[[RunnerSpec], CommandRunner]:
    """Return a runner that runs the plugin below a shell script, as "$@"."""

    def make(spec: RunnerSpec) -> CommandRunner:
        return CommandRunner(
            spec, command=["/bin/sh", "-c", script, "sh", *spec.command]
        )

    return make


def unshared(spec: RunnerSpec) -> CommandRunner:
    """A runner that forgets to share the socket directory."""
    return CommandRunner(spec, sockets_at="/nonexistent")


def joined(spec: RunnerSpec) -> CommandRunner:
    """A runner that passes the arguments through a shell."""
    return CommandRunner(spec, command=["/bin/sh", "-c", " ".join(spec.command)])


class Filtered:
    """A stream that changes what it carries."""

    def __init__(self, stream: Any, change: Callable[[bytes], bytes]) -> None:
        self._stream = stream
        self._change = change
        self.close = stream.close

    def read(self, size: int) -> bytes:
        while data := self._stream.read(size // 2):
            if changed := self._change(data):
                return changed
        return b""


class Late(Filtered):
    """A stream that carries nothing before its end."""

    def read(self, size: int) -> bytes:
        data: bytes = self._stream.readall()
        return data


def filtering(
    change: Callable[[bytes], bytes], kind: type[Filtered] = Filtered
) -> type[Tampered]:
    return tampered(stdout=lambda runner: kind(runner.process.stdout, change))


def as_a_terminal(data: bytes) -> bytes:
    return data.replace(b"\n", b"\r\n")


def without_zeros(data: bytes) -> bytes:
    return data.replace(b"0" * 200, b"")


def without_escapes(data: bytes) -> bytes:
    return data.replace(b"\033", b"^[")


@pytest.mark.parametrize(
    ("runner", "message"),
    [
        (joined, "spec.command did not arrive unchanged"),
        (shell('"$1" "$2" "$3" "$4" "$5 "'), "spec.command did not arrive unchanged"),
        (
            shell('GOPLUGIN_CHECK=$(echo $GOPLUGIN_CHECK) "$@"'),
            "spec.env did not arrive unchanged.*values may have several lines",
        ),
        (shell('unset GOPLUGIN_CHECK; "$@"'), "spec.env did not arrive unchanged"),
        (unshared, "does not find in its PLUGIN_UNIX_SOCKET_DIR, which is /nonexist"),
        (
            filtering(as_a_terminal),
            "stdout was changed on its way: is there a terminal",
        ),
        (shell('"$@" 2>&1'), r"stderr did not deliver b'a complaint\\n', only b''"),
        (shell('echo hello >&2; "$@"'), "stderr was changed on its way: b'hello"),
        (filtering(bytes, Late), "stdout did not deliver b'ready ', only b''"),
        (shell('"$@"; exit 0'), r"wait\(\) returned 0, .* exit status was 7"),
        (shell('"$@"; exit 3'), r"wait\(\) returned 3, .* exit status was 7"),
        (filtering(without_zeros), r"stdout lost its end: \d+ of 200006 bytes"),
        (filtering(without_escapes), "stdout was changed on its way: b"),
    ],
    ids=[
        "joins the command",
        "changes an argument",
        "folds a variable",
        "drops a variable",
        "does not share the directory",
        "is a terminal",
        "mixes the streams",
        "adds to stderr",
        "holds back stdout",
        "loses the status",
        "has a status of its own",
        "loses output",
        "changes bytes",
    ],
)
def test_a_command_that_does_not_pass_everything_is_told(
    runner: Any, message: str
) -> None:
    with pytest.raises(BrokenContract, match=message):
        check_runner(runner, timeout=TIMEOUT)


def raising(*_: object) -> Any:
    raise OSError("no such engine")


def forever(*_: object) -> Any:
    threading.Event().wait(3 * TIMEOUT)


class Held:
    """A stream that never ends."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def read(self, size: int) -> bytes:
        data: bytes = self._stream.read(size)
        if not data:
            forever()
        return data

    def close(self) -> None:
        self._stream.close()


class Texts(Held):
    """A stream of the wrong kind."""

    def read(self, size: int) -> Any:
        return super().read(size).decode(errors="replace")


def elsewhere(address: Address) -> Address:
    return Address.unix("/nonexistent/plugin")


def once(method: str) -> Callable[[Tampered], Callable[[], Any]]:
    """Return a change of a method that fails when it is called again."""
    called: set[int] = set()

    def change(runner: Tampered) -> Callable[[], Any]:
        def call() -> Any:
            if id(runner) in called or runner.process.poll() is not None:
                raise ProcessLookupError("no such process")
            called.add(id(runner))
            getattr(runner.process, method)()

        return call

    return change


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"start": lambda runner: raising}, r"start\(\) raised OSError: no such eng"),
        ({"start": lambda runner: forever}, r"start\(\) did not return within 2 sec"),
        ({"name": lambda runner: ""}, "name must be a str that is not empty, not ''"),
        ({"id": lambda runner: 7}, "id must be a str that is not empty, not 7"),
        ({"id": raising}, "id raised OSError"),
        ({"stdout": lambda runner: 1}, "stdout must be a stream to read bytes from"),
        (
            {"stdout": lambda runner: Texts(runner.process.stdout)},
            r"stdout can't be read \(TypeError.*must return bytes from read",
        ),
        (
            {"stdout": lambda runner: Held(runner.process.stdout)},
            "stdout did not end within 2 seconds after",
        ),
        (
            {"stderr": lambda runner: Held(runner.process.stderr)},
            "stderr did not end within 2 seconds after",
        ),
        ({"wait": lambda runner: None}, r"has no method wait\(\)"),
        ({"wait": lambda runner: lambda: 7}, r"wait\(\) returned while the plugin"),
        ({"wait": lambda runner: raising}, r"wait\(\) raised OSError"),
        ({"wait": lambda runner: forever}, r"wait\(\) did not return within 2 seconds"),
        (
            {"wait": lambda runner: lambda: str(runner.process.wait())},
            r"wait\(\) returned '7', which is no exit status",
        ),
        (
            {"wait": lambda runner: lambda: abs(runner.process.wait()) % 9},
            r"wait\(\) returned 0 after kill\(\), which says that all was well",
        ),
        ({"kill": lambda runner: raising}, r"kill\(\) .*raised OSError"),
        ({"kill": once("poll")}, r"kill\(\) of a plugin that has ended raised Process"),
        (
            {"kill": lambda runner: lambda: None},
            r"wait\(\) did not return within 2 seconds after kill\(\)",
        ),
        (
            {"kill": lambda runner: runner.wait},
            r"kill\(\) did not return within 2 seconds",
        ),
        ({"diagnose": lambda runner: lambda: "bad"}, r"diagnose\(\) must return a li"),
        ({"diagnose": lambda runner: raising}, r"diagnose\(\) raised OSError"),
        (
            {"plugin_to_host": lambda runner: elsewhere},
            r"plugin_to_host\(\S+\) returned unix:/nonexistent/plugin, where the host",
        ),
        (
            {"plugin_to_host": lambda runner: lambda address: address.text},
            r"plugin_to_host\(\S+\) returned '\S+', which is no Address",
        ),
        ({"plugin_to_host": lambda runner: raising}, r"plugin_to_host\(\S+\) raised"),
        (
            {"host_to_plugin": lambda runner: elsewhere},
            r"host_to_plugin\(\S+\) returned \S+, but the plugin finds it at",
        ),
    ],
    ids=[
        *("start raises", "start blocks", "no name", "a number for an id"),
        *("id raises", "a descriptor for a stream", "a stream of text"),
        *("stdout without an end", "stderr without an end", "no wait"),
        *("wait returns at once", "wait raises", "wait blocks", "a text for a status"),
        *("success for a kill", "kill raises", "kill raises afterwards"),
        *("kill does nothing", "kill blocks", "a text for a diagnosis"),
        *("diagnose raises", "a wrong path to the host", "a text for an address"),
        *("no path to the host", "a wrong path to the plugin"),
    ],
)
def test_a_broken_member_is_told(changes: dict[str, Any], message: str) -> None:
    made: list[Tampered] = []

    def make(spec: RunnerSpec) -> Any:
        made.append(tampered(**changes)(spec))
        return made[-1]

    with pytest.raises(BrokenContract, match=message):
        check_runner(make, timeout=TIMEOUT)
    for runner in made:
        runner.sweep()


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        (raising, "the factory raised OSError: no such engine"),
        (forever, "the factory did not return within 2 seconds"),
        (lambda spec: None, r"None has no method start\(\)"),
    ],
    ids=["raises", "blocks", "makes nothing"],
)
def test_a_broken_factory_is_told(factory: Any, message: str) -> None:
    with pytest.raises(BrokenContract, match=message):
        check_runner(factory, timeout=TIMEOUT)


def test_a_runner_that_starts_nothing_for_a_missing_program_is_told() -> None:
    """Such as one that waits for a container that never comes."""
    script = 'if [ -e "$1" ]; then exec "$@"; else exec sleep 60; fi'
    made: list[CommandRunner] = []

    def make(spec: RunnerSpec) -> CommandRunner:
        made.append(shell(script)(spec))
        return made[-1]

    with pytest.raises(BrokenContract, match="a program that does not exist"):
        check_runner(make, timeout=TIMEOUT)
    made[-1].kill()
    with made[-1]._process:
        pass


def test_what_the_runner_says_on_stderr_is_part_of_the_error() -> None:
    runner = shell("echo 'docker: no such image' >&2; exit 125")
    with pytest.raises(BrokenContract) as caught:
        check_runner(runner)
    assert str(caught.value).splitlines() == [
        "stdout ended before it delivered b'ready ', only b''",
        r"stderr so far: b'docker: no such image\n'",
    ]


def test_nothing_of_a_runner_that_fails_is_left() -> None:
    before = len(os.listdir("/proc/self/fd"))
    made: list[CommandRunner] = []

    def make(spec: RunnerSpec) -> CommandRunner:
        made.append(shell('echo hello >&2; "$@"')(spec))
        return made[-1]

    with pytest.raises(BrokenContract, match="stderr was changed"):
        check_runner(make)
    assert made[0]._process.wait(TIMEOUT) is not None
    assert not os.path.exists(made[0]._spec.socket_directory)
    until(lambda: len(os.listdir("/proc/self/fd")) <= before)


# Attached runners


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process
        process.kill()


def test_a_runner_that_attaches_to_a_process_passes(
    sleeper: subprocess.Popen[bytes],
) -> None:
    check_attached_runner(lambda: PidRunner(sleeper.pid))
    assert sleeper.wait() == -signal.SIGKILL


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"id": ""}, "id must be a str that is not empty"),
        ({"wait": forever}, r"wait\(\) did not return within 2 seconds after kill\(\)"),
        ({"wait": raising}, r"wait\(\) raised OSError"),
        ({"kill": raising}, r"kill\(\) raised OSError"),
        ({"kill": lambda: None}, r"wait\(\) did not return within 2 seconds after"),
        ({"host_to_plugin": None}, r"has no method host_to_plugin\(\)"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_broken_attached_runner_is_told(
    change: dict[str, Any], message: str, sleeper: subprocess.Popen[bytes]
) -> None:
    def attach() -> Any:
        runner = PidRunner(sleeper.pid)
        runner.__dict__.update(change)
        return runner

    with pytest.raises(BrokenContract, match=message):
        check_attached_runner(attach, timeout=TIMEOUT)
    sleeper.kill()
