"""Directories for sockets, and paths in them."""

import os
import stat
from pathlib import Path

import pytest

from goplugin_py.errors import ConfigError
from goplugin_py.net import directories
from goplugin_py.net.directories import (
    MAX_UNIX_PATH,
    private_directory,
    remove_directory,
    socket_path,
)
from goplugin_py.net.sockets import listen_unix


def mode_of(path: str) -> int:
    return stat.S_IMODE(os.stat(path).st_mode)


def test_only_the_owner_may_enter_a_private_directory() -> None:
    path = private_directory()
    assert mode_of(path) == 0o700
    assert os.path.basename(path).startswith("goplugin-")
    os.rmdir(path)


def test_a_private_directory_lies_in_the_temporary_directory(
    directory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", directory)
    assert os.path.dirname(private_directory()) == directory


def test_a_temporary_directory_that_is_too_long_for_sockets_is_avoided(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = tmp_path / ("x" * MAX_UNIX_PATH)
    deep.mkdir()
    monkeypatch.setenv("TMPDIR", str(deep))
    path = private_directory()
    assert os.path.dirname(path) == "/tmp"
    listen_unix(path).close()
    os.unlink(os.path.join(path, *os.listdir(path)))
    os.rmdir(path)


@pytest.mark.parametrize("name", ["missing", "a file"])
def test_a_temporary_directory_that_can_not_be_used_is_avoided(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / "a file").touch()
    monkeypatch.setenv("TMPDIR", str(tmp_path / name))
    path = private_directory()
    assert os.path.dirname(path) == "/tmp"
    os.rmdir(path)


def test_a_relative_temporary_directory_is_found_from_elsewhere(
    directory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(directory)
    monkeypatch.setenv("TMPDIR", ".")
    path = private_directory()
    monkeypatch.chdir("/")
    assert os.path.dirname(path) == directory


def test_where_no_directory_can_be_made_the_user_is_told_why(
    directory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = os.path.join(directory, "missing")
    monkeypatch.setenv("TMPDIR", missing)
    monkeypatch.setattr(directories, "_FALLBACK", missing)
    with pytest.raises(ConfigError, match=r"No such file.*missing.*set TMPDIR"):
        private_directory()


def test_a_directory_is_removed_with_all_but_what_can_not_be(directory: str) -> None:
    removed, kept = os.path.join(directory, "a"), os.path.join(directory, "b")
    os.mkdir(removed)
    os.makedirs(os.path.join(kept, "somebody's"))
    for each in (removed, kept):
        listen_unix(each).close()
        remove_directory(each)
    assert os.listdir(directory) == ["b"]
    assert os.listdir(kept) == ["somebody's"]


def test_a_name_counts_in_bytes(
    directory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = os.path.join(directory, "ü" * 40)
    os.mkdir(deep)
    monkeypatch.setenv("TMPDIR", deep)
    path = private_directory()
    assert os.path.dirname(path) == "/tmp"
    os.rmdir(path)


def test_without_room_for_sockets_the_user_is_told_to_set_tmpdir(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(directories, "MAX_UNIX_PATH", 20)
    with pytest.raises(ConfigError, match=r"too long for unix sockets.*set TMPDIR"):
        private_directory()


def test_a_socket_is_named_as_by_go_plugin(directory: str) -> None:
    """go-plugin: serverListener_unix, which asks os.CreateTemp for `plugin*`."""
    name = os.path.basename(socket_path(directory))
    assert name.startswith("plugin")
    assert name.removeprefix("plugin").isdigit()


def test_a_socket_path_is_not_taken_twice(
    directory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = iter([7, 7, 8])
    monkeypatch.setattr(os, "urandom", lambda size: next(numbers).to_bytes(size))
    listen_unix(directory).close()
    assert socket_path(directory).endswith("plugin8")


def test_a_directory_that_is_too_long_is_a_config_error(tmp_path: Path) -> None:
    deep = tmp_path / ("x" * MAX_UNIX_PATH)
    with pytest.raises(ConfigError, match="choose a shorter socket directory"):
        socket_path(str(deep))
