"""Vault's KV secrets plugin, unmodified, with Python in the place of Vault.

The host is that of examples/vault.
"""

import hashlib
import os
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor import Descriptor, FileDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

from goplugin_py import ChecksumMismatch, Client, VersionMismatch
from interop.fixtures import ROOT, binary
from interop.python_host import WAIT, mode_of
from interop.vault_host import EXAMPLE

sys.path.append(str(EXAMPLE))
from mount import Mount, VaultError, is_multiplexed, plugin_config
from services import MemoryStorage
from vault import BackendType
from vault_pb import backend_pb2 as pb
from vault_pb import multiplexing_pb2, version_pb2

TOUR = """\
version 5 of the protocol, many mounts
kv 1: ['db', 'mail'] {'password': 's3cret'}
kv 1: ['db'] None
kv 2: version 1 {'password': 's3cret'}
kv 2: version 2 {'password': 's3cr3t'}
kv 2: ['apps/']
kv 2: kv-v2/data-write, kv-v2/data-write
"""
TIMEOUT = 60  # seconds; the tour takes half a one, more on a busy machine


def kv_command() -> list[str]:
    return [str(binary("vault-plugin-secrets-kv"))]


@pytest.fixture
def kv(nothing_left: Path) -> Iterator[Client]:
    """The KV plugin, started as Vault starts it."""
    with Client(plugin_config(kv_command())) as client:
        yield client


# Secrets


@pytest.mark.parametrize("multiplex", [False, True], ids=["sockets", "one-connection"])
def test_python_host_writes_reads_lists_and_deletes_secrets(
    nothing_left: Path, multiplex: bool
) -> None:
    """vault-plugin-secrets-kv: PassthroughBackend, over sdk/plugin's server."""
    config = plugin_config(kv_command(), broker_multiplex=multiplex)
    with Client(config) as client, Mount(client) as mount:
        mount.initialize()
        assert mount.read("apps/db") is None
        mount.write("apps/db", {"password": "s3cret", "port": 5432})
        mount.write("apps/mail", {"password": "hunter2"})
        assert mount.keys() == ["apps/"]
        assert mount.keys("apps/") == ["db", "mail"]
        assert mount.read("apps/db") == {"password": "s3cret", "port": 5432}
        mount.delete("apps/db")
        assert mount.keys("apps/") == ["mail"]


def test_python_host_keeps_versions_of_secrets(kv: Client) -> None:
    """vault-plugin-secrets-kv: versionedKVBackend."""
    with Mount(kv, {"version": "2"}) as mount:
        mount.initialize()
        for password in ("old", "new"):
            mount.write("data/db", {"data": {"password": password}})
        first = mount.request("read", "data/db", {"version": 1})
        assert first is not None
        assert first["data"] == {"password": "old"}
        mount.delete("data/db")
        with pytest.raises(VaultError) as refused:
            mount.read("data/db")
        assert refused.value.code == 404
        mount.write("undelete/db", {"versions": [2]})
        latest = mount.read("data/db")
        assert latest is not None
        assert latest["data"] == {"password": "new"}
        assert mount.keys("metadata/") == ["db"]
        assert "kv-v2/data-delete" in mount.announcements.events


def test_mounts_of_one_process_do_not_see_each_others_secrets(kv: Client) -> None:
    """sdk/plugin: backendGRPCPluginServer, an instance for each multiplex_id."""
    assert kv.negotiated_version == 5
    assert is_multiplexed(kv)
    with Mount(kv) as second:
        with Mount(kv) as first:
            first.write("db", {"password": "s3cret"})
            assert second.read("db") is None
            assert second.keys() == []
        # It is not there any more, and the other one is.
        with pytest.raises(grpc.RpcError, match="no backend instance found"):
            first.read("db")
        second.write("db", {"password": "hunter2"})
        assert second.read("db") == {"password": "hunter2"}


@pytest.mark.parametrize(
    ("options", "path", "secret"),
    [
        ({}, "db", {"password": "s3cret"}),
        ({"version": "2"}, "data/db", {"data": {"password": "s3cret"}}),
    ],
    ids=["kv-1", "kv-2"],
)
def test_what_is_stored_outlives_the_mount_and_the_plugin(
    nothing_left: Path, options: dict[str, str], path: str, secret: dict[str, Any]
) -> None:
    """sdk/plugin: GRPCStorageClient; the plugin itself keeps nothing."""
    storage = MemoryStorage()
    config = plugin_config(kv_command())
    with Client(config) as client:
        with Mount(client, options, storage=storage, uuid="u1") as mount:
            mount.write(path, secret)
            written = mount.read(path)
        with Mount(client, options, storage=storage, uuid="u1") as mount:
            assert mount.read(path) == written
    with (
        Client(config) as client,
        Mount(client, options, storage=storage, uuid="u1") as mount,
    ):
        assert mount.read(path) == written
        assert "s3cret" in str(written)


def test_python_host_learns_what_the_plugin_is(kv: Client) -> None:
    """sdk/plugin: backendGRPCPluginServer.Type and SpecialPaths."""
    with Mount(kv, {"version": "2"}) as mount:
        assert mount.kind is BackendType.SECRETS
        assert any(
            "/versions/" in path for path in mount.special_paths.seal_wrap_storage
        )
    with Mount(kv) as mount:
        assert list(mount.special_paths.seal_wrap_storage) == ["*"]


def test_a_secret_of_ten_megabytes_comes_back(kv: Client) -> None:
    """sdk/plugin: largeMsgGRPCCallOpts, for storage as well."""
    text = "0123456789" * 2**20
    with Mount(kv) as mount:
        mount.write("big", {"text": text})
        assert mount.read("big") == {"text": text}


def test_the_tour_shows_what_it_says(nothing_left: Path) -> None:
    """docs/vault.md: the host of examples/vault, with a checksum as Vault has one."""
    (kv,) = kv_command()
    checksum = hashlib.sha256(Path(kv).read_bytes()).hexdigest()
    done = subprocess.run(
        [sys.executable, EXAMPLE / "secrets_host.py", kv, checksum],
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert (done.stdout, done.returncode) == (TOUR, 0), done.stderr


def test_the_documented_host_works(nothing_left: Path, tmp_path: Path) -> None:
    """docs/vault.md: the snippet, where what it names is given."""
    (kv,) = kv_command()
    (tmp_path / "vault-plugin-secrets-kv").symlink_to(kv)
    text = (ROOT / "docs" / "vault.md").read_text()
    snippet = text.partition("```python\n")[2].partition("```")[0]
    source = (
        "import hashlib\n"
        "from mount import Mount, plugin_config\n"
        "from goplugin_py import Client\n"
        "plugin = open('vault-plugin-secrets-kv', 'rb').read()\n"
        "checksum = hashlib.sha256(plugin).digest()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", source + snippet],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(EXAMPLE)},
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert "{'password': 's3cret'}" in done.stdout, done.stderr


# Start


def test_a_plugin_that_is_not_the_registered_one_is_not_started(
    nothing_left: Path,
) -> None:
    """pluginutil: runConfig.makeConfig always has a SecureConfig."""
    config = plugin_config(kv_command(), checksum=bytes(32))
    with pytest.raises(ChecksumMismatch):
        Client(config).start()


@pytest.mark.parametrize("versions", [(3,), (3, 4)], ids=["3", "3-and-4"])
def test_python_host_speaks_the_versions_before_multiplexing(
    nothing_left: Path, versions: tuple[int, ...]
) -> None:
    """sdk/plugin: ServeMultiplex serves 3 and 4 with one instance."""
    with Client(plugin_config(kv_command(), versions=versions)) as client:
        assert client.negotiated_version == versions[-1]
        assert not is_multiplexed(client)
        with Mount(client) as mount:
            mount.write("db", {"password": "s3cret"})
            assert mount.read("db") == {"password": "s3cret"}


def test_python_host_falls_back_to_version_4_for_an_old_plugin(
    nothing_left: Path,
) -> None:
    """sdk/plugin/mock, served with versions 3 and 4 alone."""
    command = [str(binary("vault-plugin-legacy"))]
    with Client(plugin_config(command)) as client, Mount(client) as mount:
        assert client.negotiated_version == 4
        assert mount.version == "v0.0.0+mock"
        mount.write("kv/db", {"value": "s3cret"})
        assert mount.read("kv/db") == {"value": "s3cret", "version": 0}
    with pytest.raises(VersionMismatch, match="version 3, this host offers: 5"):
        Client(plugin_config(command, versions=[5])).start()


def test_in_metadata_mode_the_plugin_only_says_what_it_is(nothing_left: Path) -> None:
    """sdk/plugin: ErrServerInMetadataMode."""
    config = plugin_config(kv_command(), metadata_mode=True)
    with Client(config) as client, Mount(client) as mount:
        assert mount.kind is BackendType.SECRETS
        assert list(mount.special_paths.seal_wrap_storage) == ["*"]
        assert mount.version == ""
        for call in (mount.initialize, mount.keys):
            with pytest.raises(grpc.RpcError, match="while in metadata mode"):
                call()


def test_the_storage_refuses_whoever_has_no_certificate(
    kv: Client, nothing_left: Path
) -> None:
    """go-plugin: AutoMTLS covers what the broker connects."""
    before = set(nothing_left.rglob("*"))
    with Mount(kv):
        new = set(nothing_left.rglob("*")) - before
        sockets = [path for path in new if path.is_socket()]
        # The other one is plain: this process's own, between gRPC and TLS.
        assert [is_refused(path) for path in sockets].count(True) == 1
        assert all(mode_of(path.parent) == 0o700 for path in sockets)


def is_refused(path: Path) -> bool:
    """Connect with TLS and without a certificate of one's own."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(WAIT)
        sock.connect(str(path))
        try:
            with context.wrap_socket(sock) as stranger:
                return stranger.recv(1) == b""
        except ssl.SSLError as exc:
            return "CERTIFICATE_REQUIRED" in str(exc)


# The protocol itself


def test_our_protos_have_all_that_the_go_plugin_reflects(kv: Client) -> None:
    """sdk/plugin/pb and what it imports, as served by gRPC reflection."""
    database: Any = ProtoReflectionDescriptorDatabase(kv.channel)
    theirs = DescriptorPool(database)
    for ours in (pb, version_pb2, multiplexing_pb2):
        names = ours.DESCRIPTOR.services_by_name
        service = next(iter(names.values())).full_name
        reflected = theirs.FindServiceByName(service).file
        assert facts(reflected) <= facts(ours.DESCRIPTOR)


def facts(file: FileDescriptor) -> set[str]:
    """Tell all fields and methods of a file, and of those that it imports."""
    found = {fact for imported in file.dependencies for fact in facts(imported)}
    for message in file.message_types_by_name.values():
        found |= fields(message)
    for service in file.services_by_name.values():
        for method in service.methods:
            types = f"({method.input_type.full_name}) {method.output_type.full_name}"
            found.add(f"{method.full_name}{types}")
    return found


def fields(message: Descriptor) -> set[str]:
    found = {f"message {message.full_name}"}
    for field in message.fields:
        kind = field.message_type.full_name if field.message_type else field.type
        found.add(f"{field.full_name} = {field.number}: {kind} {field.is_repeated}")
    for nested in message.nested_types:
        found |= fields(nested)
    return found
