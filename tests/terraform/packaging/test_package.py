"""Packages where Terraform looks for providers, and our own host as well."""

import os
import stat
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from goplugin_py.errors import ConfigError
from goplugin_py.terraform import Provider, find_provider
from goplugin_py.terraform.packaging import (
    Package,
    PackagingError,
    hash_directory,
    hash_zip,
    mirror_snippet,
    override_snippet,
)
from goplugin_py.terraform.target import this_target
from tests.peers import SCRIPT_WAIT
from tests.terraform.packaging.packages import ADDRESS, package_of


@pytest.fixture
def configure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Write the CLI configuration."""

    def write(text: str) -> None:
        path = tmp_path / "cli.tfrc"
        path.write_text(text)
        monkeypatch.setenv("TF_CLI_CONFIG_FILE", str(path))

    return write


def test_an_override_is_found_by_what_is_printed(
    package: Package, tmp_path: Path, configure: Callable[[str], None]
) -> None:
    executable = package.write_override(tmp_path / "dev")
    assert executable.name == "terraform-provider-fake"
    configure(override_snippet(ADDRESS, tmp_path / "dev"))
    with Provider.launch("example.com/acme/fake") as provider:
        assert provider.client.pid is not None
        assert "fake_thing" in provider.schema.resources


def test_a_mirror_is_found_by_what_is_printed(
    package: Package, tmp_path: Path, configure: Callable[[str], None]
) -> None:
    executable = package.write_mirror(tmp_path / "mirror", "1.2.3")
    place = (
        f"example.com/acme/fake/1.2.3/{this_target()}/terraform-provider-fake_v1.2.3"
    )
    assert executable == tmp_path / "mirror" / place
    configure(mirror_snippet(ADDRESS, tmp_path / "mirror"))
    assert find_provider("example.com/acme/fake", version="1.2.3") == executable


def test_a_started_provider_leaves_its_package_as_it_was(
    package: Package, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Terraform refuses one whose hash has changed: by bytecode, for example.

    It runs the executable through a link, too: `terraform init` makes one.
    """
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    executable = package.write_mirror(tmp_path / "mirror", "1.0.0")
    before = hash_directory(executable.parent)
    (tmp_path / "installed").symlink_to(executable.parent)
    with Provider.launch(tmp_path / "installed" / executable.name) as provider:
        assert provider.protocol_version == 6
    assert hash_directory(executable.parent) == before
    assert os.listdir(executable.parent) == [executable.name]


def test_a_packed_package_has_the_hash_of_the_unpacked_one(
    package: Package, tmp_path: Path
) -> None:
    packed = package.write_packed_mirror(tmp_path, "1.0.0")
    place = f"example.com/acme/fake/terraform-provider-fake_1.0.0_{this_target()}.zip"
    assert packed == tmp_path / place
    unpacked = package.write_mirror(tmp_path, "1.0.0")
    assert hash_zip(packed) == hash_directory(unpacked.parent)


def test_a_packed_provider_is_executable_once_unpacked(
    package: Package, tmp_path: Path
) -> None:
    """Terraform takes the modes from the zip file; Python's own module does not."""
    packed = package.write_packed_mirror(tmp_path, "1.0.0")
    with zipfile.ZipFile(packed) as archive:
        (info,) = archive.infolist()
        assert archive.read(info) == package.data
    assert info.filename == "terraform-provider-fake_v1.0.0"
    assert stat.filemode(info.external_attr >> 16) == "-rwxr-xr-x"
    assert info.create_system == 3  # unix


def test_the_same_provider_makes_the_same_files(project: Path, tmp_path: Path) -> None:
    made = []
    for name in ("first", "second"):
        package = package_of(project)
        packed = package.write_packed_mirror(tmp_path / name, "1.0.0")
        os.utime(packed, (1, 1))
        made.append((packed.read_bytes(), package.data))
    assert made[0] == made[1]


def test_umask_does_not_take_the_right_to_run(package: Package, tmp_path: Path) -> None:
    previous = os.umask(0o077)
    try:
        executable = package.write_override(tmp_path / "dev")
    finally:
        os.umask(previous)
    assert stat.S_IMODE(executable.stat().st_mode) == 0o755


def test_a_package_replaces_the_one_before(package: Package, tmp_path: Path) -> None:
    old = Package(ADDRESS, b"old").write_mirror(tmp_path, "1.0.0")
    assert package.write_mirror(tmp_path, "1.0.0") == old
    assert old.read_bytes() == package.data


def test_a_provider_that_starts_passes_the_check(package: Package) -> None:
    package.check()


BROKEN = {
    "can't be imported": ("import no_such_module", "No module named 'no_such_module'"),
    "is no Python": ("this is no Python", "SyntaxError"),
    "serves nothing": ("print('hello')", "hello"),
}


@pytest.mark.parametrize(("source", "told"), BROKEN.values(), ids=BROKEN)
def test_a_provider_that_does_not_start_is_told_why(
    source: str, told: str, project: Path
) -> None:
    (project / "provider.py").write_text(source)
    with pytest.raises(PackagingError, match="does not start") as caught:
        package_of(project).check()
    assert told in str(caught.value)


def test_files_that_do_not_belong_to_the_package_are_not_shipped(
    package: Package, tmp_path: Path
) -> None:
    executable = package.write_mirror(tmp_path, "1.0.0")
    (executable.parent / "notes.txt").touch()
    with pytest.raises(PackagingError, match=r"remove notes\.txt"):
        package.write_mirror(tmp_path, "1.0.0")


@pytest.mark.parametrize(
    "write",
    [
        Package.write_override,
        lambda package, folder: package.write_mirror(folder, "1.0.0"),
        lambda package, folder: package.write_packed_mirror(folder, "1.0.0"),
    ],
    ids=["override", "mirror", "packed mirror"],
)
def test_a_folder_that_can_not_be_written_is_named(
    write: Callable[[Package, Path], Any], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(PackagingError, match=r"can't use .*/file"):
        write(Package(ADDRESS, b""), tmp_path / "file" / "below")


@pytest.mark.parametrize("write", ["write_mirror", "write_packed_mirror"])
def test_a_version_that_is_none_is_refused(write: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'latest' is no version"):
        getattr(Package(ADDRESS, b""), write)(tmp_path, "latest")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("snippet", [override_snippet, mirror_snippet])
@pytest.mark.parametrize("name", ['a"b', "a$b", "a\\b", "a\nb"])
def test_a_folder_that_the_configuration_can_not_name_is_refused(
    snippet: Callable[..., str], name: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="can't name a folder"):
        snippet(ADDRESS, tmp_path / name)


@pytest.mark.parametrize("name", ["with blank", "l" * 130, "it's"])
def test_an_interpreter_may_have_any_path(
    name: str, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A first line has no quotes, and had a limit of 127 bytes."""
    interpreter = tmp_path / name / "python"
    interpreter.parent.mkdir()
    interpreter.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    interpreter.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(interpreter))
    (project / "provider.py").write_text("import sys\nprint(sys.argv[1:])")
    executable = package_of(project).write_override(tmp_path / "dev")
    said = subprocess.check_output([executable, "-debug", "a b"], timeout=SCRIPT_WAIT)
    assert said == b"['-debug', 'a b']\n"
