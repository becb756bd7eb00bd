"""The example provider, in Python, under Terraform and OpenTofu."""

import json
import sys
from pathlib import Path

import pytest

from interop.terraform_cases import EXAMPLE, NOTES, executables
from interop.terraform_product import NOTHING_TO_DO, SOMETHING_TO_DO, Product

# Some tests start a provider twenty times, each time an interpreter.
pytestmark = [pytest.mark.full, pytest.mark.timeout(600)]

CONFIGURATION = """\
terraform {
  required_providers {
    notes = {
      source = "example.com/goplugin/notes"
    }
  }
}
variable "folder" {}
provider "notes" {
  folder = var.folder
}
"""
NOTE = """\
resource "notes_note" "a" {
  title = "A title"
  text  = "one two"
  tags  = ["y", "x"]
}
"""
TITLES = """\
data "notes_titles" "all" {
  depends_on = [notes_note.a]
}
output "titles" {
  value = data.notes_titles.all.titles
}
"""


class Notes:
    """A product that keeps notes."""

    def __init__(self, product: Product) -> None:
        self.product = product
        self.folder = product.folder / "notes"
        product.environ["TF_VAR_folder"] = str(self.folder)

    def write(self, *parts: str) -> None:
        """Write what is wanted."""
        self.product.write(CONFIGURATION + "".join(parts))

    def apply(self, *parts: str) -> str:
        """Write what is wanted, and make it so."""
        self.write(*parts)
        return self.product.apply()

    @property
    def files(self) -> dict[str, dict[str, object]]:
        """The notes that there are, by the names of their files."""
        paths = self.folder.glob("*.json")
        return {path.stem: json.loads(path.read_text()) for path in paths}

    @property
    def state(self) -> dict[str, object]:
        attributes: dict[str, object] = self.product.stored("notes_note.a")[
            "attributes"
        ]
        return attributes


@pytest.fixture
def product(product_name: str, tmp_path: Path) -> Product:
    folder = tmp_path / "configuration"
    folder.mkdir()
    return Product(product_name, folder)


@pytest.fixture(params=["terraform", "tofu"])
def product_name(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def notes(product: Product) -> Notes:
    product.override({NOTES: executables()[NOTES]})
    return Notes(product)


def test_a_note_is_planned_and_made(notes: Notes) -> None:
    """And then there is nothing more to do."""
    notes.write(NOTE)
    assert "The configuration is valid" in notes.product.run("validate")
    told = notes.product.plan(SOMETHING_TO_DO)
    assert "Plan: 1 to add, 0 to change, 0 to destroy." in told
    assert "+ words = (known after apply)" in told
    assert "Apply complete! Resources: 1 added" in notes.product.apply()
    assert notes.files == {
        "a-title": {"title": "A title", "text": "one two", "tags": ["x", "y"]}
    }
    assert notes.state == {
        "id": "a-title",
        "title": "A title",
        "text": "one two",
        "tags": ["x", "y"],
        "words": 2,
    }
    notes.product.plan(NOTHING_TO_DO)


def test_a_default_is_planned(notes: Notes) -> None:
    notes.apply('resource "notes_note" "a" { title = "Only" }\n')
    assert (notes.state["text"], notes.state["words"]) == ("", 0)
    notes.product.plan(NOTHING_TO_DO)


def test_a_note_is_updated(notes: Notes) -> None:
    notes.apply(NOTE)
    notes.write(NOTE.replace("one two", "one two three"))
    assert "~ words = 2 -> (known after apply)" in notes.product.plan(SOMETHING_TO_DO)
    told = notes.product.apply()
    assert "Apply complete! Resources: 0 added, 1 changed, 0 destroyed." in told
    assert notes.state["words"] == 3
    notes.product.plan(NOTHING_TO_DO)


def test_a_note_with_another_title_is_another_note(notes: Notes) -> None:
    notes.apply(NOTE)
    told = notes.apply(NOTE.replace("A title", "Another"))
    assert '"A title" -> "Another" # forces replacement' in told
    assert list(notes.files) == ["another"]
    notes.product.plan(NOTHING_TO_DO)


def test_a_note_is_destroyed(notes: Notes) -> None:
    notes.apply(NOTE)
    assert "1 destroyed" in notes.product.run("destroy", "-auto-approve")
    assert notes.files == {}


def test_what_changed_outside_is_found_and_put_right(notes: Notes) -> None:
    notes.apply(NOTE)
    path = notes.folder / "a-title.json"
    path.write_text(path.read_text().replace("one two", "scribbled all over it"))
    told = notes.product.apply("-refresh-only")
    assert "Apply complete! Resources: 0 added, 0 changed, 0 destroyed." in told
    assert notes.state["words"] == 4
    assert '"scribbled all over it" -> "one two"' in notes.product.apply()
    path.unlink()
    assert "1 to add" in notes.product.plan(SOMETHING_TO_DO)


def test_a_note_is_imported(notes: Notes) -> None:
    notes.folder.mkdir()
    stored = {"title": "A title", "text": "one two", "tags": ["x", "y"]}
    (notes.folder / "a-title.json").write_text(json.dumps(stored))
    notes.write(NOTE)
    notes.product.run("import", "notes_note.a", "a-title")
    assert notes.state["words"] == 2
    notes.product.plan(NOTHING_TO_DO)
    notes.product.run("state", "rm", "notes_note.a")
    told = notes.product.run("import", "notes_note.a", "nothing", status=1)
    assert "Cannot import non-existent remote object" in told


def test_a_data_source_is_read_when_what_it_needs_is_there(notes: Notes) -> None:
    told = notes.apply(NOTE, TITLES)
    assert '"A title",\n' in told.partition("Outputs:")[2]
    notes.product.plan(NOTHING_TO_DO)


def test_what_is_not_known_yet_is_planned_around(notes: Notes) -> None:
    """A title that comes from another resource, and a count of words that does."""
    second = """\
resource "notes_note" "b" {
  title = "after ${notes_note.a.id}"
  text  = "${notes_note.a.words} words"
}
"""
    told = notes.apply(NOTE, second)
    assert "2 added" in told
    assert notes.files["after-a-title"]["text"] == "2 words"
    notes.product.plan(NOTHING_TO_DO)


def test_an_error_shows_the_attribute(notes: Notes) -> None:
    """The provider names the path, the product finds the line."""
    notes.folder.mkdir()
    (notes.folder / "a-title.json").write_text("{}")
    notes.write(NOTE)
    told = notes.product.apply(status=1)
    assert "Error: There is such a note" in told
    assert "with notes_note.a,\n" in told
    line = CONFIGURATION.count("\n") + 2
    assert f'on main.tf line {line}, in resource "notes_note" "a":' in told
    assert f'{line}:   title = "A title"' in told


@pytest.mark.parametrize("product_name", ["tofu"], indirect=True)
def test_a_function_is_called(notes: Notes) -> None:
    """OpenTofu has functions of providers; Terraform 1.5 does not."""
    output = 'output "loud" { value = provider::notes::shout("quiet") }\n'
    assert 'loud = "QUIET"' in notes.apply(output)


LOGGING = f"""\
#!{sys.executable}
import logging, sys
sys.path.insert(0, {str(EXAMPLE)!r})
import provider
from goplugin_py.terraform.serving import serve

class NotesProvider(provider.NotesProvider):
    def configure(self):
        super().configure()
        log = logging.getLogger("notes")
        log.info("configured", extra={{"shelf": "top"}})
        log.debug("in detail")

serve(NotesProvider(), address={NOTES!r})
"""


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"TF_LOG": "DEBUG"}, {"[INFO]", "[DEBUG]"}),
        ({"TF_LOG_PROVIDER": "INFO"}, {"[INFO]"}),
        ({"TF_LOG": "WARN"}, set()),
        ({}, set()),
    ],
    ids=["all debug", "providers info", "all warn", "nothing"],
)
def test_the_providers_log_is_shown_as_asked_for(
    product: Product, variables: dict[str, str], expected: set[str], tmp_path: Path
) -> None:
    talking = tmp_path / "talking"
    talking.write_text(LOGGING)
    talking.chmod(0o700)
    product.override({NOTES: talking})
    product.environ |= variables
    notes = Notes(product)
    notes.write(TITLES.replace("depends_on = [notes_note.a]", ""))
    lines = [
        line
        for line in notes.product.plan(SOMETHING_TO_DO).splitlines()
        if "configured:" in line or "in detail" in line
    ]
    assert {
        word for line in lines for word in line.split() if word[0] == "["
    } == expected
    assert all("shelf=top" in line for line in lines if "[INFO]" in line)
