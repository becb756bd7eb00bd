"""Where providers are found, in a home and directory of the test's own."""

from pathlib import Path

import pytest

from goplugin_py.terraform import ProviderNotFound, find_provider
from goplugin_py.terraform.cli_config import read_cli_config
from goplugin_py.terraform.target import this_target

NAME = "terraform-provider-time"
HASHICORP = "registry.terraform.io/hashicorp/time"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "home"
    for directory in (home, tmp_path / "work", tmp_path / "bin"):
        directory.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("XDG_DATA_DIRS", str(tmp_path / "share"))
    for name in ("XDG_DATA_HOME", "TF_CLI_CONFIG_FILE", "TERRAFORM_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    for name in ("TF_DATA_DIR", "TF_PLUGIN_CACHE_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path / "work")
    return home


def put(directory: Path, name: str = NAME, mode: int = 0o755) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / name
    path.write_text("#!/bin/sh\n")
    path.chmod(mode)
    return path


def package(root: Path, version: str, address: str = HASHICORP) -> Path:
    """Return where a version of a provider is below a root."""
    return root / address / version / this_target()


def test_a_path_is_taken_as_it_is(tmp_path: Path) -> None:
    path = put(tmp_path / "anywhere", "provider")
    assert find_provider(path) == path
    local = put(Path.cwd(), "provider")
    assert find_provider("./provider") == local
    with pytest.raises(ProviderNotFound, match="no provider '/nowhere/provider'"):
        find_provider("/nowhere/provider")


def test_a_name_is_found_where_init_has_put_it() -> None:
    """Terraform: `.terraform/providers`; the file's name may have a version."""
    path = put(
        package(Path.cwd() / ".terraform/providers", "0.14.2"), f"{NAME}_v0.14.2_x5"
    )
    for name in (NAME, "time", "hashicorp/time", HASHICORP):
        assert find_provider(name) == path
    with pytest.raises(ProviderNotFound):
        find_provider("acme/time")
    with pytest.raises(ProviderNotFound):
        find_provider("registry.opentofu.org/hashicorp/time")


def test_the_highest_version_is_taken_or_the_one_asked_for(home: Path) -> None:
    mirror = home / ".terraform.d/plugins"
    old = put(package(mirror, "0.9.1"))
    put(package(mirror, "0.10.0-beta1"))
    new = put(package(mirror, "0.10.0"))
    assert find_provider("time") == new
    assert find_provider("time", version="0.9.1") == old
    with pytest.raises(ProviderNotFound):
        find_provider("time", version="1.0.0")


def test_the_places_have_an_order(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is nearer to the user's work counts first."""
    override = put(tmp_path / "dev")
    here = put(package(Path.cwd() / ".terraform/providers", "1.0.0"))
    cached = put(package(tmp_path / "cache", "2.0.0"))
    mirrored = put(package(tmp_path / "mirror", "3.0.0"))
    on_path = put(tmp_path / "bin")
    put(package(home / ".terraform.d/plugins", "4.0.0"))
    monkeypatch.setenv("MIRROR", str(tmp_path / "mirror"))
    (home / ".terraformrc").write_text(
        f"""
        # A comment with a brace: {{
        plugin_cache_dir = "{tmp_path / "cache"}"
        credentials "app.terraform.io" {{ token = "path" }}
        provider_installation {{
          dev_overrides {{
            "hashicorp/time" = "{tmp_path / "dev"}"   // with the default host
          }}
          filesystem_mirror {{
            path    = "${{MIRROR}}"
            include = ["*/*", "path"]
          }}
          direct {{}}
        }}
        """
    )
    found = []
    for path in (override, here, cached, mirrored, on_path):
        found.append(find_provider("time"))
        path.unlink()
    assert found == [override, here, cached, mirrored, on_path]
    with pytest.raises(ProviderNotFound) as caught:
        find_provider("time")
    assert str(tmp_path / "mirror" / HASHICORP) in str(caught.value)
    assert str(home) not in str(caught.value), "the usual mirrors are switched off"


def test_what_is_no_executable_of_the_name_is_passed_over(tmp_path: Path) -> None:
    put(tmp_path / "bin", mode=0o644)
    put(tmp_path / "bin", f"{NAME}zone")
    with pytest.raises(ProviderNotFound):
        find_provider("time")
    assert find_provider("timezone").name == f"{NAME}zone"


@pytest.mark.parametrize("text", ["", "}}}", "x = ", 'a "b" {', "\x00\xff", "{=}"])
def test_a_configuration_that_is_none_says_nothing(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "cli.tfrc"
    path.write_text(text)
    monkeypatch.setenv("TF_CLI_CONFIG_FILE", str(path))
    config = read_cli_config()
    assert (config.plugin_cache_dir, config.filesystem_mirrors) == (None, [])
    assert config.dev_overrides == {}


def test_the_plugin_cache_can_be_a_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = put(package(tmp_path / "cache", "1.0.0"))
    monkeypatch.setenv("TF_PLUGIN_CACHE_DIR", str(tmp_path / "cache"))
    assert find_provider("time") == path
