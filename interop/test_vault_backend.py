"""Vault's SDK, unmodified, with a Python plugin of secrets.

The plugin is that of examples/vault, and the Go host is `vault-host`.
"""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from interop.vault_host import VaultHost, vault_host

WEB = "password/web"


@pytest.fixture
def backend(tmp_path: Path) -> Iterator[VaultHost]:
    with vault_host("backend.py", tmp_path) as host:
        yield host


@pytest.fixture
def vault(backend: VaultHost) -> VaultHost:
    """A host with one mount, named a, of the Python backend."""
    backend.ask("mount", "a")
    backend.ask("initialize", "a")
    return backend


def test_vault_learns_what_the_python_backend_is(backend: VaultHost) -> None:
    """sdk/plugin: NewBackendV5, then Setup, Type, SpecialPaths and PluginVersion."""
    found = backend.ask("mount", "a")
    assert found["type"] == "secret"
    assert found["version"] == "v0.1.0"
    assert found["special"]["Unauthenticated"] == ["about"]
    assert found["special"]["SealWrapStorage"] == ["password/"]


def test_vault_creates_reads_lists_and_deletes_secrets(vault: VaultHost) -> None:
    """sdk/plugin: backendGRPCPluginClient.HandleRequest; storage through the broker."""
    assert vault.request("a", "create", WEB) == {}
    stored = json.loads(vault.ask("stored", "a", key=WEB)["value"])
    found = vault.request("a", "read", WEB)
    assert found["data"] == {"password": stored["password"]}
    vault.request("a", "create", "password/mail")
    assert vault.request("a", "list", "password/")["data"] == {"keys": ["mail", "web"]}
    vault.request("a", "delete", WEB)
    assert vault.request("a", "read", WEB) == {}
    assert vault.ask("stored", "a", key=WEB) == {"value": None}


def test_vault_learns_whether_a_write_creates_or_updates(vault: VaultHost) -> None:
    """sdk/plugin: backendGRPCPluginClient.HandleExistenceCheck."""
    found = vault.ask("exists", "a", operation="create", path=WEB)
    assert found == {"found": True, "exists": False}
    vault.request("a", "create", WEB)
    found = vault.ask("exists", "a", operation="create", path=WEB)
    assert found == {"found": True, "exists": True}


def test_the_python_backend_asks_vault_about_itself(vault: VaultHost) -> None:
    """sdk/plugin: gRPCSystemViewServer, PluginEnv and GeneratePasswordFromPolicy."""
    assert vault.request("a", "read", "about")["data"] == {"server": "1.21.0"}
    vault.request("a", "create", WEB, {"policy": "digits"})
    assert vault.request("a", "read", WEB)["data"] == {"password": "8264"}


def test_a_lease_is_renewed_and_what_was_lent_is_replaced(vault: VaultHost) -> None:
    """sdk/plugin/pb: ProtoSecretToLogicalSecret; durations are nanoseconds."""
    vault.request("a", "create", WEB)
    lent = vault.request("a", "read", WEB)
    assert (lent["seconds"], lent["renewable"]) == (3600, True)
    assert vault.request("a", "renew", WEB)["seconds"] == 3600
    assert vault.request("a", "read", WEB)["data"] == lent["data"]
    vault.request("a", "revoke", WEB)
    assert vault.request("a", "read", WEB)["data"] != lent["data"]


def test_mounts_share_a_process_and_nothing_else(backend: VaultHost) -> None:
    """pluginutil: MultiplexingSupported; Vault's catalog sends `multiplex_id`."""
    first = backend.ask("mount", "a")["pids"]
    assert backend.ask("mount", "b")["pids"] == first
    backend.request("a", "create", WEB)
    assert backend.request("b", "list", "password/")["data"] == {"keys": []}
    assert backend.ask("unmount", "a")["pids"] == first
    backend.request("b", "create", WEB)
    assert backend.ask("keys", "b", key="password/") == {"keys": ["web"]}
    assert backend.ask("unmount", "b")["pids"] is None


def test_a_key_that_vault_invalidates_is_read_anew(vault: VaultHost) -> None:
    """sdk/plugin: backendGRPCPluginClient.InvalidateKey."""
    vault.request("a", "create", WEB, {"policy": "digits"})
    changed = json.dumps({"policy": "", "password": "from elsewhere"})
    vault.ask("store", "a", key=WEB, value=changed)
    assert vault.request("a", "read", WEB)["data"] == {"password": "8264"}
    vault.ask("invalidate", "a", key=WEB)
    assert vault.request("a", "read", WEB)["data"] == {"password": "from elsewhere"}


def test_initialize_prepares_storage_or_refuses_it(backend: VaultHost) -> None:
    """sdk/plugin: backendGRPCPluginClient.Initialize."""
    backend.ask("mount", "a")
    backend.ask("initialize", "a")
    assert backend.ask("stored", "a", key="format")["value"] == "1"
    backend.ask("store", "a", key="format", value="2")
    error = backend.error("initialize", "a")
    assert error == "the storage is of a later version"


@pytest.mark.parametrize(
    ("operation", "path", "data", "error"),
    [
        ("read", "nowhere", None, "unsupported path"),
        ("patch", WEB, None, "unsupported operation"),
        ("list", WEB, None, "unsupported operation"),
        ("delete", "about", None, "unsupported operation"),
        ("create", WEB, {"policy": 3}, "invalid request"),
        ("create", WEB, {"length": 3}, "invalid request"),
        ("renew", WEB, None, "invalid request"),
    ],
    ids=["path", "operation", "list", "about", "type", "field", "lease"],
)
def test_a_wrong_request_is_the_error_that_vault_has_for_it(
    vault: VaultHost, operation: str, path: str, data: Any, error: str
) -> None:
    """sdk/plugin/pb: ProtoErrToErr makes Vault's own error of each type."""
    assert vault.refused("a", operation, path, data) == error


@pytest.mark.parametrize("operation", ["create", "read", "delete", "list"])
def test_an_error_of_the_storage_comes_back_to_vault(
    vault: VaultHost, operation: str
) -> None:
    """sdk/plugin: GRPCStorageServer answers with `err`."""
    vault.ask("fail", "a")
    path = "password/" if operation == "list" else WEB
    error = vault.refused("a", operation, path)
    assert error.startswith("the storage failed: ")
    assert error.endswith(" operations disabled in inmem backend")


def test_a_python_backend_that_is_killed_ends_its_request(vault: VaultHost) -> None:
    """sdk/plugin: ErrPluginShutdown or the status; Cleanup of a lost plugin."""
    vault.ask("hold", "a")
    vault.tell("request", "a", operation="create", path=WEB)
    assert vault.answer() == {"held": True}
    (pid,) = vault.pids
    os.kill(pid, signal.SIGKILL)
    assert "error" in vault.answer()
    assert vault.ask("unmount", "a")["pids"] is None
    found = vault.ask("mount", "a")
    assert found["pids"] != [pid]


def test_metadata_mode_says_what_the_python_backend_is(tmp_path: Path) -> None:
    """sdk/plugin: NewBackend with isMetadataMode, version 4 without TLS."""
    with vault_host("backend.py", tmp_path, "-metadata") as host:
        found = host.ask("mount", "a")
        assert (found["type"], found["version"]) == ("secret", "v0.1.0")


def test_what_the_python_backend_logs_is_in_vaults_log(vault: VaultHost) -> None:
    """go-plugin: Client.logStderr."""
    vault.request("a", "list", "password/")
    vault.ask("unmount", "a")
    (line,) = [line for line in vault.log.splitlines() if ".plugin: request" in line]
    assert "[DEBUG]" in line
    for pair in ("@module=passwords", "operation=list", "path=password/"):
        assert pair in line
