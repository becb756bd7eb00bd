"""Plugins as files: how one is read from a directory, and when it has changed."""

from __future__ import annotations

import dataclasses
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from goplugin_py.errors import ConfigError, ManifestError
from goplugin_py.registry.manifest import MAX_SIZE, Manifest, parse_manifest
from goplugin_py.registry.versions import Version

MANIFEST = "plugin.yaml"
# What of a command lies beside its manifest. Anything else is left as it is.
_HERE = "./"

Stamp = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """A plugin of a directory, and the files it was read from."""

    manifest: Manifest
    stamps: tuple[tuple[Path, Stamp], ...]

    @property
    def is_current(self) -> bool:
        """Whether none of the files has changed since."""
        try:
            return all(stamp_of(path) == stamp for path, stamp in self.stamps)
        except OSError:
            return False


def stamp_of(path: Path) -> Stamp:
    """Return what changes when a file is replaced, rewritten or made executable.

    Raises:
        OSError: There is no such file, or it can't be looked at.
    """
    info = path.stat()
    return info.st_dev, info.st_ino, info.st_size, info.st_mtime_ns, info.st_ctime_ns


def is_open_to_others(path: Path) -> bool:
    """Whether every user of the machine may change a file or a directory."""
    return bool(path.stat().st_mode & stat.S_IWOTH)


def read_plugin(path: Path, root: Path) -> Found:
    """Read a manifest file, and look at the files that it names.

    Raises:
        ManifestError: It describes no plugin, or one that may not be started.
        OSError: It can't be read.
    """
    _check_place(path, root)
    stamps = [(path, stamp_of(path))]  # first: what changes later is read again
    manifest = parse_manifest(_read_text(path))
    if not manifest.command:
        raise ManifestError("the key 'command' is missing")
    command = tuple(_resolve(word, path.parent, root) for word in manifest.command)
    program = manifest.command[0]
    if program.startswith(_HERE):
        _check_program(Path(command[0]))
    elif manifest.secure is not None:
        raise ManifestError(
            f"checksum: it is that of the program, and {program!r} is not one of the "
            f"directory: start it with {_HERE}"
        )
    stamps += [
        (Path(found), stamp_of(Path(found)))
        for word, found in zip(manifest.command, command, strict=True)
        if word.startswith(_HERE)
    ]
    return Found(
        dataclasses.replace(manifest, command=command, path=path), tuple(stamps)
    )


def _read_text(path: Path) -> str:
    # Opening a pipe must not wait for a writer.
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(fd, "rb") as file:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise ManifestError("it is not a regular file")
        data = file.read(MAX_SIZE + 1)
    try:
        return data.decode()
    except UnicodeDecodeError as exc:
        raise ManifestError(f"it is not UTF-8: {exc}") from exc


def _resolve(word: str, here: Path, root: Path) -> str:
    if not word.startswith(_HERE):
        return word
    path = here / word
    try:
        _check_place(path, root)
    except OSError as exc:
        raise ManifestError(f"command: {word!r}: {exc.strerror}") from exc
    except ManifestError as exc:
        raise ManifestError(f"command: {word!r}: {exc}") from exc
    return str(path)


def _check_place(path: Path, root: Path) -> None:
    real = path.resolve(strict=True)
    if not real.is_relative_to(root.resolve()):
        raise ManifestError(f"it is outside of the directory: it leads to {real}")
    for each in (real, real.parent):
        if is_open_to_others(each):
            raise ManifestError(f"any user may change {each}: run chmod o-w on it")


def _check_program(path: Path) -> None:
    if not path.is_file() or not os.access(path, os.X_OK):
        raise ManifestError(f"command: {path} is not an executable file")


class FilePattern:
    """How the names of programs tell a plugin's name and version."""

    def __init__(self, pattern: str) -> None:
        """Prepare.

        Args:
            pattern: Such as `terraform-provider-{name}_v{version}`.

        Raises:
            ConfigError: It does not name each of the two once.
        """
        self._expression = re.compile("".join(_pieces(pattern)), re.DOTALL)
        if sorted(self._expression.groupindex) != ["name", "version"]:
            raise ConfigError(f"{pattern!r} must have {{name}} and {{version}} in it")

    def matches(self, path: Path) -> bool:
        """Whether a file is meant to be a plugin."""
        return self._expression.fullmatch(path.name) is not None

    def read(self, path: Path, root: Path) -> Found:
        """Return the plugin that a file with such a name is.

        Raises:
            ManifestError: It is none, or one that may not be started.
            OSError: It can't be looked at.
        """
        found = self._expression.fullmatch(path.name)
        assert found is not None
        _check_place(path, root)
        _check_program(path)
        try:
            version = Version.parse(found["version"])
        except ValueError as exc:
            raise ManifestError(str(exc)) from exc
        name = found["name"]
        manifest = Manifest(
            id=name, name=name, version=version, command=(str(path),), path=path
        )
        return Found(manifest, ((path, stamp_of(path)),))


def _pieces(pattern: str) -> Iterator[str]:
    for piece in re.split(r"(\{name\}|\{version\})", pattern):
        if piece not in ("{name}", "{version}"):
            yield re.escape(piece)
        elif pattern.count(piece) > 1:
            raise ConfigError(f"{pattern!r} must have {piece} in it once")
        else:
            lazy = "?" if piece == "{name}" else ""
            yield f"(?P<{piece[1:-1]}>.+{lazy})"
