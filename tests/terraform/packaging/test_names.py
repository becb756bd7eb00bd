"""Addresses, versions and entries: what is taken for one, and what is not."""

from pathlib import Path

import pytest

from goplugin_py.errors import ConfigError
from goplugin_py.terraform.packaging import Entry, ProviderAddress
from goplugin_py.terraform.packaging.version import check_version


def test_an_address_is_read_as_terraform_does() -> None:
    """terraform-registry-address: ParseProviderSource folds the case."""
    address = ProviderAddress.parse("Example.com/Acme/my-Shelf")
    assert str(address) == "example.com/acme/my-shelf"
    assert address.executable == "terraform-provider-my-shelf"
    assert ProviderAddress.parse("localhost:8080/a/b").host == "localhost:8080"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "HOST/NAMESPACE/TYPE"),
        ("shelf", "HOST/NAMESPACE/TYPE"),
        ("acme/shelf", "HOST/NAMESPACE/TYPE"),
        ("a/b/c/d", "HOST/NAMESPACE/TYPE"),
        ("example.com//shelf", "''"),
        ("example.com/acme/../x", "HOST/NAMESPACE/TYPE"),
        ("../acme/shelf", "'..' is no host"),
        ("example.com/../shelf", "'..'"),
        ("example.com/acme/my_shelf", "'my_shelf'"),
        ("example.com/acme/my--shelf", "'my--shelf'"),
        ("example.com/acme/-shelf", "'-shelf'"),
        ("example.com/acme/shelf\n", "letters, digits"),
        ("example.com/acme/terraform-provider-shelf", "prefix: 'shelf'"),
        ("example.com/acme/terraform-shelf", "prefix: 'shelf'"),
    ],
)
def test_what_is_no_address_is_refused(text: str, told: str) -> None:
    with pytest.raises(ConfigError, match=r"like example\.com/acme/shelf") as caught:
        ProviderAddress.parse(text)
    assert told in str(caught.value)


VERSIONS = ["0.0.0", "1.0.0", "10.20.30", "1.0.0-beta", "1.0.0-rc.1.x-y", "1.0.0+a.01"]
NO_VERSIONS = ["", "1", "1.0", "v1.0.0", "1.0.0.0", "01.0.0", "1.0.0-", "1.0.0-01"]


@pytest.mark.parametrize("text", VERSIONS)
def test_a_semantic_version_is_a_version(text: str) -> None:
    assert check_version(text) == text


@pytest.mark.parametrize(
    "text", [*NO_VERSIONS, "1.0.0/..", "1.0.0\n", "1.0.٣", "1.0.0+"]
)
def test_what_is_no_semantic_version_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"as in 1\.0\.0"):
        check_version(text)


def test_a_module_in_the_folder_is_imported_from_there(tmp_path: Path) -> None:
    (tmp_path / "shelf.py").touch()
    assert Entry.parse("shelf:Shelf", tmp_path).source == tmp_path
    assert Entry.parse("elsewhere.shelf:Shelf", tmp_path).source is None


def test_a_folder_of_the_same_name_is_no_module(tmp_path: Path) -> None:
    """Python prefers a package to a module, and a module to a mere folder."""
    entry = Entry("shelf:Shelf", tmp_path)
    (tmp_path / "shelf").mkdir()
    assert entry.module_file() == tmp_path / "shelf"
    (tmp_path / "shelf.py").touch()
    assert entry.module_file() == tmp_path / "shelf.py"
    (tmp_path / "shelf" / "__init__.py").touch()
    assert entry.module_file() == tmp_path / "shelf"


def test_a_script_may_be_a_link(tmp_path: Path) -> None:
    """What it imports is beside the script, and not beside the link."""
    (tmp_path / "real").mkdir()
    script = tmp_path / "real" / "provider.py"
    script.touch()
    (tmp_path / "link.py").symlink_to(script)
    entry = Entry.parse("link.py", tmp_path)
    assert (entry.target, entry.source) == (str(script), script.parent)


@pytest.mark.parametrize(
    "text", ["", "shelf", "shelf:", ":Shelf", "a b:c", "no.py", "."]
)
def test_what_is_no_entry_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="MODULE:NAME"):
        Entry.parse(text, tmp_path)
