"""The part of Terraform's CLI configuration that says where providers are.

Its files are HCL, of which only blocks and attributes with literals matter here;
everything else is passed over.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["CLIConfig", "read_cli_config"]


@dataclass
class CLIConfig:
    """Where providers are, as the user set it.

    Attributes:
        plugin_cache_dir: The plugin cache.
        dev_overrides: Directories of executables, by address with the host.
        filesystem_mirrors: The mirrors, in their order.
        has_installation: Whether the user says where providers come from, in which case
            the usual mirrors do not count.
    """

    plugin_cache_dir: Path | None = None
    dev_overrides: dict[str, Path] = field(default_factory=dict)
    filesystem_mirrors: list[Path] = field(default_factory=list)
    has_installation: bool = False


def read_cli_config() -> CLIConfig:
    """Read the files that Terraform and OpenTofu read, or the one they are told to."""
    config = CLIConfig()
    if cache := os.environ.get("TF_PLUGIN_CACHE_DIR"):
        config.plugin_cache_dir = Path(cache)
    for path in _files():
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            continue
        _read(text, config)
    return config


def _files() -> Iterator[Path]:
    for variable in ("TF_CLI_CONFIG_FILE", "TERRAFORM_CONFIG"):
        if named := os.environ.get(variable):
            yield Path(named)
            return
    yield Path.home() / ".terraformrc"
    yield from sorted((Path.home() / ".terraform.d").glob("*.tfrc"))
    yield Path.home() / ".tofurc"


_TOKEN = re.compile(
    r"""(?P<comment>\#[^\n]*|//[^\n]*|/\*.*?\*/)
      | "(?P<text>(?:[^"\\]|\\.)*)"
      | (?P<word>[\w.-]+)
      | (?P<sign>[{}\[\]=,])""",
    re.VERBOSE | re.DOTALL,
)


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    for found in _TOKEN.finditer(text):
        kind = found.lastgroup or ""
        if kind != "comment":
            yield kind, found[kind]


def _read(text: str, config: CLIConfig) -> None:
    """Follow the blocks that each value is in, and keep what is known."""
    blocks: list[str] = []
    name = key = ""
    is_value = False
    for kind, part in _tokens(text):
        match kind, part:
            case ("sign", "{"):
                blocks.append(key if is_value else name)
                _enter(blocks, config)
                name, is_value = "", False
            case ("sign", "}"):
                blocks = blocks[:-1]
            case ("sign", "="):
                key, is_value = name, True
            case ("sign", _):
                pass
            case _ if is_value:
                _keep(blocks, key, part, config)
                is_value = False
            case _:
                name = part


def _enter(blocks: list[str], config: CLIConfig) -> None:
    if blocks == ["provider_installation"]:
        config.has_installation = True


def _keep(blocks: list[str], key: str, value: str, config: CLIConfig) -> None:
    path = Path(os.path.expandvars(value)).expanduser()
    if blocks == [] and key == "plugin_cache_dir" and config.plugin_cache_dir is None:
        config.plugin_cache_dir = path
    elif blocks == ["provider_installation", "dev_overrides"]:
        address = key if key.count("/") > 1 else f"registry.terraform.io/{key}"
        config.dev_overrides[address] = path
    elif blocks == ["provider_installation", "filesystem_mirror"] and key == "path":
        config.filesystem_mirrors.append(path)
