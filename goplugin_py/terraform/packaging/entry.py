"""What a package starts: a provider in a module, or a script that serves one."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from goplugin_py.errors import ConfigError
from goplugin_py.terraform.packaging.address import ProviderAddress

__all__ = ["Entry"]

_NAME = r"[A-Za-z_]\w*"
_MODULE = re.compile(rf"(?P<module>{_NAME}(\.{_NAME})*):{_NAME}")


@dataclass(frozen=True, slots=True)
class Entry:
    """A provider's beginning.

    Attributes:
        target: `MODULE:NAME`; or a script's absolute path.
        source: The directory to import the module, or what is beside the script, from;
            None for what is installed.
    """

    target: str
    source: Path | None

    @classmethod
    def parse(cls, text: str, directory: str | os.PathLike[str] = ".") -> Self:
        """Read `MODULE:NAME` or a script's path.

        Args:
            text: What to read.
            directory: Where the module is, unless it is installed, and what the path
                is relative to.

        Raises:
            ConfigError: It is neither.
        """
        root = Path(directory).resolve()
        if found := _MODULE.fullmatch(text):
            has_module = _module_file(root, found["module"]) is not None
            return cls(text, root if has_module else None)
        script = (root / text).resolve()
        if not script.is_file():
            raise ConfigError(
                f"{text!r} is neither of the form MODULE:NAME nor a script's path"
            )
        return cls(str(script), script.parent)

    @property
    def is_script(self) -> bool:
        """Whether it is a script."""
        return os.sep in self.target

    def module_file(self) -> Path | None:
        """Return the file or folder that has the source; None if it is installed."""
        if self.is_script:
            return Path(self.target)
        module, _, _ = self.target.partition(":")
        return _module_file(self.source, module) if self.source is not None else None

    def statements(self, address: ProviderAddress) -> str:
        """Return the Python source that serves the provider."""
        if self.is_script:
            call = f'runpy.run_path({self.target!r}, run_name="__main__")'
            return f"import runpy\n\n{call}\n"
        return (
            "from goplugin_py.terraform.serving.entry import run\n\n"
            f"run({self.target!r}, {str(address)!r})\n"
        )


def _module_file(root: Path, module: str) -> Path | None:
    """Return what Python imports of several that have the name, such as data."""
    first, _, _ = module.partition(".")
    package, plain = root / first, root / f"{first}.py"
    for path, proof in ((package, package / "__init__.py"), (plain, plain)):
        if proof.is_file():
            return path
    return package if package.is_dir() else None
