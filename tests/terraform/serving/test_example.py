"""The example provider under the host kit, whose checks are Terraform's own."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from goplugin_py.terraform import (
    Action,
    ApplyFailed,
    InvalidConfig,
    Provider,
    State,
)
from goplugin_py.terraform.resource import Resource
from goplugin_py.terraform.serving.testing import check_life_cycle
from tests.peers import ROOT

EXAMPLE = ROOT / "examples" / "terraform_provider"
SERVE = Path(__file__).with_name("serve_example.py")


@pytest.fixture(params=[5, 6], ids=["protocol 5", "protocol 6"])
def notes(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Provider]:
    environ = {"PYTHONPATH": f"{ROOT}:{EXAMPLE}"}
    command = sys.executable, str(SERVE), str(request.param)
    with Provider.launch(*command, env=environ) as provider:
        assert provider.protocol_version == request.param
        provider.configure({"folder": str(tmp_path)})
        yield provider


@pytest.fixture
def note(notes: Provider) -> Resource:
    return notes.resource("notes_note")


def made(note: Resource, **config: object) -> State:
    state = note.plan({"title": "A note", **config}).apply()
    assert state is not None
    return state


def test_a_note_lives(note: Resource, tmp_path: Path) -> None:
    config = {"title": "A note", "text": "to you", "tags": {"x"}}
    state = made(note, **config)
    assert dict(state) == config | {"id": "a-note", "words": 2, "tags": ["x"]}
    assert (tmp_path / "a-note.json").exists()
    assert note.read(state) == state
    assert note.plan(config, state).action is Action.NO_OP
    note.destroy(state)
    assert note.read(state) is None


def test_a_change_is_an_update_and_a_new_title_another_note(note: Resource) -> None:
    state = made(note)
    update = note.plan({"title": "A note", "text": "three more words"}, state)
    assert (update.action, update["id"]) == (Action.UPDATE, "a-note")
    updated = update.apply()
    assert updated is not None
    assert updated["words"] == 3
    replacement = note.plan({"title": "Other"}, updated)
    assert replacement.action is Action.REPLACE
    assert [str(path) for path in replacement.requires_replace] == ["title"]
    replaced = replacement.apply()
    assert replaced is not None
    assert replaced["id"] == "other"


def test_what_exists_is_imported_and_never_taken_over(note: Resource) -> None:
    state = made(note, text="mine")
    assert note.import_state("a-note").value == state.value
    with pytest.raises(InvalidConfig, match="non-existent"):
        note.import_state("nothing")
    with pytest.raises(ApplyFailed, match=r"^title: There is such a note") as caught:
        made(note, text="yours")
    assert caught.value.state is None


def test_notes_are_read_and_text_is_shouted(notes: Provider) -> None:
    for title in ("First", "Second"):
        notes.resource("notes_note").plan({"title": title}).apply()
    titles = notes.data_source("notes_titles")
    assert titles.read({})["titles"] == ["First", "Second"]
    assert titles.read({"prefix": "S"})["titles"] == ["Second"]
    assert notes.function("shout")("quiet") == "QUIET"


def test_a_draft_is_there_while_it_is_open(notes: Provider) -> None:
    with notes.ephemeral_resource("notes_draft").open({"text": "psst"}) as draft:
        path = Path(draft["path"])
        assert path.read_text() == "psst"
    assert not path.exists()


def test_the_short_provider_of_the_page_works(tmp_path: Path) -> None:
    source = (EXAMPLE / "files.py").read_text()
    assert source in (ROOT / "docs" / "terraform-provider.md").read_text()
    path = str(tmp_path / "a")
    command = sys.executable, str(EXAMPLE / "files.py")
    with Provider.launch(*command, env={"PYTHONPATH": str(ROOT)}) as files:
        files.configure({})
        state = check_life_cycle(
            files.resource("files_file"),
            {"path": path, "text": "abc"},
            update={"path": path, "text": "abcd"},
        )
    assert state["size"] == 4
    assert not Path(path).exists()


def test_the_executable_is_found_and_runs(tmp_path: Path) -> None:
    """As Terraform starts it: by its name, without arguments."""
    environ = {
        "PYTHONPATH": str(ROOT),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    provider = Provider.launch(str(EXAMPLE / "terraform-provider-notes"), env=environ)
    with provider as notes:
        assert notes.protocol_version == 6
        assert notes.function("shout")("a") == "A"
