"""Programs that are checked before they run, and run as they were checked.

A check of a path says little about what is executed a moment later: the file may have
been replaced, or changed in place. So a program is opened once and copied while it is
hashed, and the copy is executed, which nobody can change.

On Linux the copy is in memory, sealed. A program is executed through the host's
descriptor of it and inherits none. A script is opened once more by its interpreter, so
that it has to inherit the descriptor. Elsewhere, and where the system forbids to
execute memory, the copy is a file in a private directory until the plugin has ended:
safe from other users, but not from processes of the same one.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import hmac
import os
import stat
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from goplugin_py.errors import ChecksumMismatch, ConfigError
from goplugin_py.net.directories import private_directory, remove_directory

_CHUNK_SIZE = 1024 * 1024
_MAX_NAME = 200  # memfd_create allows 249 bytes
_ELF_MAGIC = b"\x7fELF"
_MFD_EXEC = 0x10  # since Linux 6.3; `os` does not have it

# Starts an executable, with descriptors for it to inherit.
Spawn = Callable[[str, tuple[int, ...]], "subprocess.Popen[bytes]"]


@dataclass(frozen=True, slots=True)
class SecureConfig:
    """What a plugin's executable must be (go-plugin's name)."""

    checksum: bytes
    """The digest of the file, as bytes: `bytes.fromhex("9f86d0…")`."""

    hash: str = "sha256"
    """The hash function, by hashlib's name."""

    def __post_init__(self) -> None:
        if not isinstance(self.checksum, bytes):
            raise ConfigError(
                "checksum must be bytes: pass a text through bytes.fromhex()"
            )
        if not self.checksum:
            raise ConfigError("checksum must not be empty")
        try:
            size = hashlib.new(self.hash).digest_size
        except (ValueError, TypeError) as exc:
            raise ConfigError(f"hashlib has no hash {self.hash!r} here") from exc
        if not size:
            raise ConfigError(f"{self.hash} has no fixed length, take another hash")
        if len(self.checksum) != size:
            raise ConfigError(
                f"a {self.hash} checksum has {size} bytes, not {len(self.checksum)}"
            )


class VerifiedProgram(Protocol):
    """A copy of a program, made while it was checked."""

    def write(self, data: bytes) -> None:
        """Add the next bytes."""

    def seal(self) -> None:
        """Make it final; called once it is known to be the right one."""

    def run(self, spawn: Spawn) -> subprocess.Popen[bytes]:
        """Execute it; called once."""

    def close(self) -> None:
        """Remove what is left of it, after the process or instead of one."""


def verify(
    program: str,
    secure: SecureConfig,
    *,
    env: Mapping[str, str],
    cwd: str | None,
    proceed: Callable[[], None],
) -> VerifiedProgram:
    """Find a program as `Popen` would, check it and copy it.

    Args:
        program: A path, or a name that is looked up in PATH.
        secure: What it must be.
        env: The environment with that PATH.
        cwd: The directory that a relative path is relative to.
        proceed: Called now and then; may raise to end a check that takes long.

    Raises:
        ChecksumMismatch: The file is another one.
        OSError: There is no such program, or it can't be read or copied.
    """
    path, file = _open_program(program, env, cwd)
    with file, contextlib.ExitStack() as undo:
        copy = _new_copy(os.path.basename(path))
        undo.callback(copy.close)
        digest = hashlib.new(secure.hash)
        while data := file.read(_CHUNK_SIZE):
            proceed()
            digest.update(data)
            copy.write(data)
        if not hmac.compare_digest(digest.digest(), secure.checksum):
            raise _mismatch(path, file, secure, digest.hexdigest())
        copy.seal()
        undo.pop_all()
    return copy


def _mismatch(
    path: str, file: BinaryIO, secure: SecureConfig, found: str
) -> ChecksumMismatch:
    info = os.fstat(file.fileno())
    changed = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(info.st_mtime))
    error = ChecksumMismatch(
        f"the {secure.hash} checksum of {path} is not the expected one, so it was not "
        f"started\nexpected: {secure.checksum.hex()}\n   found: {found}"
    )
    error.notes = (f"{path} has {info.st_size} bytes and was changed at {changed}",)
    return error


# Finding


def _open_program(
    program: str, env: Mapping[str, str], cwd: str | None
) -> tuple[str, BinaryIO]:
    """Return the path and the opened file of what execvpe would execute."""
    absence = OSError(errno.ENOENT, os.strerror(errno.ENOENT))
    obstacle: OSError | None = None
    for path in _candidates(program, env, cwd):
        try:
            return path, _open_executable(path)
        except (FileNotFoundError, NotADirectoryError) as exc:
            absence = exc
        except OSError as exc:
            obstacle = obstacle or exc
    raise obstacle or absence


def _candidates(program: str, env: Mapping[str, str], cwd: str | None) -> Iterator[str]:
    directories = [""] if os.path.dirname(program) else os.get_exec_path(env)
    for directory in directories:
        yield os.path.join(cwd or "", directory, program)


def _open_executable(path: str) -> BinaryIO:
    # Opening a pipe must not wait for a writer.
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode) or not os.access(path, os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return open(fd, "rb")
    except BaseException:
        os.close(fd)
        raise


# Copying


def _new_copy(name: str) -> VerifiedProgram:
    if hasattr(os, "memfd_create") and os.path.isdir("/proc/self/fd"):
        # Without the permission to execute memory, or on an old kernel.
        with contextlib.suppress(PermissionError, NotImplementedError):
            return _MemoryCopy(name)
    return _FileCopy(name)


class _MemoryCopy:
    """A copy in anonymous memory, which is sealed."""

    def __init__(self, name: str) -> None:
        self._fd = _memory_file(os.fsencode(name)[:_MAX_NAME])
        self._head = b""

    def write(self, data: bytes) -> None:
        self._head = self._head or data[: len(_ELF_MAGIC)]
        _write_all(self._fd, data)

    def seal(self) -> None:
        seals = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK
        fcntl.fcntl(self._fd, fcntl.F_ADD_SEALS, seals | fcntl.F_SEAL_SEAL)

    def run(self, spawn: Spawn) -> subprocess.Popen[bytes]:
        try:
            if self._head == _ELF_MAGIC:
                # A process that has changed its user may not be looked into.
                with contextlib.suppress(PermissionError):
                    return spawn(f"/proc/{os.getpid()}/fd/{self._fd}", ())
            return spawn(f"/proc/self/fd/{self._fd}", (self._fd,))
        finally:
            self.close()

    def close(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


def _memory_file(name: bytes) -> int:
    flags = os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING
    label = os.fsdecode(name)
    try:
        return os.memfd_create(label, flags | _MFD_EXEC)
    except OSError as exc:
        if exc.errno == errno.ENOSYS:
            raise NotImplementedError from exc
        if exc.errno != errno.EINVAL:
            raise
        return os.memfd_create(label, flags)


class _FileCopy:
    """A copy in a private directory, which stays until the end of the process.

    A script would be missed by its interpreter, and nothing tells when it was read.
    """

    def __init__(self, name: str) -> None:
        self._directory = private_directory()
        self._path = os.path.join(self._directory, name)
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            self._fd = os.open(self._path, flags, stat.S_IRUSR | stat.S_IXUSR)
            os.fchmod(self._fd, stat.S_IRUSR | stat.S_IXUSR)  # whatever the umask
        except BaseException:
            os.rmdir(self._directory)
            raise

    def write(self, data: bytes) -> None:
        _write_all(self._fd, data)

    def seal(self) -> None:
        # A file that somebody may write to is not executed.
        self._close_file()

    def run(self, spawn: Spawn) -> subprocess.Popen[bytes]:
        return spawn(self._path, ())

    def _close_file(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def close(self) -> None:
        self._close_file()
        remove_directory(self._directory)


def _write_all(fd: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(fd, rest) :]
