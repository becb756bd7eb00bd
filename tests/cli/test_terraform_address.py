"""The command line: what `goplugin terraform` takes for a provider."""

import sys

import pytest

from goplugin_py.cli import main
from goplugin_py.cli.terraform_address import address_of
from tests.cli.terraform import Terraform
from tests.terraform.serving.debugging import VARIABLE, debugged

ADDRESS = "example.com/acme/fake"
SOURCE = f"""
from goplugin_py.terraform.serving import Provider, serve

class FakeProvider(Provider):
    word: str | None

serve(FakeProvider(), address={ADDRESS!r})
"""


@pytest.mark.parametrize(
    ("provider", "address"),
    [
        ("time", "registry.terraform.io/hashicorp/time"),
        ("terraform-provider-time", "registry.terraform.io/hashicorp/time"),
        ("acme/x", "registry.terraform.io/acme/x"),
        ("example.com/acme/x", "example.com/acme/x"),
        (__file__, "registry.terraform.io/hashicorp/test"),
    ],
    ids=["name", "long name", "namespace", "whole address", "path"],
)
def test_an_address_is_made_up_from_a_name(provider: str, address: str) -> None:
    assert address_of(provider) == address


def test_a_provider_that_runs_is_used_and_left_running(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Terraform does it, the variable goes before all other places."""
    with debugged(sys.executable, "-c", SOURCE, "-debug") as provider:
        monkeypatch.setenv(VARIABLE, provider.variable)
        for _ in range(2):
            assert main(["terraform", "schema", ADDRESS]) == 0
            assert capsys.readouterr().out.split() == ["provider", "[word]"]
        assert provider.process.poll() is None


@pytest.mark.parametrize("text", ["{", "[]", '{"example.com/acme/fake": {}}'])
def test_a_variable_that_tells_nothing_is_explained(
    text: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, text)
    assert main(["terraform", "schema", ADDRESS]) == 1
    assert capsys.readouterr().err.startswith("goplugin: ")


def test_the_variable_does_not_matter_to_others(
    terraform: Terraform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, f'{{"{ADDRESS}": {{}}}}')
    assert terraform("schema") == 0
