"""Packages of a provider in Python, installed and run by Terraform and OpenTofu."""

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
from interop.terraform_product import NOTHING_TO_DO, SOMETHING_TO_DO, Product
from tests.peers import ROOT
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


@pytest.fixture(params=["terraform", "tofu"])
def product(request: pytest.FixtureRequest, tmp_path: Path) -> Product:
    folder = tmp_path / "configuration"
    folder.mkdir()
    product = Product(request.param, folder)
    product.environ["TF_VAR_folder"] = str(folder / "notes")
    product.write(CONFIGURATION)
    return product


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
    product.apply()
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
        product.environ[VARIABLE] = provider.variable
        product.run("init")
        product.apply()
        product.plan(NOTHING_TO_DO)
        assert provider.process.poll() is None
