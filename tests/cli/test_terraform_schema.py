"""The command line: `goplugin terraform schema` and `function`."""

import pytest

from goplugin_py.cli import main
from tests.cli.terraform import Terraform
from tests.peers import run_python


@pytest.mark.parametrize("version", [5, 6])
def test_everything_in_a_provider_has_a_line(
    terraform: Terraform, version: int
) -> None:
    assert terraform("schema", version=version) == 0
    lines = [" ".join(line.split()) for line in terraform.out.splitlines()]
    assert lines == [
        "provider [token]",
        "resource fake_thing name, [any], [password], [size], [zone]",
        "data source fake_thing name, [any], [password], [size], [zone]",
        "ephemeral resource fake_secret name, [any], [password], [size], [zone]",
        "list resource fake_thing name",
        "action fake_do name",
        "function say number, words...",
    ]


def test_one_thing_is_shown_in_full(terraform: Terraform) -> None:
    assert terraform("schema", "fake_secret") == 0
    lines = [line.split() for line in terraform.out.splitlines()]
    assert ["ephemeral", "resource", "fake_secret", "id", "string", "computed"] in lines
    password = ["password", "string", "optional,", "write-only"]
    assert ["ephemeral", "resource", "fake_secret", *password] in lines
    assert terraform("schema", "say") == 0
    lines = [line.split() for line in terraform.out.splitlines()]
    assert lines == [
        ["function", "say", "number", "number", "argument"],
        ["function", "say", "words...", "string", "argument", "or", "null"],
        ["function", "say", "list", "of", "string", "result"],
    ]


def test_a_name_that_is_not_there_is_explained(terraform: Terraform) -> None:
    assert terraform("schema", "nothing") == 1
    assert terraform.err == "goplugin: the provider has no 'nothing'\n"


def test_machines_get_one_provider_of_terraforms_form(terraform: Terraform) -> None:
    """Terraform: `jsonprovider.Marshal`; the rest is compared with Terraform's own."""
    address = "example.com/acme/fake"
    assert terraform("schema", "fake_do", "--json", "--address", address) == 0
    attribute = {"type": "string", "description_kind": "plain", "required": True}
    token = {"type": "string", "description_kind": "plain", "optional": True}
    assert terraform.value == {
        "format_version": "1.0",
        "provider_schemas": {
            address: {
                "provider": {
                    "version": 0,
                    "block": {
                        "attributes": {"token": token},
                        "description_kind": "plain",
                    },
                },
                "action_schemas": {
                    "fake_do": {
                        "version": 0,
                        "block": {
                            "attributes": {"name": attribute},
                            "description_kind": "plain",
                        },
                    }
                },
            }
        },
    }


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_function_takes_text_and_json(terraform: Terraform, form: str) -> None:
    """Text for its strings, JSON for all else."""
    options = ["--json"] if form == "json" else []
    assert terraform("function", "say", "1e3", "a b", "2", *options) == 0
    assert terraform.value == ["a b", "2"]
    assert len(terraform.out.splitlines()) == (1 if form == "json" else 4)


@pytest.mark.parametrize(
    ("arguments", "status", "complaint"),
    [
        (["say", "13"], 1, "[0]: Error in function say in number\nno"),
        (["say", "14"], 1, "Function returned a wrong type"),
        (["say", "x"], 2, "number is number, in JSON; "),
        (["say", "true"], 2, "[0]: Invalid value for number"),
        (["say"], 2, "Wrong number of arguments"),
        (["tell"], 1, "the provider has no function 'tell'; it has: say"),
    ],
    ids=["refused", "bad answer", "no JSON", "wrong type", "too few", "unknown"],
)
def test_a_function_that_does_not_work_is_explained(
    terraform: Terraform, arguments: list[str], status: int, complaint: str
) -> None:
    assert terraform("function", *arguments) == status
    assert terraform.err.startswith(f"goplugin: {complaint}")


def test_a_provider_that_is_not_there_is_explained(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["terraform", "schema", "./nothing"]) == 1
    assert "there is no provider './nothing'" in capsys.readouterr().err


def test_without_the_extra_it_says_what_to_install() -> None:
    """In a process of its own: here the library has been imported already."""
    script = """
import sys
sys.modules["msgpack"] = None
from goplugin_py.cli import main
sys.exit(main(["terraform", "schema", "time"]))
"""
    _, errors = run_python(script, status=1)
    assert "pip install 'goplugin_py[terraform]'" in errors
