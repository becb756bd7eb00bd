"""The command line: `goplugin terraform package`."""

import json
from pathlib import Path
from typing import Any

import pytest

from goplugin_py.cli import main
from goplugin_py.terraform import Provider
from goplugin_py.terraform.target import this_target
from tests.peers import ROOT

ADDRESS = "--address=example.com/acme/notes"

MODULE = """\
from goplugin_py.terraform.serving import Provider, serve

class NotesProvider(Provider):
    pass

instance = NotesProvider()

def main():
    serve(NotesProvider(), address="example.com/acme/notes")

number = 7
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a module, and the present one."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes.py").write_text(MODULE)
    return tmp_path


def made(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert main(["terraform", "package", *arguments, ADDRESS, "--json"]) == 0
    answer: dict[str, Any] = json.loads(capsys.readouterr().out)
    return answer


@pytest.mark.parametrize("name", ["NotesProvider", "instance", "main"])
def test_an_entry_is_a_class_or_a_provider_or_a_function(
    name: str, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = made(capsys, f"notes:{name}", "--dev-overrides=dev")
    path = answer["dev_overrides"]["path"]
    assert path == str(project / "dev" / "terraform-provider-notes")
    with Provider.launch(path) as provider:
        assert provider.protocol_version == 6


def test_one_command_makes_all_kinds_of_packages(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places = ["--dev-overrides=dev", "--mirror=mirror", "--packed-mirror=mirror"]
    answer = made(capsys, "notes:NotesProvider", "--version=1.0.0", *places)
    assert set(answer) == {"dev_overrides", "mirror", "packed_mirror"}
    assert answer["mirror"]["hash"] == answer["packed_mirror"]["hash"]
    assert answer["mirror"]["hash"].startswith("h1:")
    assert Path(answer["packed_mirror"]["path"]).suffix == ".zip"


def test_people_are_told_what_to_write_where(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["notes:instance", ADDRESS, "--version=1.0.0", "--mirror=m"]
    assert main(["terraform", "package", *arguments]) == 0
    path, hashed, *text = capsys.readouterr().out.splitlines()
    target = f"1.0.0/{this_target()}/terraform-provider-notes_v1.0.0"
    assert path == str(project / "m/example.com/acme/notes" / target)
    assert hashed.startswith("h1:")
    assert "  filesystem_mirror {" in text
    assert f'    path    = "{project / "m"}"' in text


MISUSES = {
    "no place": ([], "say where"),
    "no version for a mirror": (["--mirror=m"], "needs a --version"),
    "a version that is none": (["--mirror=m", "--version=v1"], "'v1' is no version"),
    "requirements without shiv": (["--dev-overrides=d", "--with=."], "is for --shiv"),
}


@pytest.mark.parametrize(("arguments", "told"), MISUSES.values(), ids=MISUSES)
def test_arguments_that_make_no_sense_are_refused(
    arguments: list[str], told: str, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(project.iterdir())
    command = ["terraform", "package", "notes:instance", ADDRESS, *arguments]
    assert main(command) == 2
    assert told in capsys.readouterr().err
    assert sorted(project.iterdir()) == before


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ("notes:nothing", "has no attribute 'nothing'"),
        ("nothing:instance", "No module named 'nothing'"),
        ("notes:number", "is no provider, but 7"),
    ],
    ids=["no such name", "no such module", "no provider"],
)
def test_an_entry_that_can_not_be_started_is_told_why(
    entry: str, told: str, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["terraform", "package", entry, ADDRESS, "--dev-overrides=dev"]
    assert main(command) == 1
    assert told in capsys.readouterr().err
    assert not (project / "dev").exists()


def test_a_folder_that_can_not_be_written_is_named(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "file").touch()
    command = ["terraform", "package", "notes:instance", ADDRESS]
    assert main([*command, "--dev-overrides=file/dev"]) == 1
    assert "can't use" in capsys.readouterr().err


def test_an_address_that_is_none_is_refused(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["terraform", "package", "notes:instance", "--dev-overrides=dev"]
    assert main([*command, "--address=notes"]) == 2
    assert "'notes' is no address" in capsys.readouterr().err
