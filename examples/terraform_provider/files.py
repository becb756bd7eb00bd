"""A whole Terraform provider: files with a text in them."""

from pathlib import Path

from goplugin_py.terraform.serving import Gone, Provider, Resource, attribute, serve


class File(Resource):
    """A file with a text in it."""

    path: str = attribute(requires_replace=True)
    text: str = ""
    size: int = attribute(computed=True)

    def create(self) -> None:
        Path(self.path).write_text(self.text)
        self.size = len(self.text)

    def read(self) -> None:
        if not Path(self.path).exists():
            raise Gone
        self.text = Path(self.path).read_text()
        self.size = len(self.text)

    def update(self, prior: "File") -> None:
        self.create()

    def delete(self) -> None:
        Path(self.path).unlink(missing_ok=True)


class FilesProvider(Provider):
    resources = (File,)


if __name__ == "__main__":
    serve(FilesProvider())
