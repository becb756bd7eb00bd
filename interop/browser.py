"""Drives a headless Chromium by its DevTools protocol, over a pair of pipes.

That needs no driver program and no package: a command is a line of JSON, as is an
answer or an event (https://chromedevtools.github.io/devtools-protocol).
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

# What the program is called: on Debian, on others, as Google ships it, on macOS.
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
INSTALL = "apt-get install chromium (or brew install --cask chromium)"
# Starting takes a second on an idle machine, each answer milliseconds.
WAIT = 60.0

# What would let the browser talk to anyone, or ask for anything. Without a sandbox,
# because root, as in a container, can have none; the page is our own.
OPTIONS = (
    *("--headless", "--no-sandbox", "--remote-debugging-pipe", "--disable-gpu"),
    *("--no-first-run", "--disable-background-networking", "--disable-extensions"),
    *("--disable-sync", "--disable-dev-shm-usage", "--hide-scrollbars"),
)
# The browser reads commands from the descriptor 3, and writes answers to 4. Which of
# the two ours are is not known, so they move out of the way first.
LAUNCH = """
import fcntl, os, sys
commands, answers = (fcntl.fcntl(int(n), fcntl.F_DUPFD, 10) for n in sys.argv[1:3])
os.dup2(commands, 3)
os.dup2(answers, 4)
os.execv(sys.argv[3], sys.argv[3:])
"""

KEYS = {"ArrowRight": 39, "ArrowDown": 40, "Enter": 13, "Escape": 27, "/": 191}


class BrowserMissing(Exception):
    """There is no Chromium on PATH; the text says how to get one."""


def find(path: str | None = None) -> str:
    """Return the browser's program.

    Raises:
        BrowserMissing: There is none.
    """
    for name in NAMES:
        if found := shutil.which(name, path=path):
            return found
    raise BrowserMissing(
        f"no browser on PATH (tried {', '.join(NAMES)}): install one with {INSTALL}"
    )


class Page:
    """One page, and all that it complains of."""

    def __init__(self, send: Callable[..., Any], complaints: list[str]) -> None:
        self._send = send
        self.complaints = complaints
        """Uncaught exceptions, and what is in the console."""

    def __call__(self, script: str) -> Any:
        """Evaluate an expression; return what it comes to."""
        answer = self._send("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in answer, (script, answer)
        return answer["result"].get("value")

    def until(self, script: str) -> None:
        """Wait until an expression is true."""
        end = time.monotonic() + WAIT
        while not self(script):
            assert time.monotonic() < end, f"it did not come true: {script}"

    def press(self, key: str) -> None:
        """Press a key as a user does, which moves the focus, too."""
        code = KEYS[key]
        text = {"Enter": "\r", "/": "/"}.get(key, "")
        named = {"key": key, "windowsVirtualKeyCode": code, "text": text}
        self._send("Input.dispatchKeyEvent", type="keyDown", **named)
        self._send("Input.dispatchKeyEvent", type="keyUp", **named)

    def write(self, text: str) -> None:
        """Type a text into what has the focus."""
        self._send("Input.insertText", text=text)

    def prefer(self, scheme: str) -> None:
        """Make the user one who prefers `light` or `dark`."""
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self._send("Emulation.setEmulatedMedia", features=[feature])


@contextlib.contextmanager
def started() -> Iterator[Browser]:
    """Start a browser, whose processes all end here.

    Raises:
        BrowserMissing: There is none.
    """
    directory = tempfile.TemporaryDirectory(prefix="browser-", dir="/tmp")
    with directory as profile, _process(profile) as browser:
        yield browser


@contextlib.contextmanager
def _process(profile: str) -> Iterator[Browser]:
    commands_out, commands = os.pipe()
    answers, answers_in = os.pipe()
    program = [find(), *OPTIONS, f"--user-data-dir={profile}", "about:blank"]
    launch = [sys.executable, "-ISc", LAUNCH, str(commands_out), str(answers_in)]
    with (
        open(commands, "wb", buffering=0) as writing,
        open(answers, "rb", buffering=0) as reading,
        subprocess.Popen(
            [*launch, *program],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(commands_out, answers_in),
            start_new_session=True,
            env={**os.environ, "HOME": profile},
        ) as process,
    ):
        os.close(commands_out)
        os.close(answers_in)
        try:
            yield Browser(writing, reading)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


class Browser:
    """Sends commands and receives their answers; between them come events."""

    def __init__(self, writing: Any, reading: Any) -> None:
        self._writing = writing
        self._reading = reading
        self._received = b""
        self._numbers = itertools.count(1)
        self._complaints: list[str] = []

    def open(self, url: str) -> Page:
        """Open a page, and wait until it is there."""
        self._complaints = []
        target = self._send("Target.createTarget", url="about:blank")["targetId"]
        attached = self._send("Target.attachToTarget", targetId=target, flatten=True)
        session = attached["sessionId"]

        def send(method: str, **params: Any) -> Any:
            return self._send(method, session, **params)

        for domain in ("Page", "Runtime", "Log"):
            send(f"{domain}.enable")
        send("Page.navigate", url=url)
        page = Page(send, self._complaints)
        page.until(f"location.href == {url!r} && document.readyState == 'complete'")
        return page

    def _send(self, method: str, session: str | None = None, **params: Any) -> Any:
        number = next(self._numbers)
        command = {"id": number, "method": method, "params": params}
        if session is not None:
            command["sessionId"] = session
        self._writing.write(json.dumps(command).encode() + b"\0")
        while (message := self._receive()).get("id") != number:
            self._note(message)
        assert "error" not in message, (method, message)
        return message["result"]

    def _receive(self) -> dict[str, Any]:
        end = time.monotonic() + WAIT
        while b"\0" not in self._received:
            left = end - time.monotonic()
            ready, _, _ = select.select([self._reading], [], [], max(left, 0))
            assert ready, "the browser does not answer"
            data = self._reading.read(1 << 16)
            assert data, "the browser has ended"
            self._received += data
        line, _, self._received = self._received.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        return message

    def _note(self, event: Mapping[str, Any]) -> None:
        kinds = (
            "Runtime.exceptionThrown",
            "Runtime.consoleAPICalled",
            "Log.entryAdded",
        )
        if event.get("method") in kinds:
            self._complaints.append(json.dumps(event["params"]))
