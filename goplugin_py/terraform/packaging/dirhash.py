"""The `h1:` hashes of packages, which Terraform keeps in its lock file.

They cover the names and contents of a package's files, and nothing else: neither modes
nor times, nor how a zip was packed (golang.org/x/mod/sumdb/dirhash: Hash1).
"""

import base64
import hashlib
import os
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from goplugin_py.terraform.packaging.errors import PackagingError, filing

__all__ = ["hash_directory", "hash_zip"]


def hash_directory(directory: str | os.PathLike[str]) -> str:
    """Return the hash of an unpacked package.

    Links to files count as the files.

    Raises:
        PackagingError: It can't be read, or has what Terraform refuses: a link to a
            directory, a name with a line break.
    """
    root = Path(directory)
    with filing(root):
        names = sorted(os.fsdecode(name) for name in _files(root))
        return _combined({name: _digest_of(root / name) for name in names})


def hash_zip(path: str | os.PathLike[str]) -> str:
    """Return the hash of a packed package; it is that of the unpacked one.

    Raises:
        PackagingError: It can't be read.
    """
    with filing(Path(path)):
        try:
            archive = zipfile.ZipFile(path)
        except zipfile.BadZipFile as exc:
            raise PackagingError(f"{path} is no zip file: {exc}") from exc
        with archive:
            names = sorted(archive.namelist())
            return _combined({name: _digest(archive.read(name)) for name in names})


def _files(root: Path) -> Iterator[str]:
    """Yield the files' paths below the root, with slashes."""
    for parent, directories, files in os.walk(root, onerror=_raise):
        for name in directories:
            if (link := Path(parent, name)).is_symlink():
                raise PackagingError(
                    f"{link} is a link to a directory, which Terraform does not take "
                    "in a package: copy what is in it, or leave it out"
                )
        for name in files:
            yield Path(parent, name).relative_to(root).as_posix()


def _raise(error: OSError) -> None:
    raise error


def _digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _combined(digests: Mapping[str, str]) -> str:
    for name in digests:
        if "\n" in name:
            raise PackagingError(f"{name!r} has a line break in its name: rename it")
    lines = "".join(f"{digest}  {name}\n" for name, digest in digests.items())
    whole = hashlib.sha256(lines.encode()).digest()
    return f"h1:{base64.b64encode(whole).decode()}"
