"""Vault's SDK, unmodified, with a Python plugin of a database.

The plugin is that of examples/vault, and the Go host is `vault-host`.
"""

import os
import signal
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import grpc
import pytest

from goplugin_py import Client, ClientConfig, Plugin
from interop.python_host import code_of
from interop.vault_host import EXAMPLE, VaultHost, vault_host

sys.path.append(str(EXAMPLE))
from vault import DATABASE
from vault_pb import database_pb2 as pb
from vault_pb.database_pb2_grpc import DatabaseStub
from vault_pb.version_pb2 import Empty
from vault_pb.version_pb2_grpc import PluginVersionStub

TIMEOUT = 60  # seconds; an answer takes milliseconds, more on a busy machine


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
    return File(tmp_path / "50% of #1?.db")


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
    bad = ["CREATE TABLE t (c)", "DROP TABLE users", "NONSENSE"]
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


def test_calls_need_the_name_of_a_database_but_for_the_version(
    nothing_left: Path,
) -> None:
    """dbplugin/v5: getOrForceCreateDatabase, for Vault's catalog, and getDatabase."""
    config = ClientConfig(
        command=[sys.executable, str(EXAMPLE / "database.py")],
        handshake=DATABASE,
        versioned_plugins={6: {"database": Plugin.from_stub(DatabaseStub)}},
    )
    with Client(config) as client:
        version = PluginVersionStub(client.channel).Version(Empty(), timeout=TIMEOUT)
        assert version.plugin_version == "v0.1.0"
        database = client.dispense("database")
        with pytest.raises(grpc.RpcError, match="needs one multiplex_id") as refused:
            database.Close(pb.Empty(), timeout=TIMEOUT)
        assert code_of(refused.value) is grpc.StatusCode.INVALID_ARGUMENT
