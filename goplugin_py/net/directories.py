"""Directories for sockets, and the paths in them.

`tempfile` could make them. It brings the compression libraries with it, which is a
good part of a plugin's start.
"""

import contextlib
import os
import stat
import sys

from goplugin_py.errors import ConfigError

# The kernel's sockaddr_un.sun_path, less its NUL.
MAX_UNIX_PATH = 107 if sys.platform == "linux" else 103
PREFIX = "goplugin-"
_SOCKET_NAME_LENGTH = len("/plugin4294967295")
_RANDOM_DIRECTORY_LENGTH = len("/") + len(PREFIX) + 8
_FALLBACK = "/tmp"  # noqa: S108 - safe: a directory of our own is made in it


def temporary_directory() -> str:
    """Return `TMPDIR`, or `/tmp` (Go: `os.TempDir`)."""
    return os.environ.get("TMPDIR") or _FALLBACK


def private_directory() -> str:
    """Make a directory for sockets that only this user can enter.

    It lies in the temporary directory, or in `/tmp` where that can't be written to or
    the path of a socket would be longer than the system allows.

    Raises:
        ConfigError: No place will do.
    """
    room = MAX_UNIX_PATH - _SOCKET_NAME_LENGTH - _RANDOM_DIRECTORY_LENGTH
    problems = []
    for base in dict.fromkeys((temporary_directory(), _FALLBACK)):
        if len(os.fsencode(base)) > room:
            problems.append(
                f"{base!r} is too long for unix sockets, whose paths may have "
                f"{MAX_UNIX_PATH} characters"
            )
            continue
        try:
            return _new_directory(base)
        except OSError as exc:
            problems.append(str(exc))
    raise ConfigError(
        f"can't make a directory for sockets: {'; '.join(problems)}: set TMPDIR"
    )


def _new_directory(base: str) -> str:
    while True:
        # A relative one would get lost when somebody changes the present directory.
        path = os.path.join(os.path.abspath(base), PREFIX + os.urandom(4).hex())
        with contextlib.suppress(FileExistsError):
            os.mkdir(path, stat.S_IRWXU)
            os.chmod(path, stat.S_IRWXU)  # a umask may have locked us out
            return path


def shared_directory(base: str, group: str) -> str:
    """Make a directory for the sockets of a plugin that runs elsewhere.

    Args:
        base: Where; empty is where private directories are.
        group: Who may make sockets in it besides this user; empty means nobody.

    Raises:
        ConfigError: There is no such base or group.
    """
    try:
        directory = _new_directory(base) if base else private_directory()
    except OSError as exc:
        raise ConfigError(f"can't make a socket directory in {base}: {exc}") from exc
    if group:
        try:
            share(directory, group, 0o770)  # go-plugin: Client.Start
        except BaseException:
            os.rmdir(directory)
            raise
    return directory


def socket_path(directory: str) -> str:
    """Return an unused path in `directory`, named as go-plugin names sockets.

    Raises:
        ConfigError: It would be longer than the system allows.
    """
    while True:
        path = os.path.join(directory, f"plugin{int.from_bytes(os.urandom(4))}")
        if len(os.fsencode(path)) > MAX_UNIX_PATH:
            raise ConfigError(
                f"the socket path {path!r} is longer than {MAX_UNIX_PATH} characters: "
                "choose a shorter socket directory"
            )
        if not os.path.lexists(path):
            return path


def share(path: str, group: str, mode: int = 0o660) -> None:
    """Let a group, by name or id, connect to a socket (go-plugin: `setGroupWritable`).

    A directory needs another `mode`.

    Raises:
        ConfigError: There is no such group, or we may not hand the socket to it.
    """
    try:
        os.chown(path, -1, _group_id(group))
        os.chmod(path, mode)
    except (OSError, OverflowError) as exc:
        raise ConfigError(f"can't give {path} to group {group!r}: {exc}") from exc


def _group_id(group: str) -> int:
    import grp  # not on every system

    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        if group.isascii() and group.isdigit():
            return int(group)
        raise ConfigError(f"there is no group {group!r}") from None


def is_private(directory: str) -> bool:
    """Tell whether a directory is one as `private_directory` makes them.

    Raises:
        OSError: There is none.
    """
    found = os.lstat(directory)
    return (
        os.path.basename(directory).startswith(PREFIX)
        and found.st_mode == stat.S_IFDIR | stat.S_IRWXU
        and found.st_uid == os.geteuid()
    )


def remove_directory(path: str) -> None:
    """Remove a directory with the sockets in it; what can't be removed stays."""
    with contextlib.suppress(OSError):
        for entry in os.scandir(path):
            with contextlib.suppress(OSError):
                os.unlink(entry)
        os.rmdir(path)
