"""What goes wrong with secrets plugins under a Python host, and what it then says.

The plugins are Vault's KV plugin, unmodified, and the Python one of examples/vault.
"""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest

from goplugin_py import Client
from interop.fixtures import binary
from interop.python_host import code_of
from interop.vault_host import EXAMPLE

sys.path.append(str(EXAMPLE))
from mount import Mount, VaultError, plugin_config
from services import MemoryStorage
from vault import BackendType, ErrorType
from vault_pb import backend_pb2 as pb
from vault_pb.backend_pb2_grpc import BackendStub

# Longer than the broker's five seconds, on a busy machine.
TIMEOUT = 60


@pytest.fixture
def kv(nothing_left: Path) -> Iterator[Client]:
    """The KV plugin, started as Vault starts it."""
    command = [str(binary("vault-plugin-secrets-kv"))]
    with Client(plugin_config(command)) as client:
        yield client


class FullStorage(MemoryStorage):
    """Reads, and does not write."""

    def Put(self, request: Any, context: Any) -> pb.StoragePutReply:
        return pb.StoragePutReply(err="the disk is full")


class LostStorage(MemoryStorage):
    """Fails altogether."""

    def Get(self, request: Any, context: grpc.ServicerContext) -> pb.StorageGetReply:
        context.abort(grpc.StatusCode.UNAVAILABLE, "the disk is gone")


class StuckStorage(MemoryStorage):
    """Lets those wait who write."""

    def __init__(self) -> None:
        super().__init__()
        self.is_written = threading.Event()
        self.release = threading.Event()

    def Put(self, request: Any, context: Any) -> pb.StoragePutReply:
        self.is_written.set()
        self.release.wait(TIMEOUT)
        return pb.StoragePutReply()


def test_an_error_of_the_storage_comes_back_through_the_plugin(kv: Client) -> None:
    """sdk/plugin: GRPCStorageClient.Put, and ErrToProtoErr."""
    with Mount(kv, storage=FullStorage()) as mount:
        with pytest.raises(VaultError, match="the disk is full"):
            mount.write("db", {"password": "s3cret"})
        assert mount.read("db") is None


def test_a_plugin_that_can_not_read_its_storage_is_not_mounted(kv: Client) -> None:
    """sdk/plugin: backendGRPCPluginServer.Setup answers with the factory's error."""
    with pytest.raises(VaultError, match="the disk is gone"):
        Mount(kv, {"version": "2"}, storage=LostStorage())


def test_a_wrong_path_is_an_error_with_what_the_plugin_advises(kv: Client) -> None:
    """vault-plugin-secrets-kv: pathInvalid."""
    with Mount(kv, {"version": "2"}) as mount:
        with pytest.raises(VaultError, match="use 'vault kv get'") as refused:
            mount.read("db")
        assert refused.value.code == 404
        with pytest.raises(VaultError) as refused:
            mount.request("rotate", "db")
        assert refused.value.kind is ErrorType.UNSUPPORTED_OPERATION


def test_a_wrong_request_is_told_in_words_for_the_user(kv: Client) -> None:
    """sdk/logical: ErrorResponse with ErrInvalidRequest."""
    with Mount(kv, {"version": "2"}) as mount:
        with pytest.raises(VaultError, match="no data provided") as refused:
            mount.write("data/db", {"password": "s3cret"})
        assert refused.value.kind is ErrorType.INVALID_REQUEST


@pytest.mark.parametrize(
    ("metadata", "error"),
    [
        ((), "no multiplexing ID found"),
        ((("multiplex_id", ""),), "empty multiplex ID in metadata"),
        ((("multiplex_id", "a"), ("multiplex_id", "b")), "unexpected number of IDs"),
        ((("multiplex_id", "unknown"),), "no backend instance found"),
    ],
    ids=["none", "empty", "two", "unknown"],
)
def test_a_call_without_the_id_of_a_mount_is_refused(
    kv: Client, metadata: Any, error: str
) -> None:
    """pluginutil: GetMultiplexIDFromContext."""
    stub = BackendStub(kv.channel)
    with Mount(kv), pytest.raises(grpc.RpcError, match=error):
        stub.Type(pb.Empty(), metadata=metadata, timeout=TIMEOUT)


def test_a_plugin_that_is_killed_ends_its_requests(kv: Client) -> None:
    """A request in the middle of a write, and one that comes after."""
    storage = StuckStorage()
    with Mount(kv, storage=storage) as mount, ThreadPoolExecutor() as threads:
        written = threads.submit(mount.write, "db", {"password": "s3cret"})
        assert storage.is_written.wait(TIMEOUT)
        assert kv.pid is not None
        os.kill(kv.pid, signal.SIGKILL)
        error = written.exception(TIMEOUT)
        assert isinstance(error, grpc.RpcError)
        assert code_of(error) is grpc.StatusCode.UNAVAILABLE
        with pytest.raises(grpc.RpcError):
            mount.read("db")
        storage.release.set()


# Python backends, where Vault itself would not go wrong


@pytest.fixture
def passwords(nothing_left: Path) -> Iterator[Client]:
    """The Python backend."""
    command = [sys.executable, str(EXAMPLE / "backend.py")]
    with Client(plugin_config(command)) as client:
        yield client


@pytest.mark.parametrize(
    ("metadata", "error"),
    [
        ((), r"needs one multiplex_id in its metadata, not \[\]"),
        ((("multiplex_id", ""),), "needs one multiplex_id .* not"),
        ((("multiplex_id", "a"), ("multiplex_id", "b")), "not \\['a', 'b'\\]"),
        ((("multiplex_id", "unknown"),), "there is no such instance"),
    ],
    ids=["none", "empty", "two", "unknown"],
)
def test_a_python_backend_refuses_calls_without_the_id_of_a_mount(
    passwords: Client, metadata: Any, error: str
) -> None:
    """As pluginutil: GetMultiplexIDFromContext."""
    stub = BackendStub(passwords.channel)
    with Mount(passwords), pytest.raises(grpc.RpcError, match=error):
        stub.Type(pb.Empty(), metadata=metadata, timeout=TIMEOUT)


def test_a_python_backend_refuses_requests_in_metadata_mode(nothing_left: Path) -> None:
    """As sdk/plugin: ErrServerInMetadataMode."""
    command = [sys.executable, str(EXAMPLE / "backend.py")]
    config = plugin_config(command, metadata_mode=True)
    with Client(config) as client, Mount(client) as mount:
        assert mount.kind is BackendType.SECRETS
        for call in (mount.initialize, mount.keys):
            with pytest.raises(grpc.RpcError, match="in metadata mode"):
                call()


def test_a_python_backend_whose_storage_is_never_served_is_not_mounted(
    passwords: Client,
) -> None:
    """go-plugin: GRPCBroker.Dial gives up after five seconds."""
    stub = BackendStub(passwords.channel)
    arguments = pb.SetupArgs(broker_id=77)
    metadata = (("multiplex_id", "a"),)
    reply = stub.Setup(arguments, metadata=metadata, timeout=TIMEOUT)
    assert reply.err.startswith("the storage can't be reached: ")
