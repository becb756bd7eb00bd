"""A Terraform provider that keeps notes as JSON files in a folder."""

import json
import os
import tempfile
from pathlib import Path

from goplugin_py.terraform.serving import (
    DataSource,
    EphemeralResource,
    Gone,
    Provider,
    ProviderError,
    Resource,
    attribute,
    serve,
)


class Note(Resource):
    """A note, in a file of its own."""

    id: str = attribute(computed=True, stable=True)
    title: str = attribute(requires_replace=True, description="Names the file.")
    text: str = attribute(default="", description="What it says.")
    tags: set[str] | None
    words: int = attribute(computed=True, description="How many there are in the text.")

    @property
    def _path(self) -> Path:
        path: Path = self.provider.path(self.id)
        return path

    def create(self) -> None:
        self.id = self.title.lower().replace(" ", "-")
        if self._path.exists():
            raise ProviderError("There is such a note", str(self._path), path="title")
        self._write()

    def _write(self) -> None:
        self.words = len(self.text.split())
        stored = {
            "title": self.title,
            "text": self.text,
            "tags": sorted(self.tags or ()),
        }
        self._path.write_text(json.dumps(stored))

    def read(self) -> None:
        try:
            stored = json.loads(self._path.read_text())
        except FileNotFoundError:
            raise Gone from None
        self.title, self.text = stored["title"], stored["text"]
        self.tags = set(stored["tags"]) or None
        self.words = len(self.text.split())

    def update(self, prior: "Note") -> None:
        self._write()

    def delete(self) -> None:
        self._path.unlink(missing_ok=True)

    def import_state(self, id: str) -> None:  # noqa: A002
        self.id = id


class Titles(DataSource):
    """The titles of all notes."""

    prefix: str | None
    titles: list[str] = attribute(computed=True)

    def read(self) -> None:
        paths = sorted(self.provider.path("x").parent.glob("*.json"))
        found = [json.loads(path.read_text())["title"] for path in paths]
        self.titles = [each for each in found if each.startswith(self.prefix or "")]


class Draft(EphemeralResource):
    """A note that is there while Terraform runs, and in no state."""

    text: str
    path: str = attribute(computed=True)

    def open(self) -> None:
        handle, self.path = tempfile.mkstemp(suffix=".txt")
        with os.fdopen(handle, "w") as file:
            file.write(self.text)
        self.private["path"] = self.path

    def close(self) -> None:
        Path(self.private["path"]).unlink(missing_ok=True)


def shout(text: str) -> str:
    """Say it in capitals."""
    return text.upper()


class NotesProvider(Provider):
    """Keeps notes."""

    folder: str = attribute(description="Where the files are.")
    resources = (Note,)
    data_sources = (Titles,)
    ephemeral_resources = (Draft,)
    functions = (shout,)

    def configure(self) -> None:
        Path(self.folder).mkdir(exist_ok=True)

    def path(self, name: str) -> Path:
        return Path(self.folder, f"{name}.json")


if __name__ == "__main__":
    serve(NotesProvider())
