"""Packages of a provider in Python, installed and run by Terraform and OpenTofu."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from goplugin_py.terraform.packaging import (
    Entry,
    Package,
    ProviderAddress,
    archive,
    hash_directory,
    hash_zip,
    launcher,
    mirror_snippet,
    override_snippet,
)
from interop.fixtures import binary
from tests.peers import ROOT, SCRIPT_WAIT
from tests.terraform.serving.debugging import VARIABLE, debugged

pytestmark = pytest.mark.full

ADDRESS = ProviderAddress("example.com", "demo", "notes")
ENTRY = Entry.parse("provider:NotesProvider", ROOT / "examples" / "terraform_provider")

CONFIGURATION = """\
terraform {
  required_providers {
    notes = { source = "example.com/demo/notes" }
  }
}
variable "folder" {}
provider "notes" {
  folder = var.folder
}
resource "notes_note" "first" {
  title = "First"
  text  = "of all"
}
"""

# terraform plan -detailed-exitcode
NOTHING_TO_DO, SOMETHING_TO_DO = 0, 2


class Product:
    """Terraform or OpenTofu, in a folder with a configuration, away from the world."""

    def __init__(self, executable: Path, folder: Path) -> None:
        self.folder = folder
        self._executable = executable
        self._environ = {k: v for k, v in os.environ.items() if k[:3] != "TF_"}
        self._environ |= {
            "HOME": str(folder),
            "CHECKPOINT_DISABLE": "1",
            "TF_VAR_folder": str(folder / "notes"),
            "TF_CLI_CONFIG_FILE": str(folder / "cli.tfrc"),
            "PYTHONPATH": str(ROOT),
            # An archive runs the first Python of its version.
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        }
        self.configure("")
        (folder / "main.tf").write_text(CONFIGURATION)

    def configure(self, text: str) -> None:
        """Write the CLI configuration."""
        (self.folder / "cli.tfrc").write_text(text)

    def set(self, name: str, value: str) -> None:
        """Set a variable of the environment."""
        self._environ[name] = value

    def run(self, *arguments: str, status: int = 0) -> str:
        ended = subprocess.run(
            [self._executable, *arguments, "-no-color"],
            cwd=self.folder,
            env=self._environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SCRIPT_WAIT,
            check=False,
        )
        assert ended.returncode == status, ended.stdout
        return ended.stdout

    def plan(self, status: int) -> None:
        self.run("plan", "-detailed-exitcode", status=status)


@pytest.fixture(params=["terraform", "tofu"])
def product(request: pytest.FixtureRequest, tmp_path: Path) -> Product:
    folder = tmp_path / "configuration"
    folder.mkdir()
    return Product(binary(request.param), folder)


@pytest.fixture
def package() -> Package:
    return Package(ADDRESS, launcher(ENTRY, ADDRESS))


def unpacked(package: Package, mirror: Path) -> str:
    return hash_directory(package.write_mirror(mirror, "1.0.0").parent)


def packed(package: Package, mirror: Path) -> str:
    return hash_zip(package.write_packed_mirror(mirror, "1.0.0"))


@pytest.mark.parametrize("write", [unpacked, packed])
def test_a_mirror_is_installed_from_and_stays_as_it_was(
    write: Callable[[Package, Path], str],
    product: Product,
    package: Package,
    tmp_path: Path,
) -> None:
    """Each command after `init` compares the package with the lock file's hash."""
    hashed = write(package, tmp_path / "mirror")
    product.configure(mirror_snippet(ADDRESS, tmp_path / "mirror"))
    product.run("init")
    assert f'"{hashed}"' in (product.folder / ".terraform.lock.hcl").read_text()
    product.run("apply", "-auto-approve")
    product.plan(NOTHING_TO_DO)


def test_a_changed_package_is_refused(
    product: Product, package: Package, tmp_path: Path
) -> None:
    """What the hash is for, and what bytecode in the folder would lead to."""
    executable = package.write_mirror(tmp_path, "1.0.0")
    product.configure(mirror_snippet(ADDRESS, tmp_path))
    product.run("init")
    (executable.parent / "__pycache__").mkdir()
    (executable.parent / "__pycache__" / "a.pyc").touch()
    told = " ".join(product.run("plan", status=1).split())
    assert "checksums recorded in the dependency lock file" in told


def test_an_archive_is_installed_and_run(product: Product, tmp_path: Path) -> None:
    package = Package(ADDRESS, archive(ENTRY, ADDRESS))
    executable = package.write_mirror(tmp_path, "1.0.0")
    before = hash_directory(executable.parent)
    product.configure(mirror_snippet(ADDRESS, tmp_path))
    product.run("init")
    product.plan(SOMETHING_TO_DO)
    assert hash_directory(executable.parent) == before


def test_a_folder_for_development_needs_no_init(
    product: Product, package: Package, tmp_path: Path
) -> None:
    package.write_override(tmp_path / "dev")
    product.configure(override_snippet(ADDRESS, tmp_path / "dev"))
    product.plan(SOMETHING_TO_DO)


@pytest.mark.parametrize("version", [5, 6])
def test_a_provider_that_is_debugged_is_attached_to(
    version: int, product: Product, package: Package, tmp_path: Path
) -> None:
    executable = package.write_override(tmp_path / "dev")
    with debugged(executable, "-debug", f"-protocol={version}") as provider:
        product.set(VARIABLE, provider.variable)
        product.run("init")
        product.run("apply", "-auto-approve")
        product.plan(NOTHING_TO_DO)
        assert provider.process.poll() is None
