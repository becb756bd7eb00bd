"""Where a provider's executable goes, so that Terraform and OpenTofu find it."""

from __future__ import annotations

import contextlib
import io
import os
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from goplugin_py.errors import PluginError
from goplugin_py.terraform.packaging.address import ProviderAddress
from goplugin_py.terraform.packaging.errors import PackagingError, filing
from goplugin_py.terraform.packaging.version import check_version
from goplugin_py.terraform.provider import Provider
from goplugin_py.terraform.target import this_target

__all__ = ["Package"]

_MODE = 0o755
# The earliest that a zip can tell: the same input makes the same file at any time.
_TIME = (1980, 1, 1, 0, 0, 0)
_UNIX = 3


@dataclass(frozen=True, slots=True)
class Package:
    """A provider as one executable file.

    Attributes:
        address: What it is called.
        data: The file: a launcher, or an archive with everything in it.
    """

    address: ProviderAddress
    data: bytes

    def check(self) -> None:
        """Start it once, in an empty folder, and read its schema.

        Raises:
            PackagingError: It does not start, or serves no provider.
        """
        with tempfile.TemporaryDirectory(prefix="goplugin-") as folder:
            executable = self.write_override(folder)
            try:
                Provider.launch(executable, env={"SHIV_ROOT": folder}).close()
            except PluginError as exc:
                raise PackagingError(f"the provider does not start: {exc}") from exc

    def write_override(self, folder: str | os.PathLike[str]) -> Path:
        """Write a folder for Terraform's `dev_overrides`; return the executable.

        Raises:
            PackagingError: The folder can't be written.
        """
        return _write(Path(folder) / self.address.executable, self.data)

    def write_mirror(self, folder: str | os.PathLike[str], version: str) -> Path:
        """Write into a filesystem mirror, unpacked; return the executable.

        Raises:
            ConfigError: The version is none.
            PackagingError: The mirror can't be written, or has more than this in the
                place of the package.
        """
        name = self._versioned(version)
        package = self._place(folder) / version / this_target()
        _refuse_others(package, name)
        return _write(package / name, self.data)

    def write_packed_mirror(self, folder: str | os.PathLike[str], version: str) -> Path:
        """Write into a filesystem mirror as a zip file; return that.

        Raises:
            ConfigError: The version is none.
            PackagingError: The mirror can't be written.
        """
        name = f"{self.address.executable}_{check_version(version)}_{this_target()}.zip"
        return _write(self._place(folder) / name, self._zip(version), mode=0o644)

    def _versioned(self, version: str) -> str:
        return f"{self.address.executable}_v{check_version(version)}"

    def _place(self, mirror: str | os.PathLike[str]) -> Path:
        return Path(mirror, *str(self.address).split("/"))

    def _zip(self, version: str) -> bytes:
        info = zipfile.ZipInfo(self._versioned(version), date_time=_TIME)
        info.create_system = _UNIX  # or the mode would not count
        info.external_attr = (0o100000 | _MODE) << 16
        info.compress_type = zipfile.ZIP_DEFLATED
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr(info, self.data)
        return packed.getvalue()


def _refuse_others(package: Path, name: str) -> None:
    """Terraform hashes all that is in a package, and may run another of its files."""
    with filing(package):
        found = {each.name for each in package.iterdir()} if package.exists() else set()
    if others := sorted(found - {name}):
        raise PackagingError(
            f"{package} has other files, which would be part of the package: "
            f"remove {', '.join(others)}"
        )


def _write(path: Path, data: bytes, mode: int = _MODE) -> Path:
    """Write a file as a whole: who runs the old one, or looks now, sees one of both."""
    path = path.absolute()
    with filing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, fresh = tempfile.mkstemp(dir=path.parent, prefix=".goplugin-")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                os.fchmod(descriptor, mode)
            os.replace(fresh, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(fresh)
            raise
    return path
