"""The test kit for authors: which providers pass, and which do not."""

import importlib.util
import re
import sys
from pathlib import Path
from typing import Any, ClassVar

import pytest

from goplugin_py.terraform import DiagnosticError, InvalidConfig
from goplugin_py.terraform.resource import Resource as HostResource
from goplugin_py.terraform.serving import (
    UNKNOWN,
    Gone,
    Provider,
    Resource,
    attribute,
)
from goplugin_py.terraform.serving.testing import (
    check_life_cycle,
    provider_under_test,
)
from tests.peers import ROOT

unknown: Any = UNKNOWN


class Thing(Resource):
    """What is kept in memory."""

    type_name = "things_thing"

    id: str = attribute(computed=True, stable=True)
    name: str = attribute(requires_replace=True)
    size: int = attribute(default=1)
    stamp: str = attribute(computed=True)
    note: str | None

    @property
    def stored(self) -> dict[str, Any]:
        stored: dict[str, Any] = self.provider.stored
        return stored

    def create(self) -> None:
        self.id = self.name.upper()
        self.update(self)

    def read(self) -> None:
        if self.id not in self.stored:
            raise Gone
        self.name, self.size, self.stamp, note = self.stored[self.id]
        # Who imports it does not know the note.
        self.note = note if self.note is not None else None

    def update(self, prior: Resource) -> None:
        self.stamp = "now"
        self.stored[self.id] = (self.name, self.size, self.stamp, self.note)

    def delete(self) -> None:
        self.stored.pop(self.id, None)

    def import_state(self, id: str) -> None:  # noqa: A002 - Terraform's word
        self.id = id


class Restless(Thing):
    def plan(self, prior: Resource | None) -> None:
        self.stamp = unknown


class Shrinking(Thing):
    def read(self) -> None:
        super().read()
        self.size -= 1


class Shy(Thing):
    def read(self) -> None:
        raise Gone


class Lasting(Thing):
    def delete(self) -> None:
        pass


class Crashing(Thing):
    def create(self) -> None:
        raise RuntimeError("out of things")


class ThingsProvider(Provider):
    """Has things."""

    stored: ClassVar[dict[str, Any]]


def provider_of(model: type[Resource]) -> Provider:
    made = type("ThingsProvider", (ThingsProvider,), {"resources": (model,)})
    made.stored = {}  # type: ignore[attr-defined]
    instance: Provider = made()
    return instance


def check(model: type[Resource], version: int = 6, **options: Any) -> Any:
    with provider_under_test(provider_of(model), {}, version=version) as provider:
        thing = provider.resource("things_thing")
        return check_life_cycle(thing, {"name": "a", "note": "b"}, **options)


@pytest.mark.parametrize("version", [5, 6])
def test_a_provider_that_keeps_the_rules_passes(version: int) -> None:
    update = {"name": "a", "size": 2, "note": "c"}
    state = check(
        Thing, version, update=update, import_by="id", import_ignores=["note"]
    )
    assert state.to_python() == {"id": "A", "stamp": "now", **update}


def test_a_replacement_is_a_change_as_well() -> None:
    assert check(Thing, update={"name": "z", "note": "b"})["id"] == "Z"


COMPLAINTS = {
    Restless: "the second plan is not empty but update: stamp is 'now', then",
    Shrinking: "what was applied is not what is read: size is 1, then 0",
    Shy: "things_thing can't be read once it exists",
    Lasting: "things_thing can be read after its end",
}


@pytest.mark.parametrize(
    ("model", "told"), COMPLAINTS.items(), ids=[each.__name__ for each in COMPLAINTS]
)
def test_what_makes_users_wonder_fails_the_test(
    model: type[Resource], told: str
) -> None:
    with pytest.raises(AssertionError, match=re.escape(told)):
        check(model)


def test_an_import_that_finds_less_fails_the_test() -> None:
    with pytest.raises(AssertionError, match="imported: note is 'b', then None"):
        check(Thing, import_by="id")


def test_an_update_that_changes_nothing_fails_the_test() -> None:
    told = "planned was no-op instead of update or replace"
    with pytest.raises(AssertionError, match=told):
        check(Thing, update={"name": "a", "note": "b"})


def test_an_error_of_the_provider_comes_through() -> None:
    with pytest.raises(DiagnosticError, match="out of things"):
        check(Crashing)


def test_a_wrong_configuration_fails_before_any_call() -> None:
    with provider_under_test(provider_of(Thing)) as provider:
        provider.configure({})
        thing: HostResource = provider.resource("things_thing")
        with pytest.raises(InvalidConfig, match="nome"):
            thing.plan({"nome": "a"})


def test_the_authors_code_runs_in_the_tests_own_process() -> None:
    provider = provider_of(Thing)
    with provider_under_test(provider, {}) as host:
        host.resource("things_thing").plan({"name": "a"}).apply()
        assert list(type(provider).stored) == ["A"]  # type: ignore[attr-defined]


def load_example(monkeypatch: pytest.MonkeyPatch) -> Any:
    path = ROOT / "examples" / "terraform_provider" / "provider.py"
    spec = importlib.util.spec_from_file_location("notes_provider", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "notes_provider", module)  # for annotations
    spec.loader.exec_module(module)
    return module


def test_the_test_in_the_documentation_passes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    example = load_example(monkeypatch)
    text = (ROOT / "docs" / "terraform-packaging.md").read_text("utf-8")
    (source,) = re.findall("```python\n(.*?)```", text, re.DOTALL)
    names: dict[str, Any] = {"NotesProvider": example.NotesProvider}
    exec(source, names)
    names["test_notes"](tmp_path)
