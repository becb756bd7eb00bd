"""Where the executables of providers are: the places that Terraform looks in."""

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from goplugin_py.terraform.cli_config import CLIConfig, read_cli_config
from goplugin_py.terraform.errors import ProviderNotFound
from goplugin_py.terraform.target import this_target

__all__ = ["find_provider"]

_PREFIX = "terraform-provider-"
_DEFAULT_HOSTS = ("registry.terraform.io", "registry.opentofu.org")
_DEFAULT_NAMESPACE = "hashicorp"
# HOST/NAMESPACE/TYPE, of which the last is enough.
_ADDRESS = re.compile(r"(([\w-]+\.[\w.-]+/)?[\w-]+/)?[\w-]+")


def find_provider(provider: str | os.PathLike[str], *, version: str = "") -> Path:
    """Return the executable of a provider.

    Args:
        provider: A path; or a name such as `terraform-provider-time`, `time`,
            `hashicorp/time` or `registry.terraform.io/hashicorp/time`, which is looked
            for in development overrides, in the present directory's `.terraform`, in
            the plugin cache, in filesystem mirrors, and on `PATH`.
        version: Take this version only; else the highest.

    Raises:
        ProviderNotFound: There is none.
    """
    text = os.fspath(provider)
    if Path(text).is_file():
        return Path(text).absolute()
    if not _ADDRESS.fullmatch(text):
        raise ProviderNotFound(text, [str(Path(text).absolute())])
    host, namespace, name = _address(text)
    places: list[str] = []
    for place in _places(host, namespace, name, version):
        places.append(str(place))
        if found := _executable(place, name):
            return found
    raise ProviderNotFound(text, places)


def _address(text: str) -> tuple[str, str, str]:
    *above, name = text.split("/")
    name = name.removeprefix(_PREFIX)
    namespace = above[-1] if above else _DEFAULT_NAMESPACE
    return (above[0] if len(above) > 1 else ""), namespace, name


def _places(host: str, namespace: str, name: str, version: str) -> Iterator[Path]:
    """Yield the directories that may hold it, the ones that count first."""
    config = read_cli_config()
    hosts = [host] if host else list(_DEFAULT_HOSTS)
    for each in hosts:
        if override := config.dev_overrides.get(f"{each}/{namespace}/{name}"):
            yield override
    for base in _package_roots(config):
        for each in hosts:
            yield from _versions(base / each / namespace / name, version)
    yield from map(Path, os.environ.get("PATH", os.defpath).split(os.pathsep))


def _package_roots(config: CLIConfig) -> Iterator[Path]:
    data = os.environ.get("TF_DATA_DIR", ".terraform")
    yield Path.cwd() / data / "providers"
    if config.plugin_cache_dir is not None:
        yield config.plugin_cache_dir
    yield from config.filesystem_mirrors
    if not config.has_installation:
        yield from _implied_mirrors()


def _implied_mirrors() -> Iterator[Path]:
    yield Path.cwd() / "terraform.d" / "plugins"
    yield Path.home() / ".terraform.d" / "plugins"
    home = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    shared = os.environ.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share"
    for directory in [home, *shared.split(os.pathsep)]:
        yield Path(directory) / "terraform" / "plugins"
        yield Path(directory) / "opentofu" / "plugins"


def _versions(package: Path, version: str) -> Iterator[Path]:
    """Yield the directories of a provider's versions, the highest first."""
    if version:
        yield package / version / this_target()
        return
    try:
        versions = sorted((each.name for each in package.iterdir()), key=_order)
    except OSError:
        versions = []
    # A place without any still is one that was looked at.
    for each in reversed(versions or ["*"]):
        yield package / each / this_target()


def _order(version: str) -> tuple[list[int], bool, str]:
    numbers, _, suffix = version.partition("-")
    parts = [int(part) for part in numbers.split(".") if part.isdecimal()]
    return parts, not suffix, suffix


def _executable(directory: Path, name: str) -> Path | None:
    """Return the first file that Terraform would take for the provider."""
    for each in _files(directory):
        rest = each.name.removeprefix(f"{_PREFIX}{name}")
        is_named = rest != each.name and rest[:1] in {"", "_", "."}
        if is_named and each.is_file() and os.access(each, os.X_OK):
            return each.absolute()
    return None


def _files(directory: Path) -> Sequence[Path]:
    try:
        return sorted(directory.iterdir())
    except OSError:
        return ()
