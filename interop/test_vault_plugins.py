"""Vault's SDK, unmodified, with Python plugins: of secrets, and of a database.

They are those of examples/vault, and the Go host is `vault-host`.
"""

import json
import os
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
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


# Secrets


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


# Databases


class File:
    """A SQLite file with a table of users."""

    def __init__(self, path: Path) -> None:
        self.config = {"file": str(path), "max_connections": 4}
        self._path = path
        self.run("CREATE TABLE users (name TEXT, password TEXT, expiration TEXT)")

    def run(self, statement: str) -> list[tuple[str, ...]]:
        with closing(sqlite3.connect(self._path)) as connection, connection:
            return connection.execute(statement).fetchall()

    @property
    def users(self) -> list[tuple[str, ...]]:
        return self.run("SELECT * FROM users")


@pytest.fixture
def file(tmp_path: Path) -> File:
    return File(tmp_path / "app.db")


@pytest.fixture(params=[(), ("-single",)], ids=["version-6", "version-5"])
def databases(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[VaultHost]:
    with vault_host("database.py", tmp_path, *request.param) as host:
        yield host


@pytest.fixture
def opened(databases: VaultHost, file: File) -> VaultHost:
    """A host with one database, named a."""
    databases.ask("open", "a")
    databases.ask("initialize", "a", config=file.config)
    return databases


def test_vault_learns_what_the_python_database_is(databases: VaultHost) -> None:
    """dbplugin/v5: PluginFactory asks for the type, Vault's catalog for the version."""
    found = databases.ask("open", "a")
    assert (found["type"], found["version"]) == ("sqlite", "v0.1.0")


def test_vault_keeps_the_configuration_that_it_gets_back(
    databases: VaultHost, file: File
) -> None:
    """dbplugin/v5: structToMap makes whole numbers of floats."""
    databases.ask("open", "a")
    found = databases.ask("initialize", "a", config=file.config)
    assert found == {"config": file.config}


def test_vault_makes_changes_and_deletes_users(opened: VaultHost, file: File) -> None:
    """dbplugin/v5: gRPCClient.NewUser, UpdateUser and DeleteUser."""
    name = opened.ask("new-user", "a", username="me", password="o'ne")["username"]
    assert name.startswith("v-me_reader-")
    assert file.users == [(name, "o'ne", "2030-01-02T03:04:05Z")]
    opened.ask("update-user", "a", username=name, password="two")
    opened.ask("update-user", "a", username=name)
    assert file.users == [(name, "two", "2031-01-02T03:04:05Z")]
    opened.ask("delete-user", "a", username=name)
    opened.ask("delete-user", "a", username=name)
    assert file.users == []


def test_statements_of_a_role_are_run_all_or_none(
    opened: VaultHost, file: File
) -> None:
    """dbplugin/v5: NewUserRequest.Statements."""
    insert = "INSERT INTO users VALUES ({{username}}, upper({{ password }}), '')"
    good = [insert, "UPDATE users SET expiration = 'none'"]
    name = opened.ask("new-user", "a", password="pw", statements=good)["username"]
    assert file.users == [(name, "PW", "none")]
    bad = ["DELETE FROM users", "NONSENSE"]
    error = opened.error("new-user", "a", password="pw", statements=bad)
    assert "code = Internal" in error
    assert 'near "NONSENSE": syntax error' in error
    assert file.users == [(name, "PW", "none")]


def test_databases_of_version_6_share_a_process(tmp_path: Path) -> None:
    """dbplugin/v5: GRPCDatabasePlugin, multiplexed."""
    files = {name: File(tmp_path / f"{name}.db") for name in ("a", "b")}
    with vault_host("database.py", tmp_path) as host:
        pids = [host.ask("open", name)["pids"] for name in files]
        assert pids[0] == pids[1]
        for name, file in files.items():
            host.ask("initialize", name, config=file.config)
        host.ask("new-user", "b", password="pw")
        assert [len(file.users) for file in files.values()] == [0, 1]
        assert host.ask("close", "a")["pids"] == pids[0]
        host.ask("new-user", "b", password="pw")
        assert host.ask("close", "b")["pids"] is None


def test_databases_of_version_5_have_a_process_each(tmp_path: Path) -> None:
    """dbplugin/v5: GRPCDatabasePlugin with one implementation."""
    with vault_host("database.py", tmp_path, "-single") as host:
        assert len(host.ask("open", "a")["pids"]) == 1
        assert len(host.ask("open", "b")["pids"]) == 2
        assert len(host.ask("close", "a")["pids"]) == 1


def test_errors_of_the_python_database_have_a_status(
    databases: VaultHost, tmp_path: Path
) -> None:
    """dbplugin/v5: gRPCServer answers Internal and InvalidArgument, too."""
    databases.ask("open", "a")
    error = databases.error("new-user", "a", password="pw")
    assert "code = FailedPrecondition desc = there is no such instance" in error
    error = databases.error("initialize", "a", config={})
    assert "code = InvalidArgument desc = file is missing" in error
    missing = {"file": str(tmp_path / "missing.db")}
    error = databases.error("initialize", "a", config=missing)
    assert "code = Internal" in error
    assert "missing.db: unable to open database file" in error


def test_a_user_that_does_not_exist_is_not_changed(opened: VaultHost) -> None:
    """dbplugin/v5: gRPCClient.UpdateUser."""
    error = opened.error("update-user", "a", username="nobody", password="pw")
    assert "there is no user nobody" in error


def test_a_python_database_that_is_killed_is_an_error_and_can_be_opened_anew(
    opened: VaultHost, file: File
) -> None:
    """dbplugin/v5: ErrPluginShutdown or the status."""
    (pid,) = opened.pids
    os.kill(pid, signal.SIGKILL)
    assert opened.error("new-user", "a", password="pw")
    opened.error("close", "a")
    opened.ask("open", "a")
    opened.ask("initialize", "a", config=file.config)
    opened.ask("new-user", "a", password="pw")
    assert len(file.users) == 1
