"""What a directory says about one plugin."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from goplugin_py.errors import ConfigError, ManifestError
from goplugin_py.process.secure import SecureConfig
from goplugin_py.registry.versions import Version

if TYPE_CHECKING:
    import yaml

MAX_SIZE = 16 * 1024  # bytes; a manifest has a few hundred
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", re.ASCII)
_PROTOCOL_VERSION = re.compile(r"[0-9]{1,9}", re.ASCII)
_CHECKSUM = re.compile(r"(?:(?P<hash>[a-z0-9_-]+):)?(?P<digest>[0-9A-Fa-f]+)", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """One version of a plugin: who it is, and how it is started."""

    id: str
    """What hosts ask for: letters, digits, dots, underscores and hyphens."""

    version: Version
    """The plugin's own version, not one of a protocol."""

    name: str = ""
    """A name for people."""

    author: str = ""
    """Who made it, as they put it."""

    protocol_versions: tuple[int, ...] = ()
    """The application protocol versions that it speaks; empty if nobody said."""

    command: tuple[str, ...] = ()
    """For `ClientConfig.command`; empty in what a plugin reports of itself."""

    secure: SecureConfig | None = None
    """For `ClientConfig.secure`: the checksum of the manifest, if it has one."""

    path: Path | None = None
    """The manifest file, or the program itself where there is none."""

    def __str__(self) -> str:
        return f"{self.id} {self.version}"


def parse_manifest(text: str) -> Manifest:
    """Read a manifest, with the command and the checksum as they stand there.

    It is a YAML mapping of texts and lists of texts, without anchors, aliases and
    tags. Keys that start with `x-` are free for other programs.

    Raises:
        ManifestError: It is not a manifest; the text says where and why.
    """
    if len(text) > MAX_SIZE:
        raise ManifestError(f"it is longer than {MAX_SIZE} characters")
    fields = _load(text)
    unknown = [key for key in fields if key not in _READERS and key[:2] != "x-"]
    if unknown:
        known = ", ".join(_READERS)
        raise ManifestError(f"unknown key {unknown[0]!r:.99}; the known are: {known}")
    missing = [key for key in ("id", "version") if key not in fields]
    if missing:
        raise ManifestError(f"the key {missing[0]!r} is missing")
    values = {key: _read(key, fields[key]) for key in _READERS if key in fields}
    values["secure"] = values.pop("checksum", None)
    return Manifest(**values)


# YAML


def _load(text: str) -> Mapping[str, object]:
    import yaml  # 12 ms, and only manifests need it

    try:
        loaded = yaml.load(text, _loader(yaml))  # noqa: S506 - it makes texts only
    except RecursionError as exc:
        raise ManifestError("it is nested too deeply") from exc
    except (yaml.YAMLError, ValueError) as exc:
        raise ManifestError(f"it is not YAML that a manifest may have: {exc}") from exc
    if not isinstance(loaded, dict):
        raise ManifestError("it must be a mapping of keys to values")
    for key in loaded:
        if not isinstance(key, str):
            raise ManifestError("its keys must be texts")
    return loaded


def _loader(yaml: Any) -> type[yaml.BaseLoader]:
    """Make a loader that takes every value for a text, and each key once."""

    class Loader(yaml.BaseLoader):  # type: ignore[misc]
        def compose_node(self, parent: Any, index: Any) -> Any:
            event = self.peek_event()
            if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
                raise yaml.composer.ComposerError(
                    None, None, "it has an anchor or an alias", event.start_mark
                )
            return super().compose_node(parent, index)

        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            mapping = super().construct_mapping(node, deep=deep)
            if len(mapping) < len(node.value):
                raise yaml.constructor.ConstructorError(
                    None, None, "it has a key twice", node.start_mark
                )
            return mapping

    return Loader


# Fields


def _read(key: str, value: object) -> Any:
    try:
        return _READERS[key](value)
    except (ValueError, ConfigError) as exc:
        raise ManifestError(f"{key}: {exc}") from exc


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("must be a text")
    if not value.isprintable():
        raise ValueError("must be one line of printable characters")
    return value


def _id(value: object) -> str:
    text = _text(value)
    if not _ID.fullmatch(text):
        raise ValueError(
            "must have letters, digits, dots, underscores and hyphens only, "
            "and start with a letter or a digit"
        )
    return text


def _version(value: object) -> Version:
    return Version.parse(_text(value))


def _list(value: object) -> list[object]:
    if not isinstance(value, list) or not value:
        raise ValueError("must be a list with something in it")
    return value


def _protocol_versions(value: object) -> tuple[int, ...]:
    texts = [_text(item) for item in _list(value)]
    if not all(_PROTOCOL_VERSION.fullmatch(text) for text in texts):
        raise ValueError("must be a list of whole numbers")
    return tuple(sorted(set(map(int, texts))))


def _command(value: object) -> tuple[str, ...]:
    words = tuple(_text(item) for item in _list(value))
    if not words[0]:
        raise ValueError("must start with a program")
    return words


def _checksum(value: object) -> SecureConfig:
    found = _CHECKSUM.fullmatch(_text(value))
    if found is None or len(found["digest"]) % 2:
        raise ValueError("must be in hexadecimal, such as sha256:9f86d0…")
    name = found["hash"] or "sha256"
    if name not in hashlib.algorithms_available:
        raise ValueError(f"hashlib has no hash {name!r:.99} here")
    return SecureConfig(bytes.fromhex(found["digest"]), name)


_READERS: Mapping[str, Callable[[object], object]] = {
    "id": _id,
    "version": _version,
    "name": _text,
    "author": _text,
    "protocol_versions": _protocol_versions,
    "command": _command,
    "checksum": _checksum,
}
