"""Whether a runner does what a client relies on.

A shell script takes the plugin's place. It tells what reached it, moves a socket that
the host has made in the shared directory, waits for an order there, writes more than a
pipe holds, and ends with a status of its own.
"""

from __future__ import annotations

import os
import posixpath
import signal
import socket
from collections.abc import Callable

from goplugin_py.net.sockets import connect
from goplugin_py.process.calls import words
from goplugin_py.process.runner import AttachedRunner, Runner, RunnerSpec
from goplugin_py.testing.trial import (
    Guard,
    Life,
    Trial,
    fail,
    require_methods,
)
from goplugin_py.wire.address import Address

TIMEOUT = 10.0
STATUS = 7
# Arguments are not for a shell, and the host's certificate has several lines.
ARGUMENT = "a b; $HOME 'c' \"d\" *"
VALUE = "first line\nsecond = line; $HOME 'c'"
MUCH = b"0" * 200_000
BYTES = b"\0\r\n\xff\x1b\n"  # what a terminal would change
SCRIPT = r"""
printf '%s\n' "$1" "$GOPLUGIN_CHECK" "$PLUGIN_UNIX_SOCKET_DIR"
printf 'a complaint\n' >&2
mv "$PLUGIN_UNIX_SOCKET_DIR/from-host" "$PLUGIN_UNIX_SOCKET_DIR/from-plugin"
printf 'ready %s\n' "$?"
read -r order <"$PLUGIN_UNIX_SOCKET_DIR/orders"
count=0
while [ "$count" -lt 1000 ]; do printf '%0200d' 0; count=$((count + 1)); done
printf '\000\015\012\377\033\012'
exit 7
"""
IDLE = 'printf "ready\\n"; read -r order <"$PLUGIN_UNIX_SOCKET_DIR/orders"'
NOWHERE = "/nonexistent/goplugin-check"


def check_runner(
    factory: Callable[[RunnerSpec], Runner], *, timeout: float = TIMEOUT
) -> None:
    """Check a runner, by three plugins: one that ends, one to kill, one that is not.

    It must run the command that it is given, which is a script for `/bin/sh`.

    Args:
        factory: What `ClientConfig.runner` would be.
        timeout: Seconds for each step.

    Raises:
        BrokenContract: It does not keep to the contract of `Runner`.
    """
    for check in (_check_life, _check_kill, _check_failure):
        with Trial(factory, timeout) as trial:
            check(trial)


def check_attached_runner(
    attach: Callable[[], AttachedRunner], *, timeout: float = TIMEOUT
) -> None:
    """Check a runner that attaches to a plugin, by killing that.

    Args:
        attach: Returns the runner of a plugin that runs.
        timeout: Seconds for each step.

    Raises:
        BrokenContract: It does not keep to the contract of `AttachedRunner`.
    """
    guard = Guard(timeout)
    runner = guard.call("what attaches", attach)
    require_methods(runner, "wait", "kill", "plugin_to_host", "host_to_plugin")
    guard.text("id", lambda: runner.id)
    life = Life(runner.wait)
    life.go_on()
    _check_end_by_force(guard, runner, life)


def _check_life(trial: Trial) -> None:
    listener = trial.listen("from-host")
    command = ["/bin/sh", "-c", SCRIPT, "sh", ARGUMENT]
    runner = trial.start(trial.spec(command, GOPLUGIN_CHECK=VALUE))
    inside = _check_head(trial.stdout.until(b"ready "))
    if trial.stdout.until(b"\n") != b"0\n":
        fail(
            "the plugin does not find in its PLUGIN_UNIX_SOCKET_DIR, which is "
            f"{inside}, what the host has made in spec.socket_directory, or may not "
            "write there"
        )
    if (complaint := trial.stderr.until(b"a complaint\n")) != b"a complaint\n":
        fail(f"stderr was changed on its way: {complaint!r:.200}")
    _check_addresses(trial, runner, inside, listener)
    _check_notes(trial, runner)
    trial.life.go_on()
    _check_end(trial, runner)


def _check_head(head: bytes) -> str:
    """Check what reached the plugin; return where it has the socket directory."""
    text = head.decode(errors="backslashreplace").removesuffix("ready ")
    if "\r" in text:
        fail(f"stdout was changed on its way: is there a terminal? {text!r:.200}")
    if not text.startswith(f"{ARGUMENT}\n"):
        fail(
            f"spec.command did not arrive unchanged: the argument {ARGUMENT!r} came "
            f"as {text!r:.200}"
        )
    rest = text.removeprefix(f"{ARGUMENT}\n")
    if not rest.startswith(f"{VALUE}\n"):
        fail(
            f"spec.env did not arrive unchanged: {VALUE!r} came as {rest!r:.200}; "
            "values may have several lines"
        )
    return rest.removeprefix(f"{VALUE}\n").removesuffix("\n")


def _check_addresses(
    trial: Trial, runner: Runner, inside: str, listener: socket.socket
) -> None:
    theirs = Address.unix(posixpath.join(inside, "from-plugin"))
    ours = _translated(trial, "plugin_to_host", runner.plugin_to_host, theirs)
    try:
        connect(ours, trial.guard.timeout).close()
        listener.accept()[0].close()
    except OSError as exc:
        fail(
            f"plugin_to_host({theirs}) returned {ours}, where the host does not reach "
            f"the plugin's socket ({words(exc)})"
        )
    made = Address.unix(os.path.join(trial.directory, "from-host"))
    expected = Address.unix(posixpath.join(inside, "from-host"))
    found = _translated(trial, "host_to_plugin", runner.host_to_plugin, made)
    if found != expected:
        fail(
            f"host_to_plugin({made}) returned {found}, but the plugin finds it at "
            f"{expected}"
        )


def _translated(
    trial: Trial,
    name: str,
    translate: Callable[[Address], Address],
    address: Address,
) -> Address:
    what = f"{name}({address})"
    found = trial.guard.call(what, lambda: translate(address))
    if not isinstance(found, Address):
        fail(f"{what} returned {found!r:.80}, which is no Address")
    return found


def _check_notes(trial: Trial, runner: Runner) -> None:
    notes = trial.guard.call("diagnose()", runner.diagnose)
    is_list = isinstance(notes, list | tuple)
    if not is_list or not all(isinstance(note, str) for note in notes):
        fail(f"diagnose() must return a list of sentences, not {notes!r:.80}")


def _check_end(trial: Trial, runner: Runner) -> None:
    trial.order()
    tail = trial.stdout.rest()
    if len(tail) < len(MUCH + BYTES):
        fail(
            f"stdout lost its end: {len(tail)} of {len(MUCH + BYTES)} bytes came that "
            "the plugin wrote before it ended"
        )
    if tail != MUCH + BYTES:
        fail(f"stdout was changed on its way: {BYTES!r} came as {tail[-20:]!r}")
    trial.stderr.rest()
    status = trial.life.end(trial.guard.timeout, "after the plugin had ended")
    if status not in (STATUS, None):
        fail(f"wait() returned {status}, and the plugin's exit status was {STATUS}")
    trial.guard.call("kill() of a plugin that has ended", runner.kill)


def _check_kill(trial: Trial) -> None:
    runner = trial.start(trial.spec(["/bin/sh", "-c", IDLE]))
    trial.stdout.until(b"ready\n")
    _check_end_by_force(trial.guard, runner, trial.life)
    trial.stdout.rest()
    trial.stderr.rest()


def _check_end_by_force(guard: Guard, runner: AttachedRunner, life: Life) -> None:
    guard.call("kill()", runner.kill)
    status = life.end(guard.timeout, "after kill()")
    if status == 0:
        fail(
            "wait() returned 0 after kill(), which says that all was well: it must be "
            f"{-signal.SIGKILL:d}, another status, or None"
        )
    guard.call("kill() of a plugin that has ended", runner.kill)


def _check_failure(trial: Trial) -> None:
    _, failure = trial.try_start(trial.spec([NOWHERE]))
    if failure is None and not trial.life.has_ended(trial.guard.timeout):
        fail(
            f"a program that does not exist ({NOWHERE}) was started: start() must "
            "raise, or the plugin end"
        )
