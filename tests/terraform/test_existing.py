"""What exists already: read, imported, upgraded and moved."""

from dataclasses import replace

import pytest

from goplugin_py.terraform import (
    InvalidAnswer,
    InvalidConfig,
    NotSupported,
)
from goplugin_py.terraform.resource import Resource
from tests.terraform.fake import made


def test_a_state_is_read_again(thing: Resource) -> None:
    state = made(thing)
    again = thing.read(state)
    assert again == replace(state, identity=None)
    gone = replace(state, value=state.value | {"id": "gone"})
    assert thing.read(gone) is None


def test_a_resource_is_imported_by_id_or_identity(thing: Resource) -> None:
    for state in (thing.import_state("5"), thing.import_state(identity={"id": "5"})):
        assert (state["id"], state["name"]) == ("5", "imported")
        assert state.private == b"imported"
    with pytest.raises(InvalidConfig, match="non-existent"):
        thing.import_state("gone")
    with pytest.raises(InvalidConfig, match=r"^id: Invalid identity"):
        thing.import_state(identity={})
    with pytest.raises(ValueError, match="one of the two"):
        thing.import_state()


@pytest.mark.parametrize("found", ["none", "two", "null"])
def test_an_import_of_anything_but_one_is_refused(thing: Resource, found: str) -> None:
    with pytest.raises(InvalidAnswer, match="Unexpected import"):
        thing.import_state(found)


def test_a_stored_state_is_upgraded(thing: Resource) -> None:
    stored = made(thing, size=12345678901234567890)
    old = thing.upgrade(stored.to_json(), 1, private=b"p")
    assert old["zone"] == "from version 1"
    assert (old.private, old["size"]) == (b"p", 12345678901234567890)
    same = thing.upgrade({"name": "a", "removed": 1}, 3)
    assert (same["name"], same["zone"]) == ("a", "from version 3")
    with pytest.raises(InvalidConfig, match="use a newer provider"):
        thing.upgrade({}, 4)
    with pytest.raises(InvalidConfig, match="no JSON"):
        thing.upgrade(b"{", 3)


def test_a_state_is_moved_from_another_type(thing: Resource) -> None:
    state = thing.move({"name": "a"}, provider="example.com/x/y", type_name="old")
    assert (state["name"], state["zone"]) == ("a", "from old")
    assert state.private == b"moved"


def test_a_call_that_the_provider_lacks_is_told(thing: Resource) -> None:
    with pytest.raises(NotSupported, match="no call GenerateResourceConfig"):
        thing.generate_config(made(thing))
