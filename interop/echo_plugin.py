"""The Echo plugin in Python: `python -m interop.echo_plugin`, for hosts under test.

It does what proto/echo.proto says, as the Go plugin does. Variables change it:

    ECHO_VERSIONS     these protocol versions, "2,3", instead of 1
    ECHO_NETWORK      tcp instead of unix
    ECHO_MAX_WORKERS  how many calls run at once
    ECHO_LOG          structlog instead of logging; basicConfig: logging as text
    ECHO_PRINT        libc or child: who prints, instead of Python
    ECHO_TLS          a PEM file with a certificate and its key to serve with
    ECHO_SLEEP        stubborn: a sleep that no cancellation ends
    ECHO_UNARY        what Unary does besides; see `EFFECTS`
"""

from __future__ import annotations

import ctypes
import hashlib
import importlib
import logging
import os
import signal
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NoReturn

import grpc
from google.protobuf.any_pb2 import Any
from google.protobuf.wrappers_pb2 import StringValue

from goplugin_py import HandshakeConfig, Plugin, ServeConfig, hclog, serve
from interop.echo_pb2 import (
    CrashRequest,
    EnvReply,
    EnvRequest,
    FailRequest,
    LogRequest,
    MetadataReply,
    Payload,
    PrintRequest,
    SleepRequest,
    StreamRequest,
    Summary,
)
from interop.echo_pb2_grpc import EchoServicer, add_EchoServicer_to_server

HANDSHAKE = HandshakeConfig(1, "ECHO_PLUGIN", "5f0c1a5e")
COMMAND = (sys.executable, "-m", "interop.echo_plugin")

STATUS_CODES: Mapping[int, grpc.StatusCode] = {
    code.value[0]: code for code in grpc.StatusCode
}
LEVELS: Mapping[str, int] = {level.label: level for level in hclog.Level}

# `serve` removes what the host said to this process alone.
STARTED_WITH = dict(os.environ)

_VARIANT = {
    name: os.environ.get(f"ECHO_{name}", "")
    for name in (
        "VERSIONS",
        "NETWORK",
        "MAX_WORKERS",
        "LOG",
        "PRINT",
        "SLEEP",
        "TLS",
        "UNARY",
    )
}

_log = logging.getLogger("echo")


class Echo(EchoServicer):
    """Implements proto/echo.proto."""

    def Unary(self, request: Payload, context: grpc.ServicerContext) -> Payload:
        EFFECTS[_VARIANT["UNARY"]]()
        return request

    def ServerStream(
        self, request: StreamRequest, context: grpc.ServicerContext
    ) -> Iterator[Payload]:
        if request.count < 0 or request.size < 0:
            invalid = "count and size must not be negative"
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, invalid)
        data = bytes(request.size)
        for number in range(request.count):
            yield Payload(data=data, number=number)

    def ClientStream(
        self, request_iterator: Iterable[Payload], context: grpc.ServicerContext
    ) -> Summary:
        digest = hashlib.sha256()
        messages = size = 0
        for payload in request_iterator:
            digest.update(payload.data)
            messages += 1
            size += len(payload.data)
        return Summary(messages=messages, bytes=size, sha256=digest.digest())

    def Bidi(
        self, request_iterator: Iterable[Payload], context: grpc.ServicerContext
    ) -> Iterator[Payload]:
        yield from request_iterator

    def Fail(self, request: FailRequest, context: grpc.ServicerContext) -> Payload:
        if request.code == grpc.StatusCode.OK.value[0]:
            return Payload()
        if request.detail:
            context.set_trailing_metadata(status_details(request))
        return context.abort(STATUS_CODES[request.code], request.message)

    def Sleep(self, request: SleepRequest, context: grpc.ServicerContext) -> Payload:
        ended = threading.Event()
        if not is_stubborn() and not context.add_callback(ended.set):
            return Payload()
        _log.debug("sleeping")
        ended.wait(request.seconds)
        return Payload()

    def Metadata(
        self, request: Payload, context: grpc.ServicerContext
    ) -> MetadataReply:
        received = received_metadata(context.invocation_metadata())
        if echo := received.get("x-echo"):
            context.send_initial_metadata((("x-initial", echo),))
            context.set_trailing_metadata((("x-trailing", echo),))
        return MetadataReply(received=received)

    def Print(self, request: PrintRequest, context: grpc.ServicerContext) -> Payload:
        repeat = max(request.repeat, 1)
        if _VARIANT["PRINT"] == "child":
            _print_in_child(request.stdout * repeat, request.stderr * repeat)
            return Payload()
        write = _write_raw if request.raw_fd else WRITERS[_VARIANT["PRINT"]]
        for _ in range(repeat):
            write(1, request.stdout)
            write(2, request.stderr)
        return Payload()

    def Log(self, request: LogRequest, context: grpc.ServicerContext) -> Payload:
        if request.level not in LEVELS:
            unknown = f'unknown level "{request.level}"'
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, unknown)
        log = _log_structlog if _VARIANT["LOG"] == "structlog" else _log_stdlib
        log(request)
        return Payload()

    def Crash(self, request: CrashRequest, context: grpc.ServicerContext) -> Payload:
        crash(request)
        context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"unknown kind {request.kind}")

    def Env(self, request: EnvRequest, context: grpc.ServicerContext) -> EnvReply:
        known = {n: STARTED_WITH[n] for n in request.names if n in STARTED_WITH}
        return EnvReply(values=known)


def is_stubborn() -> bool:
    return _VARIANT["SLEEP"] == "stubborn"


def received_metadata(metadata: Iterable[tuple[str, str | bytes]]) -> dict[str, str]:
    received: dict[str, str] = {}
    for key, value in metadata:
        if key.startswith("x-"):
            text = value if isinstance(value, str) else value.decode()
            received[key] = f"{received[key]},{text}" if key in received else text
    return received


def crash(request: CrashRequest) -> None:
    if request.kind == CrashRequest.EXIT:
        os._exit(request.status)
    if request.kind == CrashRequest.PANIC:
        os.abort()
    if request.kind == CrashRequest.SIGKILL:
        os.kill(os.getpid(), signal.SIGKILL)


def status_details(request: FailRequest) -> tuple[tuple[str, bytes]]:
    """Encode a google.rpc.Status, whose package is none of the dependencies.

    FailRequest has the same first two fields; the third is a list of Any.
    """
    packed = Any()
    packed.Pack(StringValue(value=request.detail))
    data = packed.SerializeToString()
    assert len(data) < 1 << 14
    length = bytes([len(data) & 0x7F | 0x80, len(data) >> 7])
    start = FailRequest(code=request.code, message=request.message).SerializeToString()
    return (("grpc-status-details-bin", start + b"\x1a" + length + data),)


# Print


def _write_stream(fd: int, data: bytes) -> None:
    stream = sys.stdout if fd == 1 else sys.stderr
    stream.buffer.write(data)
    stream.flush()


def _write_raw(fd: int, data: bytes) -> None:
    while data:
        data = data[os.write(fd, data) :]


def _write_libc(fd: int, data: bytes) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.fdopen.restype = ctypes.c_void_p
    file = ctypes.c_void_p(libc.fdopen(libc.dup(fd), b"w"))
    libc.fwrite(data, 1, len(data), file)
    libc.fclose(file)


def _print_in_child(stdout: bytes, stderr: bytes) -> None:
    subprocess.run(["/bin/cat"], input=stdout, check=True)
    subprocess.run(["/bin/sh", "-c", "cat >&2"], input=stderr, check=True)


WRITERS = {"": _write_stream, "libc": _write_libc}


# Log


def _log_stdlib(request: LogRequest) -> None:
    logger = logging.getLogger(request.module or None)
    logger.log(LEVELS[request.level], request.message, extra=dict(request.pairs))


def _log_structlog(request: LogRequest) -> None:
    import structlog  # the other variants start faster without

    logger = structlog.get_logger(*filter(None, [request.module]))
    getattr(logger, request.level)(request.message, **request.pairs)


# What Unary can do besides


def _fail() -> NoReturn:
    raise RuntimeError("a bug in the plugin")


def _fail_in_thread() -> None:
    thread = threading.Thread(target=_fail, name="buggy")
    thread.start()
    thread.join()


class _BadEnd:
    def __del__(self) -> None:
        _fail()


def _fail_unraisably() -> None:
    _BadEnd()


def _chatter() -> None:
    """Print without end, as a plugin with a progress bar may."""

    def chatter() -> None:
        while True:
            sys.stdout.write("x" * 1000 + "\n")

    threading.Thread(target=chatter, daemon=True).start()


def _spawn() -> None:
    subprocess.Popen(["sleep", "60"], close_fds=False)


def _fork() -> None:
    """Fork a child that waits, and require that SIGTERM ends it."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, b"\0")
        signal.pause()
    os.close(writing)  # or a child that crashes would be waited for
    os.read(reading, 1)
    os.kill(child, signal.SIGTERM)
    _, status = os.waitpid(child, 0)
    if os.waitstatus_to_exitcode(status) != -signal.SIGTERM:
        raise RuntimeError(f"the child ended with {status}")


EFFECTS: Mapping[str, Callable[[], None]] = {
    "": lambda: None,
    "raise": _fail,
    "raise-in-thread": _fail_in_thread,
    "raise-in-del": _fail_unraisably,
    "chatter": _chatter,
    "spawn": _spawn,
    "fork": _fork,
    "SIGINT": lambda: os.kill(os.getpid(), signal.SIGINT),
    "SIGTERM": lambda: os.kill(os.getpid(), signal.SIGTERM),
}


def make_config() -> ServeConfig:
    """Make the configuration that the variables ask for."""
    plugins = {"echo": Plugin.from_servicer(add_EchoServicer_to_server, Echo())}
    versions = [int(item) for item in _VARIANT["VERSIONS"].split(",") if item]
    return ServeConfig(
        handshake=HANDSHAKE,
        plugins=None if versions else plugins,
        versioned_plugins=dict.fromkeys(versions, plugins) if versions else None,
        tls=_tls if _VARIANT["TLS"] else None,
        network="tcp" if _VARIANT["NETWORK"] == "tcp" else "unix",
        max_workers=int(_VARIANT["MAX_WORKERS"] or 10),
    )


def _tls() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(_VARIANT["TLS"])
    context.set_alpn_protocols(["h2"])
    return context


def prepare_log() -> None:
    if _VARIANT["LOG"] == "structlog":
        importlib.import_module("structlog")  # that is all: `serve` configures it
    if _VARIANT["LOG"] == "basicConfig":
        logging.basicConfig(level="DEBUG", format="[%(levelname)s] %(message)s")


def main() -> None:
    prepare_log()
    serve(make_config())


if __name__ == "__main__":
    main()
