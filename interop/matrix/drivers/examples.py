"""go-plugin's own example plugins under a Python host."""

import functools
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from goplugin_py import Plugin
from interop.example_protos import (
    KV,
    Counter,
    Streamer,
    add_helper,
    counter,
    kv,
    streaming,
)
from interop.fixtures import binary
from interop.matrix.drivers.python_host import PythonHost
from interop.matrix.drivers.session import Session
from interop.python_host import WAIT

# They dial back, or read a file.
BUSY = 20.0


class Examples(PythonHost):
    """`examples/grpc`, `streaming` and `bidirectional`, each for what it shows."""

    plugins = {"kv": KV}  # noqa: RUF012

    def unary(self) -> None:
        with self._example("kv", KV) as (session, store):
            put = kv.PutRequest(key="greeting", value=b"hello \xff")
            session.do(lambda: store.Put(put, timeout=WAIT))
            got = session.do(lambda: store.Get(kv.GetRequest(key="greeting")))
            assert got.value == b"hello \xff\n\nWritten from plugin-go-grpc"

    def error(self) -> None:
        with self._example("kv", KV) as (session, store):
            with pytest.raises(grpc.RpcError) as caught:
                session.do(lambda: store.Get(kv.GetRequest(key="none"), timeout=WAIT))
            assert isinstance(caught.value, grpc.Call | grpc.aio.AioRpcError)
            assert caught.value.code() is grpc.StatusCode.UNKNOWN
            assert "kv_none: no such file" in str(caught.value.details())

    def stream(self) -> None:
        chunks = [bytes([n]) * 10_000 for n in range(20)]
        with self._example("streamer", Streamer) as (session, streamer):
            configure = streaming.ConfigureRequest(path="data", chunk_size=4096)
            session.do(lambda: streamer.Configure(configure, timeout=WAIT))
            writes = [streaming.WriteChunk(data=chunk) for chunk in chunks]
            session.do(lambda: streamer.Write(iter(writes), timeout=BUSY))
            read = streaming.ReadRequest()
            parts = session.collect(lambda: streamer.Read(read, timeout=BUSY))
            assert b"".join(part.data for part in parts) == b"".join(chunks)

    def broker(self) -> None:
        with self._example("counter", Counter) as (session, counting):
            for amount in (1, 10):
                with session.serving(add_helper(int.__add__)) as service_id:
                    put = counter.PutRequest(
                        key="total", value=amount, add_server=service_id
                    )
                    session.do(functools.partial(counting.Put, put, timeout=BUSY))
            get = counter.GetRequest(key="total")
            assert session.do(lambda: counting.Get(get, timeout=WAIT)).value == 11

    @contextmanager
    def _example(self, name: str, stub: Any) -> Iterator[tuple[Session, Any]]:
        """Start the example of this name, where its files do no harm."""
        program = {"streamer": "streaming"}.get(name, name)
        with tempfile.TemporaryDirectory(prefix="example-") as directory:
            version = max(self.peer.versions)
            with self.session(
                command=[str(binary(f"{program}-plugin"))],
                versioned_plugins={version: {name: Plugin.from_stub(stub)}},
                cwd=Path(directory),
            ) as session:
                yield session, session.dispense(name)
