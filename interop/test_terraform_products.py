"""What `goplugin terraform` tells and does, beside Terraform and OpenTofu."""

import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from interop.terraform_cases import (
    CASES,
    EXAMPLE,
    NOTES,
    SHELF,
    TIME,
    Case,
    executables,
)
from interop.terraform_product import Product
from tests.peers import SCRIPT_WAIT
from tests.terraform.serving.debugging import VARIABLE, debugged

# Some tests start a provider twenty times, each time an interpreter.
pytestmark = [pytest.mark.full, pytest.mark.timeout(600)]

# What Terraform 1.5.7 does not know of yet, and what OpenTofu 1.12.6 does not.
UNKNOWN_PARTS = {
    "terraform": {
        *("functions", "ephemeral_resource_schemas", "resource_identity_schemas"),
        *("list_resource_schemas", "action_schemas"),
        *("write_only", "deprecation_message"),
    },
    "tofu": {"list_resource_schemas", "action_schemas"},
}


@pytest.fixture(params=["terraform", "tofu"])
def product(request: pytest.FixtureRequest, tmp_path: Path) -> Product:
    folder = tmp_path / "configuration"
    folder.mkdir()
    product = Product(request.param, folder)
    product.override(executables())
    return product


def goplugin(product: Product, task: str, *arguments: str) -> Any:
    """Run `goplugin terraform`, which finds providers as the product does."""
    command = [sys.executable, "-m", "goplugin_py", "terraform", task, *arguments]
    ended = subprocess.run(
        [*command, "--json"],
        cwd=product.folder,
        env=product.environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SCRIPT_WAIT,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout, parse_float=Decimal)


def without(value: Any, names: set[str]) -> Any:
    match value:
        case dict():
            return {k: without(v, names) for k, v in value.items() if k not in names}
        case list():
            return [without(each, names) for each in value]
    return value


@pytest.mark.parametrize("address", [TIME, SHELF, NOTES])
def test_the_schema_is_what_the_product_prints(product: Product, address: str) -> None:
    """Terraform: `providers schema -json`, value by value."""
    kind = address.rpartition("/")[2]
    product.write_json(terraform={"required_providers": {kind: {"source": address}}})
    theirs = product.json("providers", "schema", "-json")
    ours = goplugin(product, "schema", address)
    assert without(ours, UNKNOWN_PARTS[product.name]) == theirs
    assert theirs["provider_schemas"][address]["resource_schemas"]


class Twice:
    """A resource, kept by the product and by `goplugin terraform`, each on its own."""

    def __init__(self, product: Product, case: Case) -> None:
        self.product = product
        self.case = case
        self._state = product.folder / "ours.json"
        self._folders = [product.folder / "theirs", product.folder / "ours"]

    def configure(self, config: dict[str, Any]) -> None:
        """Write the configuration of the product's."""
        parts = {
            "terraform": self.case.requirements,
            "resource": {self.case.type_name: {"a": config}},
        }
        if self.case.address == NOTES:
            parts["provider"] = {"notes": {"folder": str(self._folders[0])}}
        self.product.write_json(**parts)

    def run(self, task: str, config: dict[str, Any], *options: str) -> Any:
        """Run our command with the same."""
        if self.case.address == NOTES:
            own = json.dumps({"folder": str(self._folders[1])})
            options = (*options, "--provider-config", own)
        text = json.dumps(config, default=float)
        case = self.case
        return goplugin(
            *(self.product, task, case.address, case.type_name, text),
            *("--state", str(self._state), *options),
        )

    @property
    def ours(self) -> dict[str, Any]:
        text = self._state.read_text()
        state: dict[str, Any] = json.loads(text, parse_float=Decimal)
        return state

    @property
    def theirs(self) -> dict[str, Any]:
        return self.product.stored(f"{self.case.type_name}.a")

    def change(self, *options: str) -> dict[str, Any]:
        """Return what the product plans."""
        self.product.run("plan", "-out=plan", *options)
        [found] = self.product.json("show", "-json", "plan")["resource_changes"]
        change: dict[str, Any] = found["change"]
        return change


@pytest.fixture
def twice(product: Product, request: pytest.FixtureRequest) -> Twice:
    return Twice(product, request.param)


each_case = pytest.mark.parametrize("twice", CASES, indirect=True, ids=str)


@each_case
def test_the_state_is_what_the_product_writes(twice: Twice) -> None:
    """Attributes, private data and identity, after a create and after a change."""
    case = twice.case
    for config in [case.config, case.later] if case.is_kept else [case.config]:
        twice.configure(config)
        twice.product.apply()
        twice.run("apply", config)
        ours, theirs = twice.ours, twice.theirs
        assert ours["attributes"] == theirs["attributes"]
        assert ours["schema_version"] == theirs["schema_version"]
        assert ours["private"] == theirs.get("private", "")
        if twice.product.name == "tofu":  # Terraform 1.5 knows no identities
            assert ours["identity"] == theirs.get("identity")


@each_case
def test_a_plan_is_what_the_product_shows(twice: Twice) -> None:
    """Terraform: `show -json` of a plan to create, and then to change or replace."""
    twice.configure(twice.case.config)
    assert_same(twice.run("plan", twice.case.config)["change"], twice.change())
    if not twice.case.is_kept:
        return
    twice.product.apply()
    twice.run("apply", twice.case.config)
    twice.configure(twice.case.later)
    assert_same(twice.run("plan", twice.case.later)["change"], twice.change())
    destroyed = twice.run("plan", {}, "--destroy")["change"]
    assert_same(destroyed, twice.change("-destroy"))


def assert_same(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    assert ours == {name: theirs.get(name) for name in ours}
    assert ("replace_paths" in ours) == ("replace_paths" in theirs)


def test_one_running_provider_serves_both(product: Product) -> None:
    """Nothing else leads to it: there are no overrides, and nothing is installed."""
    source = f"""
import sys
sys.path.insert(0, {str(EXAMPLE)!r})
from provider import NotesProvider
from goplugin_py.terraform.serving import serve
serve(NotesProvider(), address={NOTES!r})
"""
    product.configure("")
    product.write_json(terraform={"required_providers": {"notes": {"source": NOTES}}})
    with debugged(sys.executable, "-c", source, "-debug") as provider:
        product.environ[VARIABLE] = provider.variable
        product.run("init")
        theirs = product.json("providers", "schema", "-json")
        ours = goplugin(product, "schema", NOTES)
        assert provider.process.poll() is None
    assert without(ours, UNKNOWN_PARTS[product.name]) == theirs
