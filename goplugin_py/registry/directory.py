"""A directory of plugins: what is in it, what is wrong with it, and what changed."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from goplugin_py.errors import ManifestError, NoSuchPlugin, RegistryError
from goplugin_py.registry.files import (
    MANIFEST,
    FilePattern,
    Found,
    is_open_to_others,
    read_plugin,
)
from goplugin_py.registry.manifest import Manifest
from goplugin_py.registry.versions import Constraint, Version

if TYPE_CHECKING:
    import grpc

REPORT_TIMEOUT = 5.0  # seconds, for a call that needs a millisecond

_Key = tuple[str, Version]


@dataclass(frozen=True, slots=True)
class Problem:
    """Something in the directory that looks like a plugin, and is not offered."""

    path: Path
    """The manifest, or the program."""

    error: ManifestError
    """Why."""

    def __str__(self) -> str:
        return f"{self.path}: {self.error}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What is different since the directory was looked at before."""

    added: tuple[Manifest, ...] = ()
    removed: tuple[Manifest, ...] = ()
    changed: tuple[Manifest, ...] = ()
    """As they are now: another manifest, or another program."""

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)


class Registry:
    """Finds plugins in a directory. It starts nothing and runs no thread.

    A plugin is a subdirectory with a `plugin.yaml`, or, with `files`, a program whose
    name says what it is. What is broken is listed in `problems` and does not keep the
    rest from being found. All methods are safe from any thread.
    """

    def __init__(
        self, directory: str | os.PathLike[str], *, files: str | None = None
    ) -> None:
        """Prepare; the directory is looked at on first use.

        Args:
            directory: Where the plugins are. Nobody but its owner, and those whom the
                owner trusts, should be able to write to it: it says what is run.
            files: What programs are called, such as
                `terraform-provider-{name}_v{version}`; None means that all plugins
                have manifests.

        Raises:
            ConfigError: `files` does not name name and version.
        """
        self.directory = Path(directory).absolute()
        self._pattern = None if files is None else FilePattern(files)
        self._lock = threading.Lock()  # guards all below
        self._found: dict[_Key, Found] | None = None
        self._problems: tuple[Problem, ...] = ()
        self._reports: dict[_Key, tuple[Found, Manifest | None]] = {}

    # Looking

    def refresh(self) -> Changes:
        """Look at the directory again; read the files that have changed.

        Raises:
            RegistryError: The directory can't be read, or any user may change it.
        """
        with self._lock:
            return self._refresh()

    def _refresh(self) -> Changes:
        before = self._found or {}
        known = {found.manifest.path: found for found in before.values()}
        scan = _Scan(self.directory, self._pattern, known)
        self._found, self._problems = scan.found, tuple(scan.problems)
        self._reports = {
            key: report
            for key, report in self._reports.items()
            if self._found.get(key) is report[0]
        }
        return _difference(before, self._found)

    def _current(self) -> dict[_Key, Found]:
        assert self._lock.locked()
        if self._found is None:
            self._refresh()
        assert self._found is not None
        return self._found

    # What there is

    @property
    def plugins(self) -> tuple[Manifest, ...]:
        """All plugins of the latest look, by id and then by version."""
        with self._lock:
            found = self._current()
            return tuple(found[key].manifest for key in sorted(found))

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What the latest look could not take for a plugin, by path."""
        with self._lock:
            self._current()
            return self._problems

    def find(self, plugin_id: str, constraint: str = "") -> Manifest:
        """Return the newest version of a plugin that will do.

        Args:
            plugin_id: The manifest's `id`, or the name in a file's name.
            constraint: Such as `>=1.2, <2`; see `goplugin_py.registry.versions`.

        Raises:
            NoSuchPlugin: There is none in the latest look.
            ConfigError: The constraint is not one.
        """
        allowed = Constraint.parse(constraint)
        versions = [each for each in self.plugins if each.id == plugin_id]
        fitting = [each for each in versions if allowed.allows(each.version)]
        if not fitting:
            raise self._no_such_plugin(plugin_id, constraint, versions)
        return fitting[-1]

    def _no_such_plugin(
        self, plugin_id: str, constraint: str, versions: list[Manifest]
    ) -> NoSuchPlugin:
        wanted = f"{plugin_id!r} {constraint}".rstrip()
        there = ", ".join(str(each.version) for each in versions) or "no version"
        text = f"{self.directory} has no plugin {wanted}: there is {there} of it"
        problems = "".join(f"\nproblem: {each}" for each in self.problems)
        return NoSuchPlugin(text + problems)

    # What plugins say

    def report(
        self, plugin: Manifest, channel: grpc.Channel | None = None
    ) -> Manifest | None:
        """Return the manifest that a plugin reports itself.

        It is asked once, and again when its files have changed.

        Args:
            plugin: Which.
            channel: A channel to it; None only looks up what is known.

        Returns:
            What it reports, without command and checksum; None if it reports nothing,
            as most do, or is not known yet.

        Raises:
            ManifestError: What it reports is no manifest.
            grpc.RpcError: It could not be asked.
        """
        key = (plugin.id, plugin.version)
        with self._lock:
            found = self._current().get(key)
            _, report = self._reports.get(key, (None, None))
            if key in self._reports or channel is None:
                return report
        from goplugin_py.registry.report import ask_manifest  # needs protobuf

        report = ask_manifest(channel, REPORT_TIMEOUT)
        with self._lock:
            if found is not None and self._current().get(key) is found:
                self._reports[key] = (found, report)
        return report


class _Scan:
    """One look at a directory."""

    def __init__(
        self, root: Path, pattern: FilePattern | None, known: dict[Path | None, Found]
    ) -> None:
        self.found: dict[_Key, Found] = {}
        self.problems: list[Problem] = []
        self._root = root
        self._pattern = pattern
        self._known = known
        self._twice: set[_Key] = set()
        for path, read in self._candidates():
            self._take(path, read)
        for key in self._twice:
            self._report_twin(self.found.pop(key))
        self.problems.sort(key=lambda problem: problem.path)

    def _candidates(self) -> Iterator[tuple[Path, Callable[[Path, Path], Found]]]:
        for path in _listed(self._root):
            if path.is_dir():
                yield path / MANIFEST, read_plugin
            elif self._pattern is not None and self._pattern.matches(path):
                yield path, self._pattern.read

    def _take(self, path: Path, read: Callable[[Path, Path], Found]) -> None:
        try:
            known = self._known.get(path)
            found = known if known and known.is_current else read(path, self._root)
        except ManifestError as exc:
            self.problems.append(Problem(path, exc))
        except FileNotFoundError:
            # A directory without a manifest is none of our business; a link is.
            if path.is_symlink():
                self._report_unreadable(path, "it is a link that leads nowhere")
        except (OSError, RuntimeError) as exc:  # RuntimeError: links in a circle
            self._report_unreadable(path, str(exc))
        else:
            self._add(found)

    def _add(self, found: Found) -> None:
        key = (found.manifest.id, found.manifest.version)
        if key in self.found:
            self._twice.add(key)
            self._report_twin(found)
        else:
            self.found[key] = found

    def _report_twin(self, found: Found) -> None:
        # Which of them is meant is not for us to guess: none is offered.
        assert found.manifest.path is not None
        error = ManifestError(
            f"there is another {found.manifest} in this directory: remove one of them"
        )
        self.problems.append(Problem(found.manifest.path, error))

    def _report_unreadable(self, path: Path, reason: str) -> None:
        self.problems.append(Problem(path, ManifestError(f"can't be read: {reason}")))


def _listed(root: Path) -> list[Path]:
    try:
        if is_open_to_others(root):
            raise RegistryError(
                f"any user may put plugins into {root}: run chmod o-w on it"
            )
        return sorted(root.iterdir())
    except OSError as exc:
        raise RegistryError(f"can't read the directory of plugins: {exc}") from exc


def _difference(before: dict[_Key, Found], after: dict[_Key, Found]) -> Changes:
    both = sorted(before.keys() & after.keys())
    return Changes(
        added=tuple(after[k].manifest for k in sorted(after.keys() - before.keys())),
        removed=tuple(before[k].manifest for k in sorted(before.keys() - after.keys())),
        changed=tuple(after[k].manifest for k in both if after[k] != before[k]),
    )
