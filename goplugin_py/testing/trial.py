"""One run of a runner under test, every step of it bounded."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, NoReturn, Self, TypeVar

from goplugin_py.deadline import Deadline
from goplugin_py.net import directories
from goplugin_py.process.calls import BoundedCalls, NoAnswer, words
from goplugin_py.process.pump import Pump
from goplugin_py.process.runner import ByteStream, Runner, RunnerSpec
from goplugin_py.wire.environ import UNIX_SOCKET_DIR

_READ_SIZE = 64 * 1024
# What a check that has failed gives a runner to end its plugin.
CLEANUP_TIMEOUT = 1.0

_T = TypeVar("_T")


class BrokenContract(AssertionError):
    """A runner that a client could not rely on; the text says which part is broken."""


def fail(message: str) -> NoReturn:
    """End the check."""
    raise BrokenContract(message)


class Guard:
    """Calls what is under test."""

    def __init__(self, timeout: float) -> None:
        self.timeout = timeout
        self._calls = BoundedCalls("goplugin-check")

    def call(self, what: str, function: Callable[[], _T]) -> _T:
        """Return what it returns; anything else that it does is a broken contract."""
        try:
            return self._calls.make(function, self.timeout)
        except NoAnswer as exc:
            raise BrokenContract(
                f"{what} did not return within {self.timeout:g} seconds"
            ) from exc
        except Exception as exc:
            raise BrokenContract(f"{what} raised {words(exc)}") from exc

    def text(self, what: str, get: Callable[[], Any]) -> str:
        """Require a text that is not empty."""
        value = self.call(what, get)
        if not isinstance(value, str) or not value:
            fail(f"{what} must be a str that is not empty, not {value!r:.80}")
        return value


class Life:
    """A plugin from its start, if it has one, to its end, on one thread as in a client.

    The plugin may be tied to that thread.
    """

    def __init__(
        self, wait: Callable[[], Any], start: Callable[[], None] | None = None
    ):
        self._start, self._wait = start, wait
        self._started, self._ended = threading.Event(), threading.Event()
        self._start_failure: BaseException | None = None
        self._failure: BaseException | None = None
        self._status: Any = None
        threading.Thread(target=self._live, name="goplugin-check", daemon=True).start()

    def _live(self) -> None:
        try:
            if self._start is not None:
                self._start()
        except BaseException as exc:  # whatever it is, the check tells
            self._start_failure = exc
            return
        finally:
            self._started.set()
        try:
            self._status = self._wait()
        except BaseException as exc:
            self._failure = exc
        self._ended.set()

    def start(self, timeout: float) -> BaseException | None:
        """Wait for the start; return what it raised."""
        if not self._started.wait(timeout):
            fail(f"start() did not return within {timeout:g} seconds")
        return self._start_failure

    def has_ended(self, timeout: float) -> bool:
        """Wait for the end; return whether it has come."""
        return self._ended.wait(timeout)

    def go_on(self) -> None:
        """Require that the plugin still runs."""
        self._require_no_failure()
        if self._ended.is_set():
            fail("wait() returned while the plugin was running")

    def end(self, timeout: float, when: str) -> int | None:
        """Require that it comes; return the exit status."""
        if not self.has_ended(timeout):
            fail(f"wait() did not return within {timeout:g} seconds {when}")
        self._require_no_failure()
        if self._status is not None and type(self._status) is not int:
            fail(f"wait() returned {self._status!r:.80}, which is no exit status")
        return self._status

    def _require_no_failure(self) -> None:
        if self._failure is not None:
            raise BrokenContract(
                f"wait() raised {words(self._failure)}"
            ) from self._failure


class Output:
    """What a plugin writes to one of its streams."""

    def __init__(self, name: str, stream: ByteStream, timeout: float) -> None:
        self._name = name
        self._timeout = timeout
        if not callable(getattr(stream, "read", None)):
            fail(f"{name} must be a stream to read bytes from, not {stream!r:.80}")
        self._pump = Pump(stream, "goplugin-check")
        self._data = bytearray()
        self._has_ended = False

    def until(self, mark: bytes) -> bytes:
        """Return what comes up to and with a mark, while the plugin runs."""
        deadline = Deadline(self._timeout)
        while mark not in self._data:
            if not self._wait(deadline):
                self._miss(mark)
        end = self._data.index(mark) + len(mark)
        taken = bytes(self._data[:end])
        del self._data[:end]
        return taken

    def _miss(self, mark: bytes) -> NoReturn:
        got = f"{mark!r}, only {bytes(self._data)!r:.200}"
        if self._has_ended:
            fail(f"{self._name} ended before it delivered {got}")
        fail(
            f"{self._name} did not deliver {got}, while the plugin was running: it "
            "must not be held back, and not go to the other stream"
        )

    def rest(self) -> bytes:
        """Return all that follows, up to the end."""
        deadline = Deadline(self._timeout)
        while self._wait(deadline):
            pass
        if not self._has_ended:
            fail(
                f"{self._name} did not end within {self._timeout:g} seconds after the "
                "plugin had ended"
            )
        return bytes(self._data)

    def so_far(self) -> bytes:
        """Return what has come and was not returned yet."""
        with contextlib.suppress(BrokenContract):
            while self._wait(Deadline(0)):
                pass
        return bytes(self._data)

    def _wait(self, deadline: Deadline) -> bool:
        """Take what comes next; return False at the end, or when it is too late."""
        if not select.select([self._pump.outlet], [], [], deadline.remaining())[0]:
            return False
        data = os.read(self._pump.outlet, _READ_SIZE)
        self._data += data
        self._has_ended = not data
        if not data and self._pump.failure is not None:
            fail(
                f"{self._name} can't be read ({words(self._pump.failure)}): it must "
                "return bytes from read(size), and b'' at the end"
            )
        return bool(data)

    def close(self) -> None:
        """Read no more."""
        self._pump.close()


class Trial:
    """A directory for sockets, a plugin that is started once, and all that it says."""

    def __init__(self, factory: Callable[[RunnerSpec], Runner], timeout: float) -> None:
        self._factory = factory
        self.guard = Guard(timeout)
        self._outputs: dict[str, Output] = {}
        self._undo = contextlib.ExitStack()

    def __enter__(self) -> Self:
        self.directory = directories.shared_directory("", "")
        self._undo.callback(shutil.rmtree, self.directory, ignore_errors=True)
        orders = os.path.join(self.directory, "orders")
        os.mkfifo(orders)
        self._orders = os.open(orders, os.O_RDWR)  # which waits for nobody
        self._undo.callback(os.close, self._orders)
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if isinstance(exc, BrokenContract) and (said := self._said()):
            exc.args = (f"{exc}\nstderr so far: {said!r:.400}",)
        self._undo.close()

    def _said(self) -> bytes:
        output = self._outputs.get("stderr")
        return b"" if output is None else output.so_far()

    def listen(self, name: str) -> socket.socket:
        """Listen in the directory."""
        listener = socket.socket(socket.AF_UNIX)
        self._undo.callback(listener.close)
        listener.bind(os.path.join(self.directory, name))
        listener.listen()
        listener.settimeout(self.guard.timeout)
        return listener

    def spec(self, command: Sequence[str], **env: str) -> RunnerSpec:
        """Return what a client would ask for."""
        path = os.environ.get("PATH", os.defpath)
        return RunnerSpec(
            command=command,
            env={"PATH": path, UNIX_SOCKET_DIR: self.directory, **env},
            stdin=subprocess.DEVNULL,
            socket_directory=self.directory,
        )

    def make(self, spec: RunnerSpec) -> Runner:
        """Let the factory make the runner."""
        runner = self.guard.call("the factory", lambda: self._factory(spec))
        require_methods(runner, "start", "wait", "kill", "diagnose")
        require_methods(runner, "plugin_to_host", "host_to_plugin")
        return runner

    def start(self, spec: RunnerSpec) -> Runner:
        """Start the plugin, and take its streams."""
        runner, failure = self.try_start(spec)
        if failure is not None:
            raise BrokenContract(f"start() raised {words(failure)}") from failure
        return runner

    def try_start(self, spec: RunnerSpec) -> tuple[Runner, BaseException | None]:
        """Do that, unless the runner says that it can't."""
        runner = self.make(spec)
        self.life = Life(runner.wait, runner.start)
        failure = self.life.start(self.guard.timeout)
        if failure is None:
            self._undo.callback(self._clean_up, runner)
            self.guard.text("name", lambda: runner.name)
            self.guard.text("id", lambda: runner.id)
            self._take("stderr", lambda: runner.stderr)
            self._take("stdout", lambda: runner.stdout)
        return runner, failure

    @property
    def stdout(self) -> Output:
        """What the plugin writes to stdout."""
        return self._outputs["stdout"]

    @property
    def stderr(self) -> Output:
        """What the plugin writes to stderr."""
        return self._outputs["stderr"]

    def _take(self, name: str, get: Callable[[], ByteStream]) -> None:
        output = Output(name, self.guard.call(name, get), self.guard.timeout)
        self._undo.callback(output.close)
        self._outputs[name] = output

    def order(self) -> None:
        """Let the plugin go on."""
        os.write(self._orders, b"go\n")

    def _clean_up(self, runner: Runner) -> None:
        if not self.life.has_ended(0):
            self.order()  # whatever becomes of kill()
            with contextlib.suppress(BrokenContract):
                Guard(CLEANUP_TIMEOUT).call("kill()", runner.kill)
            self.life.has_ended(CLEANUP_TIMEOUT)


def require_methods(runner: object, *names: str) -> None:
    """Require that an object has methods."""
    for name in names:
        if not callable(getattr(runner, name, None)):
            fail(f"{runner!r:.80} has no method {name}()")
