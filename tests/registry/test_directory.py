"""Directories of plugins: what is found, what is refused, and what has changed."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from goplugin_py import Client, SecureConfig
from goplugin_py.errors import (
    ChecksumMismatch,
    ConfigError,
    NoSuchPlugin,
    RegistryError,
)
from goplugin_py.registry import Changes, Manifest, Registry
from tests.echo import client_config

PROGRAM = "#!/bin/sh\nexit 1\n"
TERRAFORM = "terraform-provider-{name}_v{version}"


def write_program(path: Path, text: str = PROGRAM) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def write_plugin(
    root: Path,
    place: str,
    plugin_id: str = "kv",
    version: str = "1.0.0",
    more: str = "",
) -> Path:
    """Write a plugin of one program; return its manifest's path."""
    write_program(root / place / "run")
    path = root / place / "plugin.yaml"
    path.write_text(f"id: {plugin_id}\nversion: {version}\ncommand: [./run]\n{more}")
    return path


def ids(manifests: tuple[Manifest, ...]) -> list[str]:
    return list(map(str, manifests))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    path = tmp_path / "plugins"
    path.mkdir(mode=0o755)
    return path


def problem(root: Path, files: str | None = None) -> str:
    """Return the only problem of a directory that has nothing else in it."""
    registry = Registry(root, files=files)
    assert registry.plugins == ()
    [found] = registry.problems
    assert str(found).startswith(f"{found.path}: ")
    return str(found.error)


# What is found


def test_plugins_are_subdirectories_with_a_manifest(root: Path) -> None:
    write_plugin(root, "b", "kv", "1.10.0")
    write_plugin(root, "a", "kv", "1.9.0")
    write_plugin(root, "c", "echo", "0.1.0", "author: somebody")
    (root / "no-plugin").mkdir()
    (root / "README").write_text("not a plugin either")
    registry = Registry(root)
    assert ids(registry.plugins) == ["echo 0.1.0", "kv 1.9.0", "kv 1.10.0"]
    assert registry.problems == ()
    assert registry.plugins[0].author == "somebody"
    assert registry.plugins[0].path == root / "c" / "plugin.yaml"


def test_words_that_start_here_become_absolute_and_others_stay(root: Path) -> None:
    path = write_plugin(root, "a")
    (root / "a" / "data").write_text("")
    path.write_text(
        "id: kv\nversion: 1.0.0\ncommand: [python3, ./run, ./data, -v, x/y]"
    )
    [plugin] = Registry(root).plugins
    here = root / "a"
    assert plugin.command == ("python3", f"{here}/run", f"{here}/data", "-v", "x/y")


def test_a_relative_directory_is_the_one_of_now(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_plugin(root, "a")
    monkeypatch.chdir(root.parent)
    registry = Registry("plugins")
    monkeypatch.chdir("/")
    assert registry.plugins[0].command == (str(root / "a" / "run"),)


def test_programs_are_found_by_their_names(root: Path) -> None:
    """As Terraform's providers are called."""
    write_program(root / "terraform-provider-time_v0.14.2")
    write_program(root / "terraform-provider-a_v1.0.0-rc.1")
    write_program(root / "something-else")
    write_plugin(root, "kv")
    registry = Registry(root, files=TERRAFORM)
    assert ids(registry.plugins) == ["a 1.0.0-rc.1", "kv 1.0.0", "time 0.14.2"]
    assert registry.find("time").command == (
        str(root / "terraform-provider-time_v0.14.2"),
    )
    assert registry.problems == ()


@pytest.mark.parametrize(
    "files", ["terraform-provider", "{name}", "{name}{name}_{version}", "{version}-x"]
)
def test_a_pattern_must_name_both(root: Path, files: str) -> None:
    with pytest.raises(ConfigError, match="must have"):
        Registry(root, files=files)


def test_the_newest_that_will_do_is_picked(root: Path) -> None:
    for version in ("1.2.0", "1.10.0", "1.9.9", "2.0.0-rc.1"):
        write_plugin(root, version, version=version)
    registry = Registry(root)
    assert str(registry.find("kv")) == "kv 1.10.0"
    assert str(registry.find("kv", "<1.10")) == "kv 1.9.9"
    assert str(registry.find("kv", ">=2.0.0-rc.1")) == "kv 2.0.0-rc.1"


def test_what_is_not_there_is_named_with_what_is(root: Path) -> None:
    write_plugin(root, "a", version="1.2.0")
    write_plugin(root, "b", "broken", version="1")
    registry = Registry(root)
    with pytest.raises(
        NoSuchPlugin, match=r"'kv' \^2: there is 1\.2\.0 of it"
    ) as caught:
        registry.find("kv", "^2")
    assert "'1' is not a semantic version" in str(caught.value)
    with pytest.raises(LookupError, match="'broken': there is no version of it"):
        registry.find("broken")
    with pytest.raises(ConfigError):
        registry.find("kv", "newest")


# Checksums


def test_a_checksum_becomes_what_a_client_checks(root: Path) -> None:
    digest = hashlib.sha256(PROGRAM.encode())
    write_plugin(root, "a", more=f"checksum: sha256:{digest.hexdigest()}")
    [plugin] = Registry(root).plugins
    assert plugin.secure == SecureConfig(digest.digest())


def test_a_program_with_other_bytes_does_not_start(root: Path) -> None:
    write_plugin(root, "a", more=f"checksum: {hashlib.sha256(b'other').hexdigest()}")
    [plugin] = Registry(root).plugins
    with pytest.raises(ChecksumMismatch, match="was not started"):
        Client(client_config(*plugin.command, secure=plugin.secure)).start()


def test_a_checksum_of_what_is_elsewhere_is_refused(root: Path) -> None:
    """The author means the script, and it would be the interpreter that is checked."""
    path = write_plugin(root, "a", more=f"checksum: {'00' * 32}")
    path.write_text(path.read_text().replace("[./run]", "[python3, ./run]"))
    assert "'python3' is not one of the directory" in problem(root)


# What is refused


def test_a_broken_plugin_does_not_hide_the_others(root: Path) -> None:
    write_plugin(root, "a").write_text("id: {")
    write_plugin(root, "b")
    write_plugin(root, "c").write_bytes(b"\xff\xfe")
    registry = Registry(root)
    assert ids(registry.plugins) == ["kv 1.0.0"]
    assert [each.path.parent.name for each in registry.problems] == ["a", "c"]
    assert isinstance(registry.problems[0].error, ValueError)


def test_two_of_the_same_version_are_both_refused(root: Path) -> None:
    """Which one is meant is not for a host to guess. Build metadata does not count."""
    write_plugin(root, "a", version="1.0.0+a")
    write_plugin(root, "b", version="1.0.0+b")
    write_plugin(root, "c", version="1.0.0")
    write_plugin(root, "d", version="1.0.1")
    registry = Registry(root)
    assert ids(registry.plugins) == ["kv 1.0.1"]
    assert [each.path.parent.name for each in registry.problems] == ["a", "b", "c"]
    shutil.rmtree(root / "b")
    shutil.rmtree(root / "c")
    registry.refresh()
    assert ids(registry.plugins) == ["kv 1.0.0+a", "kv 1.0.1"]


def outside(root: Path) -> Path:
    return write_program(root.parent / "outside" / "run")


def link_program(root: Path) -> None:
    write_plugin(root, "a")
    (root / "a" / "run").unlink()
    (root / "a" / "run").symlink_to(outside(root))


def link_manifest(root: Path) -> None:
    path = write_plugin(root, "a")
    path.rename(outside(root).parent / "plugin.yaml")
    path.symlink_to(root.parent / "outside" / "plugin.yaml")


def link_directory(root: Path) -> None:
    write_plugin(root.parent, "outside")
    (root / "a").symlink_to(root.parent / "outside")


def climb(root: Path) -> None:
    outside(root)
    path = write_plugin(root, "a")
    path.write_text(path.read_text().replace("./run", "./../../outside/run"))


def link_argument(root: Path) -> None:
    path = write_plugin(root, "a")
    (root / "a" / "script").symlink_to(outside(root))
    path.write_text(path.read_text().replace("./run", "./run, ./script"))


@pytest.mark.parametrize(
    "leave", [link_program, link_manifest, link_directory, climb, link_argument]
)
def test_what_leads_out_of_the_directory_is_refused(
    root: Path, leave: Callable[[Path], None]
) -> None:
    leave(root)
    assert "outside of the directory" in problem(root)


def test_links_inside_of_the_directory_are_fine(root: Path) -> None:
    write_plugin(root, "a")
    (root / "a" / "run").rename(root / "a" / "run-1.0.0")
    (root / "a" / "run").symlink_to("run-1.0.0")
    assert ids(Registry(root).plugins) == ["kv 1.0.0"]


def test_a_named_program_that_is_a_link_out_is_refused(root: Path) -> None:
    (root / "terraform-provider-a_v1.0.0").symlink_to(outside(root))
    assert "outside of the directory" in problem(root, TERRAFORM)


def test_a_named_program_without_a_version_is_refused(root: Path) -> None:
    write_program(root / "terraform-provider-a_v1.0")
    assert "'1.0' is not a semantic version" in problem(root, TERRAFORM)


def circle(path: Path) -> None:
    path.unlink()
    path.symlink_to(path)


def dangle(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere")


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("kind", [circle, dangle, pipe, directory])
def test_a_manifest_that_is_no_file_is_refused(
    root: Path, kind: Callable[[Path], None]
) -> None:
    """A pipe must not keep the host waiting for a writer."""
    kind(write_plugin(root, "a"))
    assert any(
        words in problem(root)
        for words in ("can't be read", "not a regular file", "leads nowhere")
    )


@pytest.mark.parametrize("kind", [circle, dangle, pipe, directory])
def test_a_program_that_is_no_file_is_refused(
    root: Path, kind: Callable[[Path], None]
) -> None:
    write_plugin(root, "a")
    kind(root / "a" / "run")
    assert "run" in problem(root)


def test_a_program_that_may_not_be_executed_is_refused(root: Path) -> None:
    write_plugin(root, "a")
    (root / "a" / "run").chmod(0o644)
    assert "is not an executable file" in problem(root)
    (root / "terraform-provider-x_v1.0.0").write_text("")
    registry = Registry(root, files=TERRAFORM)
    assert len(registry.problems) == 2


def test_a_manifest_must_say_what_to_run(root: Path) -> None:
    write_plugin(root, "a").write_text("id: kv\nversion: 1.0.0")
    assert "'command' is missing" in problem(root)


@pytest.mark.parametrize("place", ["a", "a/plugin.yaml", "a/run"])
def test_what_any_user_may_change_is_refused(root: Path, place: str) -> None:
    write_plugin(root, "a")
    path = root / place
    path.chmod(path.stat().st_mode | 0o002)
    assert "run chmod o-w on it" in problem(root)
    path.chmod(path.stat().st_mode & ~0o002)
    assert ids(Registry(root).plugins) == ["kv 1.0.0"]


def test_a_directory_that_any_user_may_change_is_an_error(root: Path) -> None:
    root.chmod(0o777)
    with pytest.raises(RegistryError, match="any user may put plugins"):
        Registry(root).refresh()


def test_a_directory_that_is_not_there_is_an_error(root: Path) -> None:
    with pytest.raises(RegistryError, match="missing"):
        _ = Registry(root / "missing").plugins
    write_program(root / "file")
    with pytest.raises(RegistryError, match="can't read"):
        Registry(root / "file").find("kv")


# What has changed


def test_the_first_look_finds_all_and_the_next_nothing_new(root: Path) -> None:
    write_plugin(root, "a")
    registry = Registry(root)
    assert ids(registry.refresh().added) == ["kv 1.0.0"]
    assert not registry.refresh()
    assert registry.refresh() == Changes()


def test_what_comes_and_goes_is_told(root: Path) -> None:
    write_plugin(root, "a")
    registry = Registry(root)
    registry.refresh()
    write_plugin(root, "b", version="1.1.0")
    shutil.rmtree(root / "a")
    changes = registry.refresh()
    assert changes
    assert (ids(changes.added), ids(changes.removed)) == (["kv 1.1.0"], ["kv 1.0.0"])
    assert str(registry.find("kv")) == "kv 1.1.0"


def rewrite_manifest(root: Path) -> None:
    path = root / "a" / "plugin.yaml"
    path.write_text(path.read_text() + "name: another\n")


def replace_program(root: Path) -> None:
    write_program(root / "a" / "new")
    (root / "a" / "new").rename(root / "a" / "run")


def touch_program(root: Path) -> None:
    os.utime(root / "a" / "run", ns=(1, 1))


@pytest.mark.parametrize("change", [rewrite_manifest, replace_program, touch_program])
def test_another_manifest_or_program_is_a_change(
    root: Path, change: Callable[[Path], None]
) -> None:
    """By inode, size and time of the manifest and of what it names."""
    write_plugin(root, "a")
    write_plugin(root, "b", "other")
    registry = Registry(root)
    registry.refresh()
    change(root)
    changes = registry.refresh()
    assert ids(changes.changed) == ["kv 1.0.0"]
    assert not changes.added + changes.removed
    assert not registry.refresh()


def test_a_problem_that_is_repaired_is_a_plugin(root: Path) -> None:
    write_plugin(root, "a")
    (root / "a" / "run").chmod(0o644)
    registry = Registry(root)
    assert not registry.refresh()
    (root / "a" / "run").chmod(0o755)
    assert ids(registry.refresh().added) == ["kv 1.0.0"]
    assert registry.problems == ()


def test_files_that_have_not_changed_are_not_read_again(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_plugin(root, "a")
    registry = Registry(root)
    [before] = registry.plugins
    opened = []
    monkeypatch.setattr(os, "open", lambda *args, **_: opened.append(args))
    registry.refresh()
    assert registry.plugins[0] is before
    assert opened == []


def test_a_directory_that_has_gone_leaves_what_was_known(root: Path) -> None:
    write_plugin(root, "a")
    registry = Registry(root)
    registry.refresh()
    shutil.rmtree(root)
    with pytest.raises(RegistryError):
        registry.refresh()
    assert ids(registry.plugins) == ["kv 1.0.0"]
